import { expect, test } from 'vitest'
import type { Source, SourcePosition } from '../graph/connector.ts'
import type { SourceLane } from '../task/source-lane.ts'
import { ConnectorInput } from './connector-input.ts'

/** What a source is opened at, for what its input had committed. */
function openedAt(stored: SourcePosition | undefined): SourcePosition | undefined {
  let opened: SourcePosition | undefined
  const position = (): SourcePosition => ({ offset: 0, metadata: '' })
  const reader = {
    poll: () => [],
    ended: () => true,
    progress: () => ({ done: 0, total: 0 }),
    close: () => undefined,
    position,
  }
  const source: Partial<Source> = {
    id: 'source',
    open: (_context, _partition, at) => {
      opened = at
      return reader
    },
  }
  const lanes = [{ node: { source }, partition: 0 } as unknown as SourceLane]
  const clock = { now: () => 0, monotonic: () => 0 }
  const parts = { lanes, rank: 0, stored, clock, connector: {}, context: {}, current: {} }
  const input = new ConnectorInput(parts as never)
  expect(input.position).toBe(stored?.offset ?? 0)
  return opened
}

test('a source goes on at its own place; one that had given nothing has none and begins anew', () => {
  const place = { offset: 3, metadata: 'v1:17:2:0' }
  expect(openedAt(place)).toEqual(place)
  expect(openedAt({ offset: 0, metadata: '' })).toBeUndefined()
  expect(openedAt(undefined)).toBeUndefined()
  // An empty text of the source's own is its affair.
  expect(openedAt({ offset: 5, metadata: '' })).toEqual({ offset: 5, metadata: '' })
})
