import { expect, test } from 'vitest'
import type { CoordinatorRecord } from '../coordinator.ts'
import { groupRecord, pendingRecord, positionRecord, readGroupRecord } from './group-record.ts'
import { bytesOf } from './groups-test-world.ts'

const at = { group: 'a "g"/ü', topic: 't', partition: 3 }
const position = { topic: 't', partition: 3, offset: 5, leaderEpoch: 2, metadata: 'm', committedAt: 17 }

/** As it comes from the log: two texts. */
function asRead({ key, value }: CoordinatorRecord): CoordinatorRecord {
  return { key, value }
}

test('what is written is read', () => {
  const group = {
    protocolType: 'consumer',
    generation: 3,
    protocol: 'sticky',
    leader: 'x',
    members: [
      {
        member: 'x',
        instance: null,
        client: 'c',
        host: 'h',
        sessionTimeoutMs: 1,
        rebalanceTimeoutMs: 2,
        metadata: bytesOf('\u0000ÿ'),
        assignment: bytesOf(''),
      },
    ],
  }
  const read = readGroupRecord(groupRecord('g', group))
  expect(read).toMatchObject({ kind: 'group', group: 'g', value: { ...group, members: [{ member: 'x' }] } })
  if (read.kind !== 'group') throw new Error(read.kind)
  expect(Buffer.from(read.value?.members[0]?.metadata ?? []).equals(bytesOf('\u0000ÿ'))).toBe(true)
  const written = positionRecord(at, position)
  expect(readGroupRecord(written)).toEqual(readGroupRecord(asRead(written)))
  expect(readGroupRecord(asRead(written))).toEqual({ kind: 'position', ...at, value: position })
  expect(readGroupRecord(pendingRecord(9, at, position))).toEqual({
    kind: 'pending',
    producerId: 9,
    ...at,
    value: position,
  })
})

test('a null value removes', () => {
  expect(readGroupRecord(groupRecord('g', undefined))).toEqual({
    kind: 'group',
    group: 'g',
    value: undefined,
  })
  expect(readGroupRecord(positionRecord(at, undefined))).toEqual({
    kind: 'position',
    ...at,
    value: undefined,
  })
  expect(readGroupRecord(pendingRecord(9, at, undefined))).toMatchObject({
    kind: 'pending',
    value: undefined,
  })
})

test.each([
  ['no JSON', '{}', 'MILLRACE_CORRUPT'],
  ['{"a":1}', '{}', 'MILLRACE_CORRUPT'],
  ['["group","g"]', 'null', 'MILLRACE_CORRUPT'],
  ['["group","g"]', '{', 'MILLRACE_CORRUPT'],
  ['["something","g"]', '{"version":1}', 'MILLRACE_CORRUPT'],
  ['["group","g"]', '{"version":1,"generation":1}', 'MILLRACE_CORRUPT'],
  ['["position","g","t",0]', '{"version":1}', 'MILLRACE_CORRUPT'],
  ['["group","g"]', '{"version":2}', 'MILLRACE_NEWER_FORMAT'],
  ['["position","g","t",0]', '{"version":2}', 'MILLRACE_NEWER_FORMAT'],
])('key %s with value %s is %s', (key, value, code) => {
  expect(() => readGroupRecord({ key, value })).toThrow(expect.objectContaining({ code }))
})
