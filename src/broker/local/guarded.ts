import { isMillraceError, type MillraceError } from '../../base/errors.ts'
import type { Answer } from '../broker.ts'

/** What the log throws for a fault of the caller goes the way of all other errors; faults of the program do not. */
export function guarded<T>(answer: Answer<T>, call: (answer: Answer<T>) => void): void {
  let answered = false
  try {
    call((error, value) => {
      answered = true
      answer(error, value)
    })
  } catch (error) {
    // An error of the answer itself is its owner's.
    if (answered || !isMillraceError(error)) throw error
    answer(error, undefined)
  }
}

/** What a check finds or throws. */
export function faultOf(check: () => MillraceError | undefined): MillraceError | undefined {
  try {
    return check()
  } catch (error) {
    if (!isMillraceError(error)) throw error
    return error
  }
}
