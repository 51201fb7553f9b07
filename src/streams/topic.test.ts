import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { keySerde } from '../record/key-codec.ts'
import { bytes, json, text } from '../record/serdes.ts'
import { connector } from './seams.ts'
import { type Topic, topic, topicSpecOf } from './topic.ts'

describe('topic', () => {
  test('says what its records live by', () => {
    const users = topic('users', { key: text(), value: text(), cleanup: 'compact', recordBytesMax: 5_000 })
    expect(topicSpecOf(users).settings).toEqual({ cleanup: 'compact', recordBytesMax: 5_000 })
    const week = topic('week', { value: text(), retention: '7d', retentionBytes: null })
    expect(topicSpecOf(week).settings).toEqual({ retentionMs: 604_800_000, retentionBytes: null })
    expect(topicSpecOf(topic('ever', { value: text(), retention: null })).settings).toEqual({
      retentionMs: null,
    })
    expect(() => topic('bad', { value: text(), retention: '7 days' as '7d' })).toThrow(
      /retention of the topic bad/,
    )
  })

  test('is a frozen value that shows its name and knows its records', () => {
    const lines = topic('lines', { value: text() })
    expect(Object.keys(lines)).toEqual(['name', 'is'])
    expect(lines.name).toBe('lines')
    expect(Object.isFrozen(lines)).toBe(true)
    expect(Object.isFrozen(topicSpecOf(lines))).toBe(true)
  })

  test('has one partition, no key and synced appends unless it says otherwise', () => {
    expect(topicSpecOf(topic('a', { value: text() }))).toEqual({
      name: 'a',
      partitions: 1,
      keySerde: undefined,
      valueSerde: text(),
      settings: {},
    })
    const spec = topicSpecOf(topic('b', { key: text(), value: bytes(), partitions: 4, durability: 'os' }))
    expect(spec).toEqual({
      name: 'b',
      partitions: 4,
      keySerde: text(),
      valueSerde: bytes(),
      settings: { durability: 'os' },
    })
  })

  test('a schema of values is JSON that the schema checks', () => {
    const { valueSerde } = topicSpecOf(topic('a', { value: z.object({ n: z.number() }) }))
    expect(valueSerde.format).toBe('json')
    expect(Buffer.from(valueSerde.encode({ n: 1 })).toString()).toBe('{"n":1}')
    expect(() => valueSerde.encode({ n: '1' })).toThrow(/n: /)
    const serde = json()
    expect(topicSpecOf(topic('a', { value: serde })).valueSerde).toBe(serde)
  })

  test('a schema of keys is the canonical form of keys, checked', () => {
    const { keySerde: serde } = topicSpecOf(
      topic('a', { key: z.tuple([z.string(), z.number()]), value: text() }),
    )
    expect(serde?.format).toBe('key')
    expect(serde?.encode(['ann', 5])).toEqual(keySerde.encode(['ann', 5]))
    expect(() => serde?.encode(['ann', 'five'])).toThrow(/the schema refuses/)
    const bytesOfKey = keySerde.encode(['ann', 5])
    const source = { bytes: bytesOfKey, text: () => '' }
    expect(serde?.decode(source, 0, bytesOfKey.length)).toEqual(['ann', 5])
  })

  test('a text key from a schema has the bytes of a text key: other clients read it', () => {
    const { keySerde: serde } = topicSpecOf(topic('a', { key: z.string(), value: text() }))
    expect(serde?.encode('ann')).toEqual(Buffer.from('ann'))
  })

  test.each(['', '.', '..', 'a b', 'a/b', 'ä', 'a'.repeat(250)])('the name %j is refused', (name) => {
    expect(() => topic(name, { value: text() })).toThrow(/is no name for a topic/)
  })

  test.each(['a', 'A.b_c-9', 'a'.repeat(249)])('the name %j is taken', (name) => {
    expect(topic(name, { value: text() }).name).toBe(name)
  })

  test.each([0, -1, 1.5, Number.NaN, '4'])('%j partitions are refused', (partitions) => {
    expect(() => topic('a', { value: text(), partitions: partitions as number })).toThrow(
      /whole number of partitions/,
    )
  })

  test('formats that are none are refused', () => {
    expect(() => topic('a', { value: String as never })).toThrow(/the topic a needs a `value`/)
    expect(() => topic('a', { value: undefined as never })).toThrow(/needs a `value`/)
    expect(() => topic('a', { key: bytes(), value: text() })).toThrow(/the key of the topic a must be/)
    expect(() => topic('a', { key: json(), value: text() })).toThrow(/the key of the topic a must be/)
  })

  test('what is no topic has no spec', () => {
    expect(() => topicSpecOf({ name: 'a' } as Topic<null, string, string>)).toThrow(/this is no topic/)
    expect(() => topicSpecOf(connector({}) as never)).toThrow(/this is no topic/)
  })
})
