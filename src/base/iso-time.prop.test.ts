import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseIsoTime } from './iso-time.ts'

describe('parseIsoTime', () => {
  test.each([
    ['1970-01-01', 0],
    ['2026-03-01', Date.UTC(2026, 2, 1)],
    ['2024-02-29', Date.UTC(2024, 1, 29)],
    ['2000-02-29T23:59Z', Date.UTC(2000, 1, 29, 23, 59)],
    ['2026-03-01T00:00:00Z', Date.UTC(2026, 2, 1)],
    ['2026-03-01T01:30:00+01:30', Date.UTC(2026, 2, 1)],
    ['2026-02-28T19:00-05:00', Date.UTC(2026, 2, 1)],
    ['2026-03-01T00:00:00.1Z', Date.UTC(2026, 2, 1) + 100],
    ['2026-03-01T00:00:00.123456789Z', Date.UTC(2026, 2, 1) + 123],
    ['0000-01-01', Date.parse('0000-01-01T00:00:00Z')],
  ])('%s', (text, expected) => {
    expect(parseIsoTime(text)).toBe(expected)
  })

  test.each([
    '',
    '2026',
    '2026-03',
    '2026-13-45',
    '2026-02-29',
    '1900-02-29',
    '2026-04-31',
    '2026-00-01',
    '2026-01-00',
    '2026-3-1',
    '20Z4-02-28',
    'x026-02-28',
    '2026-03-01 00:00:00Z',
    '2026-03-01T00:00:00',
    '2026-03-01T00:00',
    '2026-03-01T24:00:00Z',
    '2026-03-01T00:60Z',
    '2026-03-01T00:00:60Z',
    '2026-03-01T00:00:00.Z',
    '2026-03-01T00:00:00z',
    '2026-03-01T00:00:00Z ',
    '2026-03-01T00:00:00+0100',
    '2026-03-01T00:00:00+24:00',
    '2026-03-01T00:00:00+01:60',
    '2026-03-01Z',
    ' 2026-03-01',
    '+02026-03-01',
    '-026-03-01',
    '2026-03-0a',
    'March 1, 2026',
  ])('refuses %j', (text) => {
    expect(parseIsoTime(text)).toBeNaN()
  })

  test('reads what Date writes', () => {
    const times = fc.date({ min: new Date('0000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    fc.assert(
      fc.property(times, (date) => {
        expect(parseIsoTime(date.toISOString())).toBe(date.getTime())
      }),
    )
  })

  test('takes nothing that Date does not take, and with the same value', () => {
    const part = fc.constantFrom('20', '26', '19', '02', '29', '31', '-', ':', 'T', 'Z', '.', '+', '5', ' ')
    const near = fc.array(part, { maxLength: 14 }).map((parts) => parts.join(''))
    const damaged = fc
      .tuple(fc.nat(23), part)
      .map(
        ([at, text]) =>
          `${'2024-02-28T11:22:33.456Z'.slice(0, at)}${text}${'2024-02-28T11:22:33.456Z'.slice(at + 1)}`,
      )
    fc.assert(
      fc.property(fc.oneof(near, damaged), (text) => {
        const time = parseIsoTime(text)
        if (!Number.isNaN(time)) expect(time).toBe(Date.parse(text))
      }),
      { numRuns: 2000 },
    )
  })
})
