import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { listFiles } from './source-file.ts'

/**
 * Every example that is a pipeline (it has a default export) is loaded and described as a user would do it, by the
 * command line in a process of its own. That types and results are right is the affair of `types` and of the tests;
 * this says that the file runs as it is.
 */

const SECONDS_MAX = 60

function describeExample(root: string, path: string): string | null {
  const args = [join(root, 'src/cli/main.ts'), 'describe', path]
  const { status, stderr, stdout } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    timeout: SECONDS_MAX * 1000,
  })
  return status === 0 ? null : `exit code ${status}\n${stderr}${stdout}`
}

function main(root: string): number {
  const pipelines = listFiles(root, 'examples').filter(
    (path) => path.endsWith('.ts') && /^export default /m.test(readFileSync(join(root, path), 'utf8')),
  )
  let failed = 0
  for (const path of pipelines) {
    const fault = describeExample(root, path)
    console.log(`${fault === null ? 'ok    ' : 'FAILED'}  ${path}`)
    if (fault === null) continue
    failed++
    console.error(fault)
  }
  // No pipeline at all means that the pattern above is wrong, not that all is well.
  return failed === 0 && pipelines.length > 0 ? 0 : 1
}

if (import.meta.main) process.exitCode = main(join(import.meta.dirname, '..'))
