import { MillraceError } from '../base/errors.ts'
import { shownValue } from '../base/shown-value.ts'

// What a program in TypeScript cannot pass, one in JavaScript or with a value of unknown type can. It hears here what is
// wrong, before anything is begun: later the same value fails far away, in another's turn, or is taken for something else.

/** @throws MillraceError MILLRACE_INVALID_ARGUMENT, as all of these do. */
export function checkText(value: unknown, what: string, example: string): asserts value is string {
  if (typeof value !== 'string') throw wrong(what, value, `a text, such as ${JSON.stringify(example)}`)
}

/** Undefined is for what may be left out. */
export function checkOptionalText(value: unknown, what: string, example: string): void {
  if (value !== undefined) checkText(value, what, example)
}

/** Options as an object of them: those of another kind would be taken for none. */
export function checkOptions(options: unknown, what: string): void {
  if (!areOptions(options)) throw wrong(what, options, 'an object, such as {}')
}

export function areOptions(options: unknown): options is object {
  return typeof options === 'object' && options !== null && !Array.isArray(options)
}

export function checkFunction(value: unknown, what: string, example: string): void {
  if (typeof value !== 'function') throw wrong(what, value, `a function, such as ${example}`)
}

/** Undefined chooses the default: it is in order. */
export function checkChoice(value: unknown, what: string, choices: readonly string[]): void {
  if (value === undefined || choices.includes(value as string)) return
  throw wrong(what, value, choices.map((choice) => `'${choice}'`).join(' or '))
}

export function checkSignal(signal: unknown, what = 'signal'): void {
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw wrong(what, signal, 'an AbortSignal, such as AbortSignal.timeout(60_000)')
}

export function checkPort(port: unknown, what = 'http'): void {
  if (port === undefined || (Number.isInteger(port) && (port as number) >= 0 && (port as number) < 65_536))
    return
  throw wrong(what, port, 'a port from 0 to 65535, where 0 is any free one')
}

/** A word, or an object with one of the fields. */
export function checkPlace(
  value: unknown,
  what: string,
  words: readonly string[],
  fields: readonly string[],
): void {
  if (words.includes(value as string)) return
  if (typeof value === 'object' && value !== null && fields.some((field) => field in value)) return
  const expected = [...words.map((word) => `'${word}'`), ...fields.map((field) => `{ ${field} }`)]
  throw wrong(what, value, expected.join(' or '))
}

export function wrong(what: string, value: unknown, expected: string): MillraceError {
  return new MillraceError(
    'MILLRACE_INVALID_ARGUMENT',
    `${what} is ${shownValue(value)}, expected ${expected}`,
  )
}
