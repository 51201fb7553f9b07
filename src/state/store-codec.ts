/**
 * How the values of a store become bytes in its changelog and snapshots, and back. Given by the user of the store.
 * Decoding is lazy: a restored value is decoded when it is first asked for.
 */
export interface StoreCodec<V> {
  /** Text is written as UTF-8. Called once per changed entry and commit; the result is not kept. */
  encode(value: V): string | Uint8Array
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
