import type { TextSource } from './serde.ts'

const { utf8Slice } = Buffer.prototype

/** Bytes as a serde reads them, for a value that stands alone and not in a batch. */
export function bytesSource(bytes: Uint8Array): TextSource {
  return { bytes, text: (start, end) => utf8Slice.call(bytes, start, end) }
}
