import { type Finding, isTest, type SourceFile } from './source-file.ts'

/** Files that no entry reaches, for a reason. */
export interface DeadFileExceptions {
  /** Files that only tests need. */
  readonly testOnly: readonly Waived[]
  /** Folders, with a slash at the end, of parts that are being built and not yet put together with the rest. */
  readonly unwired: readonly Waived[]
}

interface Waived {
  readonly path: string
  readonly reason: string
}

/**
 * A file of src lives when an entry reaches it by imports. One that only tests reach is dead too, except the simulated
 * world, contracts (suites that several implementations run), and what the list of exceptions names with a reason.
 */
export function checkDeadFiles(
  files: readonly SourceFile[],
  entries: readonly string[],
  { testOnly, unwired }: DeadFileExceptions,
): readonly Finding[] {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const roots = files
    .filter((file) => isTest(file.path) || !file.path.startsWith('src/'))
    .map((file) => file.path)
  const live = reach(
    entries.filter((entry) => byPath.has(entry)),
    byPath,
  )
  const tested = reach(roots, byPath)
  const forTests = new Set(testOnly.map(({ path }) => path))
  const dead = [...byPath.keys()].filter(
    (path) => path.startsWith('src/') && !isTest(path) && !live.has(path),
  )
  const waits = (path: string): boolean => unwired.some((part) => path.startsWith(part.path))
  return [
    ...dead.flatMap((path) => {
      if (waits(path)) return []
      if (!tested.has(path)) return [finding(path, 'nothing imports it')]
      if (path.startsWith('src/sim/') || path.endsWith('contract.ts') || forTests.has(path)) return []
      return [finding(path, 'only tests import it: wire it, delete it, or list it in tools/exceptions.json')]
    }),
    ...unwired
      .filter((part) => !dead.some((path) => path.startsWith(part.path)))
      .map(({ path }) => finding('tools/exceptions.json', `${path} is wired: take it out of 'unwired'`)),
  ]
}

function reach(roots: readonly string[], byPath: ReadonlyMap<string, SourceFile>): ReadonlySet<string> {
  const seen = new Set<string>(roots)
  // A Set that is iterated also visits what is added meanwhile.
  for (const path of seen) {
    for (const { target } of byPath.get(path)?.imports ?? []) {
      if (target !== null && byPath.has(target)) seen.add(target)
    }
  }
  return seen
}

function finding(path: string, message: string): Finding {
  return { rule: 'dead-files', path, line: 1, message }
}
