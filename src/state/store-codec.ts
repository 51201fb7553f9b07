import { SLACK_BYTES, WriteTarget } from '../record/write-target.ts'

/**
 * How the values of a store become bytes in its changelog and snapshots, and back. Given by the user of the store.
 * Decoding is lazy: a restored value is decoded when it is first asked for.
 */
export interface StoreCodec<V> {
  /** Text is written as UTF-8. Called once per changed entry and commit; the result is not kept. */
  encode(value: V): string | Uint8Array
  /** The same bytes, written where they shall lie: into [at, end). Returns the position behind them, or NO_ROOM. */
  write?(target: WriteTarget, at: number, end: number, value: V): number
  /** Reads bytes [start, end), which nobody changes. The value must not hold on to `bytes`. */
  decode(bytes: Uint8Array, start: number, end: number): V
}

/** A codec for values that JSON holds exactly. */
export function jsonStoreCodec<V>(): StoreCodec<V> {
  return {
    encode: (value) => JSON.stringify(value),
    decode: (bytes, start, end) => JSON.parse(asBuffer(bytes).utf8Slice(start, end)) as V,
  }
}

/** A codec for values that turn into JSON and back by functions of their own, such as accumulators with Maps. */
export function mappedStoreCodec<V, J>(toJson: (value: V) => J, fromJson: (json: J) => V): StoreCodec<V> {
  return {
    encode: (value) => JSON.stringify(toJson(value)),
    decode: (bytes, start, end) => fromJson(JSON.parse(asBuffer(bytes).utf8Slice(start, end)) as J),
  }
}

const SCRATCH_BYTES = 1_024

/** A codec for values that write themselves. */
export function writtenStoreCodec<V>(
  write: (target: WriteTarget, at: number, end: number, value: V) => number,
  decode: (bytes: Uint8Array, start: number, end: number) => V,
): StoreCodec<V> {
  let scratch = new WriteTarget(SCRATCH_BYTES)
  return {
    write,
    encode: (value) => {
      for (;;) {
        const end = write(scratch, 0, scratch.bytes.length - SLACK_BYTES, value)
        if (end >= 0) return scratch.bytes.subarray(0, end)
        scratch = new WriteTarget(scratch.bytes.length * 2)
      }
    },
    decode,
  }
}

/** The slices of Buffer that `@types/node` leaves out; both are one native call without a check of arguments. */
export interface TextBuffer extends Buffer {
  utf8Slice(start: number, end: number): string
  latin1Slice(start: number, end: number): string
  utf8Write(text: string, position: number): number
}

/** The same memory as a Buffer, which can turn ranges into text. */
export function asBuffer(bytes: Uint8Array): TextBuffer {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return buffer as TextBuffer
}
