import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ms } from './duration.ts'
import { isMillraceError } from './errors.ts'

const unit = fc.constantFrom('ms', 's', 'm', 'h', 'd')
const SIZE = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as Record<string, number>

test('any whole number of any unit', () => {
  fc.assert(
    fc.property(fc.nat(100_000_000), unit, (count, name) => {
      expect(ms(`${count}${name}`)).toBe(count * (SIZE[name] ?? 0))
    }),
  )
})

test('a fraction of three digits is exact', () => {
  fc.assert(
    fc.property(fc.nat(99_999), fc.nat(999), (whole, thousandths) => {
      expect(ms(`${whole}.${String(thousandths).padStart(3, '0')}s`)).toBe(whole * 1000 + thousandths)
    }),
  )
})

test('any text is refused with the one error, or is digits and a unit', () => {
  const part = fc.constantFrom('5', '0', '1', 'm', 's', 'ms', 'h', 'd', '.', '-', '+', ' ', 'e', 'x', '\n')
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(part, { maxLength: 6 }).map((parts) => parts.join('')),
      ),
      (text) => {
        let value: number | undefined
        try {
          value = ms(text)
        } catch (error) {
          expect(isMillraceError(error) && error.code).toBe('MILLRACE_INVALID_ARGUMENT')
          return
        }
        expect(text).toMatch(/^(0|[1-9][0-9]*)([.][0-9]+)?(ms|s|m|h|d)(?!\n)$/)
        expect(Number.isSafeInteger(value)).toBe(true)
      },
    ),
    { numRuns: 3000 },
  )
})
