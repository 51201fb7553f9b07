import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { text } from '../record/serdes.ts'
import { app, planOf } from './app.ts'
import { duration, isConfigurable, withOptions } from './options.ts'
import { stream } from './source-stream.ts'
import { topic } from './topic.ts'
import { view } from './view.ts'

const words = stream(topic('lines', { value: text() })).keyBy((line) => line)
let seen: unknown
const trending = withOptions(
  { size: duration('1h'), limit: z.number().default(10), names: z.array(z.string()).optional() },
  (options) => {
    seen = options
    return app('trending', { words: view(words) })
  },
)

describe('withOptions', () => {
  test('gives defaults, and checks what is given', () => {
    expect(planOf(trending()).name).toBe('trending')
    expect(seen).toEqual({ size: 3_600_000, limit: 10, names: undefined })
    trending({ size: '5m', limit: 5 })
    expect(seen).toEqual({ size: 300_000, limit: 5, names: undefined })
  })

  test('names every wrong option in one message', () => {
    const wrong = { size: 'soon', limit: 'five', limits: 5, names: ['a', 1] } as never
    expect(() => trending(wrong)).toThrow(
      /wrong options:\n {2}limits: there is no such option; there is: size, limit, names\n {2}size: "soon" is no duration.*\n {2}limit: .*\n {2}names: 1: /,
    )
  })

  test('texts of a command line are taken as they are, or as the JSON that they may be', () => {
    trending.fromText({ limit: '5', size: '10s', names: '["a"]' })
    expect(seen).toEqual({ size: 10_000, limit: 5, names: ['a'] })
    expect(() => trending.fromText({ limit: 'five' })).toThrow(/limit: /)
    expect(() => trending.fromText({ limit: '"five"' })).toThrow(/limit: /)
  })

  test('a text that the schema takes stays a text', () => {
    const named = withOptions({ name: z.string(), size: z.coerce.number() }, (options) => {
      seen = options
      return app('a', { words: view(words) })
    })
    named.fromText({ name: '5', size: '7' })
    expect(seen).toEqual({ name: '5', size: 7 })
    expect(() => named({} as never)).toThrow(/name: /)
  })

  test('is recognised, shows its schemas and is frozen', () => {
    expect(isConfigurable(trending)).toBe(true)
    expect(isConfigurable(() => 1)).toBe(false)
    expect(isConfigurable(trending())).toBe(false)
    expect(Object.keys(trending.options)).toEqual(['size', 'limit', 'names'])
    expect(Object.isFrozen(trending)).toBe(true)
  })

  test('refuses options without a schema, and schemas that answer with a promise', () => {
    expect(() => withOptions({ limit: 10 as never }, () => trending())).toThrow(
      /the option 'limit' has no schema/,
    )
    const slow = withOptions({ n: z.number().refine(async () => true) }, () => trending())
    expect(() => slow({ n: 1 })).toThrow(/n: its schema answers with a promise/)
  })

  test('a duration without a default must be given', () => {
    const sized = withOptions({ size: duration() }, () => trending())
    expect(() => sized({} as never)).toThrow(/size: a duration is needed, such as '5m'/)
    expect(() => duration('1.5ms')).toThrow(/is no duration/)
  })
})
