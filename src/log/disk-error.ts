import { isMillraceError } from '../base/errors.ts'

/** Anything else that is thrown is no outcome of the disk but a fault of the program, and is passed on. */
export function isDiskError(error: unknown): boolean {
  return isMillraceError(error) && (error.code === 'MILLRACE_DISK' || error.code === 'MILLRACE_FILE')
}
