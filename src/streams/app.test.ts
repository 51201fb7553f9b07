import { describe, expect, test } from 'vitest'
import { text } from '../record/serdes.ts'
import { App, app, planOf } from './app.ts'
import { stream } from './source-stream.ts'
import { topic } from './topic.ts'
import { view } from './view.ts'
import { tumbling } from './windows.ts'

const lines = stream(topic('lines', { value: text() }))
const words = lines.keyBy((line) => line)

describe('app', () => {
  test('is frozen, names its leaves, and carries its plan out of sight', () => {
    const program = app('program', {
      words: view(words, { retention: '1d' }),
      out: lines.to(topic('out', { value: text() })),
    })
    expect(Object.keys(program)).toEqual(['name', 'leaves'])
    expect(Object.isFrozen(program)).toBe(true)
    expect(Object.isFrozen(program.leaves)).toBe(true)
    const plan = planOf(program)
    expect(plan.name).toBe('program')
    expect(Object.isFrozen(plan)).toBe(true)
    expect(plan.leaves).toMatchObject([
      { kind: 'view', name: 'words', retentionMs: 86_400_000 },
      { kind: 'output', name: 'out' },
    ])
    expect(plan.leaves.every(Object.isFrozen)).toBe(true)
  })

  test('is recognised, also from another copy of the package', () => {
    expect(app('a', { words: view(words) })).toBeInstanceOf(App)
    const foreign = { [Symbol.for('millrace.carried')]: { plan: { name: 'a', leaves: [] } } }
    expect(foreign).toBeInstanceOf(App)
    expect(planOf(foreign as never).name).toBe('a')
    expect({}).not.toBeInstanceOf(App)
    expect(null).not.toBeInstanceOf(App)
    expect(() => planOf({} as never)).toThrow(/this is no app/)
  })

  test('leaves that share a step share its node', () => {
    const counts = words.count('counts')
    const { leaves } = planOf(app('a', { one: view(counts), two: view(counts) }))
    expect(leaves[0]?.input).toBe(leaves[1]?.input)
  })

  test.each(['', 'my app', '..', 'a'.repeat(101)])('is not called %j', (name) => {
    expect(() => app(name, { words: view(words) })).toThrow(/is no name for an app/)
  })

  test('its leaves have names that topics could have', () => {
    expect(() => app('a', { 'my words': view(words) })).toThrow(/"my words" is no name for a leaf/)
  })

  test('needs a leaf, and each once', () => {
    const shown = view(words)
    expect(() => app('a', {})).toThrow(/has no leaf/)
    expect(() => app('a', { one: shown, two: shown })).toThrow(/one leaf under two names: 'one' and 'two'/)
  })

  test('takes leaves only, and says what is missing', () => {
    expect(() => app('a', { counts: words.count('c') as never })).toThrow(
      /the leaf 'counts' is not finished: show it with view/,
    )
    expect(() => app('a', { words: words as never })).toThrow(/is not finished/)
    expect(() => app('a', { w: words.window('w', tumbling('1m')).count() as never })).toThrow(
      /is not finished/,
    )
    expect(() => app('a', { words: 'words' as never })).toThrow(/is no leaf/)
    expect(() => app('a', { nothing: undefined as never })).toThrow(/is no leaf/)
  })

  test('refuses two steps of one name', () => {
    const twice = { one: view(words.count('counts')), two: view(words.toTable('counts')) }
    expect(() => app('a', twice)).toThrow(/'counts'.*(aggregate|toTable)/)
  })

  test('refuses two topics of one name that differ', () => {
    const other = stream(topic('lines', { value: text(), partitions: 2 }))
    expect(() => app('a', { one: view(words), two: view(other.keyBy((line) => line)) })).toThrow(
      /lines.* partitions/,
    )
  })
})
