import { type ErrorCode, isMillraceError, messageOf } from '../../base/errors.ts'

/** An answer that is no success, on its way out of a handler. */
export class HttpProblem extends Error {
  readonly status: number
  readonly code: string
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.code = code
    this.headers = headers
  }
}

/** Which of our errors are the client's, and how HTTP calls them. All others are ours: 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  MILLRACE_INVALID_ARGUMENT: 400,
  MILLRACE_INVALID_RECORD: 400,
  MILLRACE_BAD_TIMESTAMP: 400,
  MILLRACE_OFFSET_OUT_OF_RANGE: 400,
  MILLRACE_UNKNOWN_TOPIC: 404,
  MILLRACE_UNKNOWN_VIEW: 404,
  MILLRACE_UNKNOWN_GROUP: 404,
  MILLRACE_TOPIC_EXISTS: 409,
  MILLRACE_RECORD_TOO_LARGE: 413,
  MILLRACE_UNSUPPORTED: 501,
  MILLRACE_CLOSED: 503,
  MILLRACE_FENCED: 503,
  MILLRACE_TIMEOUT: 504,
}

export function problemOf(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error
  if (isMillraceError(error)) return new HttpProblem(STATUS[error.code] ?? 500, error.code, error.message)
  return new HttpProblem(500, 'MILLRACE_INTERNAL', messageOf(error))
}
