/**
 * Every operating error of the project: a code from one table, and by it what the caller must do.
 * `retry` the call as it is; `fix` the call, the file or the setting that it names; `rejoin`: another owner took over;
 * `reopen` what failed; `repair` the data.
 */
export const ERROR_CODES = {
  MILLRACE_ASSERTION: 'report',
  MILLRACE_INVALID_ARGUMENT: 'fix',
  MILLRACE_INVALID_PLAN: 'fix',
  MILLRACE_INCOMPATIBLE_PLAN: 'fix',
  MILLRACE_INVALID_RECORD: 'fix',
  MILLRACE_BAD_TIMESTAMP: 'fix',
  MILLRACE_RECORD_TOO_LARGE: 'fix',
  MILLRACE_UNKNOWN_TOPIC: 'fix',
  MILLRACE_TOPIC_EXISTS: 'fix',
  MILLRACE_UNKNOWN_VIEW: 'fix',
  MILLRACE_NO_ROW: 'fix',
  MILLRACE_OFFSET_OUT_OF_RANGE: 'fix',
  MILLRACE_FILE: 'fix',
  MILLRACE_PORT: 'fix',
  MILLRACE_USER_FUNCTION: 'fix',
  MILLRACE_UNSUPPORTED: 'fix',
  MILLRACE_UNKNOWN_GROUP: 'fix',
  MILLRACE_NO_POSITION: 'fix',
  MILLRACE_INCONSISTENT_PROTOCOL: 'fix',
  MILLRACE_INVALID_TRANSACTION_STATE: 'fix',
  MILLRACE_LOCKED: 'retry',
  MILLRACE_TIMEOUT: 'retry',
  MILLRACE_CONNECTION: 'retry',
  MILLRACE_GROUP_ACTIVE: 'retry',
  MILLRACE_CONCURRENT_TRANSACTIONS: 'retry',
  MILLRACE_REFUSED: 'rejoin',
  MILLRACE_FENCED: 'rejoin',
  MILLRACE_FENCED_INSTANCE: 'rejoin',
  MILLRACE_UNKNOWN_MEMBER: 'rejoin',
  MILLRACE_ILLEGAL_GENERATION: 'rejoin',
  MILLRACE_REBALANCE_IN_PROGRESS: 'rejoin',
  MILLRACE_OUT_OF_ORDER_SEQUENCE: 'reopen',
  MILLRACE_TRANSACTION_EXPIRED: 'reopen',
  MILLRACE_UNKNOWN_OUTCOME: 'reopen',
  MILLRACE_DISK: 'reopen',
  MILLRACE_CLOSED: 'reopen',
  MILLRACE_CORRUPT: 'repair',
  MILLRACE_NEWER_FORMAT: 'repair',
} as const

export type ErrorCode = keyof typeof ERROR_CODES
export type Remedy = (typeof ERROR_CODES)[ErrorCode]

const mark = Symbol.for('millrace.error')

/** The one error class. Recognise it with {@link isMillraceError}, which works across copies of the package. */
export class MillraceError extends Error {
  override readonly name = 'MillraceError'
  readonly code: ErrorCode
  readonly remedy: Remedy
  readonly [mark] = true

  /** @param message what, where (topic-partition@offset, file:position), expected and actual, and what to do. */
  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
    this.remedy = ERROR_CODES[code]
  }

  /** True when the same call may succeed later without any change. */
  get retriable(): boolean {
    return this.remedy === 'retry'
  }
}

export function isMillraceError(error: unknown): error is MillraceError {
  return typeof error === 'object' && error !== null && mark in error
}

/** The message of anything that can be thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
