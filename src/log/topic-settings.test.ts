import { describe, expect, test } from 'vitest'
import type { TopicSettings } from '../record/topic-settings.ts'
import { changedSettings, checkedSettings, completeSettings } from './topic-settings.ts'

function settings(more: object = {}): TopicSettings {
  return { partitions: 3, ...more }
}

describe('names', () => {
  test.each(['a', 'orders', 'a.b_c-D9', '__groups', '...', 'x'.repeat(249)])('%s is one', (name) => {
    expect(checkedSettings(name, settings()).partitions).toBe(3)
  })

  test.each(['', '.', '..', 'a b', 'a/b', '../x', 'ä', 'a\n', 'x'.repeat(250)])('%j is none', (name) => {
    expect(() => checkedSettings(name, settings())).toThrow(/is no name for a topic: it has 1 to 249 letters/)
  })
})

describe('settings of a new topic', () => {
  test('what is not said is the default', () => {
    expect(checkedSettings('t', { partitions: 1 })).toEqual({
      partitions: 1,
      durability: 'fsync',
      internal: false,
      segmentBytes: 67_108_864,
      segmentMs: 604_800_000,
      cleanup: 'delete',
      retentionMs: null,
      retentionBytes: null,
      deleteRetentionMs: 86_400_000,
      minCleanableDirtyRatio: 0.5,
      minCompactionLagMs: 0,
      maxCompactionLagMs: null,
      recordBytesMax: 1_048_588,
      timestampType: 'createTime',
    })
  })

  test('a key with the value undefined is not said', () => {
    expect(checkedSettings('t', settings({ durability: undefined })).durability).toBe('fsync')
  })

  test('a topic of the system takes records of any size, unless it says otherwise', () => {
    expect(completeSettings(settings({ internal: true })).recordBytesMax).toBe(0x7fff_ffff)
    expect(completeSettings(settings({ internal: true, recordBytesMax: 5 })).recordBytesMax).toBe(5)
  })

  test.each([
    [{ partitions: 0 }, 'partitions is 0; expected an integer from 1 to 100000'],
    [{ partitions: 1.5 }, 'partitions is 1.5'],
    [{ partitions: '3' }, 'partitions is 3'],
    [{ durability: 'none' }, 'durability is "none"; expected fsync or os'],
    [{ internal: 1 }, 'internal is 1'],
    [{ segmentBytes: 1023 }, 'segmentBytes is 1023; expected an integer from 1024 to 2147483647'],
    [{ segmentBytes: 2 ** 31 }, 'segmentBytes is 2147483648'],
    [{ segmentMs: 0 }, 'segmentMs is 0'],
    [{ cleanup: 'remove' }, 'cleanup is "remove"; expected delete or compact or compact,delete'],
    [{ retentionMs: -1 }, 'retentionMs is -1'],
    [{ retentionBytes: Number.NaN }, 'retentionBytes is NaN'],
    [{ deleteRetentionMs: null }, 'deleteRetentionMs is null'],
    [{ minCleanableDirtyRatio: 1.1 }, 'minCleanableDirtyRatio is 1.1; expected a number from 0 to 1'],
    [{ minCleanableDirtyRatio: Number.NaN }, 'minCleanableDirtyRatio is NaN'],
    [{ minCompactionLagMs: -5 }, 'minCompactionLagMs is -5'],
    [{ maxCompactionLagMs: 0 }, 'maxCompactionLagMs is 0'],
    [
      { minCompactionLagMs: 9, maxCompactionLagMs: 8 },
      'maxCompactionLagMs is 8, less than minCompactionLagMs',
    ],
    [{ recordBytesMax: 0 }, 'recordBytesMax is 0'],
    [{ timestampType: 'now' }, 'timestampType is "now"'],
    [{ retention: 5 }, 'there is no setting "retention"; known are partitions, durability'],
  ])('%j is refused', (wrong, message) => {
    expect(() => checkedSettings('t', settings(wrong))).toThrow(`topic t: ${message}`)
  })
})

describe('a change', () => {
  const present = checkedSettings('t', settings({ retentionMs: 1000 }))

  test('leaves what it does not say', () => {
    expect(changedSettings('t', present, { partitions: 5, retentionBytes: 7 })).toEqual({
      ...present,
      partitions: 5,
      retentionBytes: 7,
    })
    expect(changedSettings('t', present, { retentionMs: null }).retentionMs).toBeNull()
  })

  test('never makes fewer partitions or another kind of topic', () => {
    expect(() => changedSettings('t', present, { partitions: 2 })).toThrow(/can only grow, not to 2/)
    expect(() => changedSettings('t', present, { internal: true })).toThrow(/internal is false and cannot be/)
  })

  test('is checked as a whole', () => {
    expect(() => changedSettings('t', present, { segmentBytes: 1 })).toThrow(/segmentBytes is 1;/)
  })
})
