/**
 * The key of a changelog record (its value is that of the store's codec, or null for a delete and for a drop).
 *
 *   kind       1 byte   bits 0-1: 0 drop of the namespace, 1 text as UTF-8, 2 number, 3 text as UTF-16 (lone surrogates)
 *                       bit 2: a namespace follows; without it the namespace is 0
 *   namespace  0 or 8   float64, big endian
 *   key        rest     text; or float64, big endian; nothing for a drop
 *
 * One (namespace, key) has one encoding, so that a compacting broker sees equal keys. The record of a drop stands for
 * all keys before it: a compacted changelog would keep their last records, which a replay in order removes again.
 */
import { assert } from '../base/assert.ts'
import { MillraceError } from '../base/errors.ts'
import type { Namespace, StoreKey } from './keyed-store.ts'
import { asBuffer, type TextBuffer } from './store-codec.ts'

const KIND_DROP = 0
const KIND_TEXT = 1
const KIND_NUMBER = 2
const KIND_UTF16 = 3
const KIND_MASK = 3
const HAS_NAMESPACE = 4
const NAMESPACE_BYTES = 8
/** Kind, namespace and a number. */
const FIXED_BYTES_MAX = 17
/** Up to here a loop is cheaper than a call into native code. */
const SHORT_TEXT_UNITS = 24

/** The most bytes that a key takes: a UTF-16 unit is at most three bytes of UTF-8. */
export function changeKeyBytesMax(key: StoreKey | undefined): number {
  return FIXED_BYTES_MAX + (typeof key === 'string' ? key.length * 3 : 0)
}

/** Writes a change's key at `position`, where `changeKeyBytesMax` must have room; returns the position behind it. */
export function writeChangeKey(
  target: TextBuffer,
  position: number,
  namespace: Namespace,
  key: StoreKey | undefined,
): number {
  let at = position + 1
  let kind = KIND_DROP
  if (namespace !== 0) at = target.writeDoubleBE(namespace, at)
  if (typeof key === 'number') {
    kind = KIND_NUMBER
    at = target.writeDoubleBE(key === 0 ? 0 : key, at)
  } else if (key !== undefined) {
    const written = writeShortAscii(target, at, key) ? key.length : target.utf8Write(key, at)
    // Only text that is not ASCII can be ill-formed; UTF-8 would replace its lone surrogates.
    if (written === key.length || key.isWellFormed()) {
      kind = KIND_TEXT
      at += written
    } else {
      kind = KIND_UTF16
      at += target.write(key, at, 'utf16le')
    }
  }
  target[position] = kind | (namespace === 0 ? 0 : HAS_NAMESPACE)
  return at
}

/** Writes a short ASCII text, which most keys are, without leaving JavaScript; false if it is not one. */
function writeShortAscii(target: TextBuffer, position: number, text: string): boolean {
  const length = text.length
  if (length > SHORT_TEXT_UNITS) return false
  for (let index = 0; index < length; index += 1) {
    const unit = text.charCodeAt(index)
    if (unit > 0x7f) return false
    target[position + index] = unit
  }
  return true
}

export function encodeChangeKey(namespace: Namespace, key: StoreKey | undefined): Uint8Array {
  const target = asBuffer(Buffer.allocUnsafeSlow(changeKeyBytesMax(key)))
  return target.subarray(0, writeChangeKey(target, 0, namespace, key))
}

/** @throws MillraceError MILLRACE_NEWER_FORMAT, MILLRACE_CORRUPT. */
export function decodeChangeKey(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly namespace: Namespace; readonly key: StoreKey | undefined } {
  const source = asBuffer(bytes)
  assert(start >= 0 && end <= source.length, 'a change key lies inside its bytes')
  const kind = start < end ? (source[start] as number) : -1
  const at = start + 1 + ((kind & HAS_NAMESPACE) === 0 ? 0 : NAMESPACE_BYTES)
  if (kind < 0 || at > end) throw damaged(start, end)
  if (kind > (KIND_MASK | HAS_NAMESPACE)) {
    throw new MillraceError(
      'MILLRACE_NEWER_FORMAT',
      `a changelog key has kind ${kind}, which this version does not know: use the version that wrote it`,
    )
  }
  const namespace = at === start + 1 ? 0 : source.readDoubleBE(start + 1)
  switch (kind & KIND_MASK) {
    case KIND_TEXT:
      return { namespace, key: source.utf8Slice(at, end) }
    case KIND_UTF16:
      return { namespace, key: source.toString('utf16le', at, end) }
    case KIND_NUMBER:
      if (end - at !== 8) throw damaged(start, end)
      return { namespace, key: source.readDoubleBE(at) }
    default:
      if (end !== at) throw damaged(start, end)
      return { namespace, key: undefined }
  }
}

/**
 * Where the key's text begins if it lies there bare, as ASCII up to `end`; negative: only `decodeChangeKey` tells it.
 * For most keys, so that no string is made of them.
 */
export function asciiKeyStart(bytes: Uint8Array, start: number, end: number): number {
  const kind = start < end ? (bytes[start] as number) : -1
  if ((kind & ~HAS_NAMESPACE) !== KIND_TEXT) return -1
  const text = start + 1 + (kind === KIND_TEXT ? 0 : NAMESPACE_BYTES)
  return text <= end && isAscii(bytes, text, end) ? text : -1
}

/** The namespace of a key whose text begins there, as `asciiKeyStart` said. */
export function namespaceBefore(bytes: Uint8Array, start: number, textStart: number): Namespace {
  return textStart === start + 1 ? 0 : asBuffer(bytes).readDoubleBE(start + 1)
}

export function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  let all = 0
  for (let index = start; index < end; index += 1) all |= bytes[index] as number
  return all < 0x80
}

function damaged(start: number, end: number): MillraceError {
  return new MillraceError(
    'MILLRACE_CORRUPT',
    `a changelog key of ${end - start} bytes is cut or too long: the changelog is damaged, restore it from a backup`,
  )
}
