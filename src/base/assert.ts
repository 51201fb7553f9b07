import { MillraceError } from './errors.ts'

/**
 * Checks what must hold if the program is right; on in production. A failure is a fault of the code that called,
 * never of the input: those get a `MillraceError` of their own.
 *
 * @param message say what must hold; give a function on hot paths, so that no string is built.
 */
export function assert(condition: unknown, message: string | (() => string)): asserts condition {
  if (!condition) throw failure(message)
}

/** For the default branch of a switch over kinds: a type error when a kind is not handled. */
export function unreachable(value: never): never {
  throw failure(`unreachable: ${JSON.stringify(value)}`)
}

function failure(message: string | (() => string)): MillraceError {
  const text = typeof message === 'string' ? message : message()
  return new MillraceError('MILLRACE_ASSERTION', `a rule of the program is broken: ${text}`)
}
