import type { Readable } from 'node:stream'
import { LineCutter } from '../base/line-cutter.ts'

/** So much is a batch, if so much comes at once. */
const BATCH_BYTES = 1024 * 1024

/** Lines that came together; empty ones too, so that numbers stay right. */
export interface Batch {
  readonly lines: readonly Buffer[]
  /** Number of the first, from 1. */
  readonly first: number
}

/** The lines of a stream, as soon as they come. @throws MillraceError MILLRACE_RECORD_TOO_LARGE. */
export async function* inputBatches(input: Readable): AsyncGenerator<Batch> {
  const cutter = new LineCutter()
  let [lines, bytes]: [Buffer[], number] = [[], 0]
  const batch = (): Batch => ({ lines, first: cutter.count - lines.length + 1 })
  for await (const piece of input as AsyncIterable<Buffer>) {
    lines = lines.concat(cutter.push(piece))
    bytes += piece.length
    if (lines.length === 0 || (bytes < BATCH_BYTES && input.readableLength > 0)) continue
    yield batch()
    ;[lines, bytes] = [[], 0]
  }
  lines = lines.concat(cutter.end())
  if (lines.length > 0) yield batch()
}
