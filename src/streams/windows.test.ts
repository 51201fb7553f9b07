import { describe, expect, test } from 'vitest'
import { hopping, session, tumbling, windowSpecOf } from './windows.ts'

describe('windows', () => {
  test('are data of the plan, in milliseconds, and frozen', () => {
    expect(windowSpecOf(tumbling('5m'))).toEqual({ kind: 'tumbling', sizeMs: 300_000, offsetMs: 0 })
    expect(windowSpecOf(tumbling('1d', { offset: '22h' }))).toEqual({
      kind: 'tumbling',
      sizeMs: 86_400_000,
      offsetMs: 79_200_000,
    })
    expect(windowSpecOf(hopping({ size: '1h', every: '15m', offset: 1 }))).toEqual({
      kind: 'hopping',
      sizeMs: 3_600_000,
      everyMs: 900_000,
      offsetMs: 1,
    })
    expect(windowSpecOf(session('30m'))).toEqual({ kind: 'session', gapMs: 1_800_000 })
    expect(Object.isFrozen(windowSpecOf(session(1)))).toBe(true)
    expect(Object.isFrozen(session(1))).toBe(true)
  })

  test('hopping windows may begin at steps that do not divide their size, or one after the other', () => {
    expect(windowSpecOf(hopping({ size: '10s', every: '3s' }))).toMatchObject({
      sizeMs: 10_000,
      everyMs: 3_000,
    })
    expect(windowSpecOf(hopping({ size: '10s', every: '10s' }))).toMatchObject({ everyMs: 10_000 })
  })

  test('that leave gaps are refused', () => {
    expect(() => hopping({ size: '1m', every: '61s' })).toThrow(
      /leave gaps.*`every` must not be longer than `size`/,
    )
  })

  test.each([
    ['a tumbling window', () => tumbling(0)],
    ['a tumbling window', () => tumbling('0s')],
    ['a hopping window', () => hopping({ size: '0s', every: '1s' })],
    ['`every` of a hopping window', () => hopping({ size: '1s', every: 0 })],
    ['a session', () => session('0m')],
  ])('%s must be longer than 0', (what, make) => {
    expect(make).toThrow(new RegExp(`${what} must be longer than 0`))
  })

  test('wrong durations are named with what they are for', () => {
    expect(() => tumbling('05m')).toThrow(/the size of a tumbling window: "05m" is no duration/)
    expect(() => tumbling('-5m')).toThrow(/is no duration/)
    expect(() => tumbling('5m', { offset: '-1m' })).toThrow(/`offset` of windows: "-1m" is no duration/)
    expect(() => session(1.5)).toThrow(/the gap of a session: 1.5 is no duration/)
  })

  test('a plain text is no windows', () => {
    expect(() => windowSpecOf('5m' as never)).toThrow(/takes tumbling/)
    expect(() => windowSpecOf(undefined as never)).toThrow(/takes tumbling/)
  })
})
