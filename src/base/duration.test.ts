import { describe, expect, test } from 'vitest'
import { type Duration, durationMs, ms, timeMs } from './duration.ts'

describe('ms', () => {
  test.each<[Duration, number]>([
    ['0s', 0],
    ['100ms', 100],
    ['10s', 10_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['7d', 604_800_000],
    ['1.5h', 5_400_000],
    ['1.1m', 66_000],
    ['0.001s', 1],
    ['2.50s', 2_500],
    [0, 0],
    [300_000, 300_000],
  ])('%s is %d ms', (duration, expected) => {
    expect(ms(duration)).toBe(expected)
  })

  // Most of these pass the template type of Duration: the parser is what refuses them.
  test.each([
    '-5m',
    ' 5m',
    '5m ',
    '1e3s',
    '0x10s',
    '05m',
    '5',
    '5min',
    '5M',
    's',
    '',
    '.5s',
    '5.s',
    '0.0005s',
    '1.5ms',
    '99999999999999999d',
    'Infinitys',
  ])('%j is refused', (text) => {
    expect(() => ms(text)).toThrow(/is no duration.*'5m'/)
  })

  test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('%d is refused', (value) => {
    expect(() => ms(value)).toThrow(/is no duration/)
  })

  test('what no type allows is refused as well', () => {
    expect(() => ms(null as never)).toThrow('null is no duration')
    expect(() => ms(undefined as never)).toThrow('undefined is no duration')
    expect(() => ms(['5m'] as never)).toThrow(/is no duration/)
  })
})

describe('durationMs', () => {
  test('is ms with the name of the setting in its error', () => {
    expect(durationMs('5m', 'retention')).toBe(300_000)
    expect(() => durationMs('05m', 'retention of topic "t"')).toThrow(
      'retention of topic "t": "05m" is no duration',
    )
    expect(() => durationMs(Number.NaN, 'gap')).toThrow('gap: NaN is no duration')
  })
})

describe('timeMs', () => {
  test('takes milliseconds, a Date and an ISO string', () => {
    const time = Date.UTC(2026, 2, 1)
    expect(timeMs(time, 'from')).toBe(time)
    expect(timeMs(-1, 'from')).toBe(-1)
    expect(Object.is(timeMs(-0, 'from'), 0)).toBe(true)
    expect(timeMs(new Date(time), 'from')).toBe(time)
    expect(timeMs('2026-03-01T00:00:00Z', 'from')).toBe(time)
  })

  test.each([
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    'yesterday',
    '2026-13-45',
    '123',
    new Date(Number.NaN),
  ])('%s is refused', (time) => {
    expect(() => timeMs(time, 'from.time')).toThrow(/^from\.time: .* is no point in time/)
  })

  test('what no type allows is refused as well', () => {
    for (const time of [null, undefined, {}, 12n])
      expect(() => timeMs(time as never, 'at')).toThrow(/no point in time/)
  })
})
