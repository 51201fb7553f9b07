/**
 * How values travel between a remote broker and the app that it talks to: four bytes of length (big endian), so many
 * bytes of JSON, and behind them all byte arrays of the value, one after the other. In the JSON a byte array is
 * `{"$bytes":[start, length]}` and an error `{"$error":{code, message}}`; undefined fields are left out.
 *
 * Cost: byte arrays are copied once on the way out, and are views of the message on the way in.
 */
import { ERROR_CODES, type ErrorCode, isMillraceError, MillraceError, messageOf } from '../../base/errors.ts'

const LENGTH_BYTES = 4

export function encodeMessage(value: unknown): Uint8Array {
  const parts: Uint8Array[] = []
  let start = 0
  // A Buffer has a toJSON of its own, which ran before: the owner still has the bytes themselves.
  const replace = function (this: Readonly<Record<string, unknown>>, key: string, shown: unknown): unknown {
    const raw = this[key]
    if (raw instanceof Uint8Array) {
      parts.push(raw)
      start += raw.length
      return { $bytes: [start - raw.length, raw.length] }
    }
    return raw instanceof Error ? { $error: errorFields(raw) } : shown
  }
  const text = Buffer.from(JSON.stringify(value, replace) ?? 'null')
  const message = Buffer.allocUnsafe(LENGTH_BYTES + text.length + start)
  message.writeUInt32BE(text.length, 0)
  text.copy(message, LENGTH_BYTES)
  let at = LENGTH_BYTES + text.length
  for (const part of parts) {
    message.set(part, at)
    at += part.length
  }
  return message
}

/** @throws MillraceError MILLRACE_INVALID_ARGUMENT for what no `encodeMessage` made. */
export function decodeMessage(bytes: Uint8Array): unknown {
  const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const textBytes = message.length < LENGTH_BYTES ? -1 : message.readUInt32BE(0)
  const tail = LENGTH_BYTES + textBytes
  if (textBytes < 0 || tail > message.length)
    throw invalid(`${message.length} bytes are no whole message: ${textBytes} bytes of JSON are announced`)
  try {
    return JSON.parse(message.toString('utf8', LENGTH_BYTES, tail), (_, value: unknown) =>
      revive(message, tail, value),
    )
  } catch (error) {
    throw isMillraceError(error) ? error : invalid(messageOf(error))
  }
}

/** An error as fields. What is no error of ours is a fault of the program that it comes from. */
export function errorFields(error: Error): { readonly code: ErrorCode; readonly message: string } {
  return { code: isMillraceError(error) ? error.code : 'MILLRACE_ASSERTION', message: error.message }
}

/** The error that fields tell of; a code that is not known here comes from another version. */
export function errorOf({
  code,
  message,
}: {
  readonly code: string
  readonly message: string
}): MillraceError {
  if (Object.hasOwn(ERROR_CODES, code)) return new MillraceError(code as ErrorCode, message)
  return new MillraceError('MILLRACE_UNSUPPORTED', `${message} [${code}, which this version does not know]`)
}

function revive(message: Buffer, tail: number, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ('$bytes' in value) {
    const [start, length] = value.$bytes as readonly [number, number]
    const from = tail + start
    const whole = Number.isInteger(start) && Number.isInteger(length) && start >= 0 && length >= 0
    if (!whole || from + length > message.length)
      throw invalid(`bytes ${start} to ${start + length} are not in it`)
    return new Uint8Array(message.buffer, message.byteOffset + from, length)
  }
  return '$error' in value ? errorOf(value.$error as { code: string; message: string }) : value
}

function invalid(problem: string): MillraceError {
  return new MillraceError(
    'MILLRACE_INVALID_ARGUMENT',
    `a message to or from an app cannot be read: ${problem}`,
  )
}
