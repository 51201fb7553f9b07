import { expect, test } from 'vitest'
import { BatchBuilder } from './batch-builder.ts'
import { BatchReader } from './batch-reader.ts'
import { internalValues } from './internal-values.ts'

test('state goes through a batch as text and comes back equal', () => {
  const serde = internalValues<{ count: number; sum: number; names: string[] }>()
  const state = { count: 3, sum: -0.1, names: ['ä', ''] }
  const builder = new BatchBuilder()
  builder.appendText(0, 'k', serde.encodeText?.(state) ?? null)
  const reader = new BatchReader()
  reader.open(builder.build(), 0)
  reader.next()
  expect(serde.decode(reader, reader.valueStart, reader.valueEnd)).toEqual(state)
})
