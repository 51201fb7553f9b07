import { BatchBuilder } from '../src/record/batch-builder.ts'

/** A batch of records of `recordBytes` bytes each, without keys. */
export function encodedBatch(recordBytes: number, records: number): Uint8Array {
  const builder = new BatchBuilder()
  for (let index = 0; index < records; index++) {
    builder.append(1_700_000_000_000 + index, null, Buffer.alloc(recordBytes, 97 + (index % 26)))
  }
  return builder.build()
}
