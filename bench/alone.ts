import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { BenchContext } from './bench.ts'
import type { Measurement } from './measure.ts'

const main = fileURLToPath(new URL('main.ts', import.meta.url))

/**
 * Measures each case of a bench in a process of its own, as each app has one: code that V8 made for the case before, and
 * memory that it left, would count for the next.
 */
export async function eachAlone<C extends { readonly label: string }>(
  bench: string,
  context: BenchContext,
  cases: readonly C[],
  measure: (one: C) => Promise<Measurement>,
): Promise<Measurement[]> {
  const wanted = cases.filter(({ label }) => context.wants(label))
  const [only] = wanted
  if (only !== undefined && wanted.length === 1) return [await measure(only)]
  const results: Measurement[] = []
  for (const { label } of wanted) {
    const words = [main, bench, '--case', label, '--seconds', String(context.seconds), '--json']
    const { stdout } = await promisify(execFile)(process.execPath, [...words, '--folder', context.baseFolder])
    results.push(JSON.parse(stdout) as Measurement)
  }
  return results
}
