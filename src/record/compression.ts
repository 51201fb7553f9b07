import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { MillraceError, messageOf } from '../base/errors.ts'
import { COMPRESSION_NAMES, type CompressionName } from './batch-header.ts'
import { compressLz4, decompressLz4 } from './lz4-frame.ts'
import { compressSnappy, decompressSnappy } from './snappy-frames.ts'

/**
 * What a batch may swell to. A batch of Kafka is at most `max.message.bytes` compressed; a blob of zeros could name
 * any size, so a bound is needed before memory is.
 */
export const DECOMPRESSED_BYTES_MAX = 256 * 1024 * 1024

/** Compresses the records of a batch, as Kafka's clients do: LZ4 as a frame, snappy in Java's stream of blocks. */
export function compress(records: Uint8Array, codec: CompressionName): Uint8Array {
  switch (codec) {
    case 'none':
      return records
    case 'gzip':
      return gzipSync(records)
    case 'snappy':
      return compressSnappy(records)
    case 'lz4':
      return compressLz4(records)
    case 'zstd':
      return zstdCompressSync(records)
  }
}

/** The records of a batch whose attributes name codec `codec` (0 to 7). Throws MILLRACE_CORRUPT, MILLRACE_UNSUPPORTED. */
export function decompress(blob: Uint8Array, codec: number): Uint8Array {
  const name = COMPRESSION_NAMES[codec]
  if (name === undefined) {
    throw new MillraceError(
      'MILLRACE_UNSUPPORTED',
      `record batches compressed with codec number ${codec} cannot be read; known are ${COMPRESSION_NAMES.join(', ')}`,
    )
  }
  try {
    return decompressors[name](blob)
  } catch (error) {
    throw new MillraceError(
      'MILLRACE_CORRUPT',
      `${blob.length} bytes of records that should be ${name} cannot be decompressed: ${messageOf(error)}`,
      { cause: error },
    )
  }
}

const bounded = { maxOutputLength: DECOMPRESSED_BYTES_MAX }
const decompressors: Readonly<Record<CompressionName, (blob: Uint8Array) => Uint8Array>> = {
  none: (blob) => blob,
  gzip: (blob) => gunzipSync(blob, bounded),
  snappy: (blob) => decompressSnappy(blob, DECOMPRESSED_BYTES_MAX),
  lz4: (blob) => decompressLz4(blob, DECOMPRESSED_BYTES_MAX),
  zstd: (blob) => zstdDecompressSync(blob, bounded),
}
