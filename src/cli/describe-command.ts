import { describePlan } from '../flow/graph/describe.ts'
import { planOf } from '../streams/app.ts'
import { loadPipeline } from './load-pipeline.ts'
import { type Format, formatFor, type Output, printRow } from './output.ts'

/** `millrace describe FILE`: what a pipeline comes down to. Nothing is opened or run. */
export async function describe(
  file: string,
  options: { readonly set: readonly string[]; readonly format?: Format },
  output: Output,
): Promise<void> {
  const app = await loadPipeline(file, options.set)
  printRow(output, describePlan(planOf(app)), formatFor(output, options.format))
}
