import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Where the data sets, vectors and tools lie that tests use and the project does not ship. */
const root = process.env['MILLRACE_SHARED'] ?? fileURLToPath(new URL('../../shared', import.meta.url))

/** Path of something shared. Throws when it is not there: a test that needs it must fail loudly, never pass by skipping. */
export function sharedPath(relative: string): string {
  const path = `${root}/${relative}`
  if (existsSync(path)) return path
  throw new Error(
    `this test needs ${path}, which is not there: set MILLRACE_SHARED to the folder that holds ${relative}`,
  )
}
