import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkBanned, checkExceptions, type Exceptions } from './banned.ts'
import { checkCycles } from './cycles.ts'
import { checkDeadFiles, type DeadFileExceptions } from './dead-files.ts'
import { checkDecision } from './decision.ts'
import { checkLayers, readLayerList } from './layers.ts'
import { checkNames } from './names.ts'
import { checkSizes } from './sizes.ts'
import { type Finding, listFiles, readSourceFiles } from './source-file.ts'
import { checkSynchronous } from './synchronous.ts'
import { checkWords } from './words.ts'

/** The rules of this repository that no ordinary linter knows. `npm run tidy` prints what they find. */

export const ROOT = join(import.meta.dirname, '..')

/** Where a user's program or command line enters. */
export const ENTRIES = [
  'src/index.ts',
  'src/testing/index.ts',
  'src/connect/files/index.ts',
  'src/cli/main.ts',
]

export function tidy(root: string): readonly Finding[] {
  const files = readSourceFiles(root, ['src', 'test', 'tools', 'bench', 'sim', 'examples'])
  const sources = files.filter((file) => file.path.startsWith('src/'))
  const layers = readLayerList(root)
  const exceptions = JSON.parse(readFileSync(join(root, 'tools/exceptions.json'), 'utf8')) as Exceptions &
    DeadFileExceptions
  return [
    ...checkLayers(sources, layers),
    ...checkDecision(root, layers),
    ...checkCycles(sources),
    ...checkBanned(sources, exceptions.banned),
    ...checkExceptions(sources, exceptions.banned),
    ...checkSynchronous(sources, layers.synchronous),
    ...checkSizes(files),
    ...checkDeadFiles(files, ENTRIES, exceptions),
    ...checkNames(files),
    ...checkWords(files),
  ]
}

export function formatFinding({ rule, path, line, message }: Finding): string {
  return `${path}:${line}  ${rule}: ${message}`
}

if (import.meta.main) {
  const findings = tidy(ROOT)
  for (const finding of findings) console.error(formatFinding(finding))
  const size = listFiles(ROOT, 'src').filter((path) => path.endsWith('.ts')).length
  console.log(
    findings.length === 0 ? `tidy: ${size} files in src, nothing found` : `tidy: ${findings.length} found`,
  )
  process.exitCode = findings.length === 0 ? 0 : 1
}
