/**
 * The first import of the command line's entry file. It has to load and run on any Node that knows ES modules, so it
 * imports nothing and uses no recent syntax; the entry imports the rest with `await import(...)` after this answered
 * true, because an older Node refuses newer syntax anywhere in a graph of static imports before any of it runs.
 */

const FLOOR_MAJOR = 24
const FLOOR_MINOR = 6

/** What to tell the user of a Node that is too old, in one line; null when `version` ('24.6.0') is recent enough. */
export function tooOldNode(version: string): string | null {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > FLOOR_MAJOR || (major === FLOOR_MAJOR && minor >= FLOOR_MINOR)) return null
  return `millrace needs Node >= ${FLOOR_MAJOR}.${FLOOR_MINOR}, this is Node ${version}: install a newer one from https://nodejs.org`
}

/** True when this Node runs millrace; else says so on standard error and sets the exit code to 1. */
export function requireNode(): boolean {
  const message = tooOldNode(process.versions.node)
  if (message === null) return true
  console.error(message)
  process.exitCode = 1
  return false
}
