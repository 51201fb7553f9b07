import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { MillraceError, messageOf } from '../base/errors.ts'
import { COMPRESSION_NAMES, type CompressionName } from './batch-header.ts'

/**
 * What a batch may swell to. A batch of Kafka is at most `max.message.bytes` compressed; a blob of zeros could name
 * any size, so a bound is needed before memory is.
 */
export const DECOMPRESSED_BYTES_MAX = 256 * 1024 * 1024

/** Compresses the records of a batch. Snappy and LZ4 have no codec in Node: refused. */
export function compress(records: Uint8Array, codec: CompressionName): Uint8Array {
  switch (codec) {
    case 'none':
      return records
    case 'gzip':
      return gzipSync(records)
    case 'zstd':
      return zstdCompressSync(records)
    default:
      throw unsupported(codec)
  }
}

/** The records of a batch whose attributes name codec `codec` (0 to 7). */
export function decompress(blob: Uint8Array, codec: number): Uint8Array {
  const name = COMPRESSION_NAMES[codec]
  try {
    if (name === 'none') return blob
    if (name === 'gzip') return gunzipSync(blob, { maxOutputLength: DECOMPRESSED_BYTES_MAX })
    if (name === 'zstd') return zstdDecompressSync(blob, { maxOutputLength: DECOMPRESSED_BYTES_MAX })
  } catch (error) {
    throw new MillraceError(
      'MILLRACE_CORRUPT',
      `${blob.length} bytes of records that should be ${name} cannot be decompressed: ${messageOf(error)}`,
      { cause: error },
    )
  }
  throw unsupported(name ?? `number ${codec}`)
}

function unsupported(codec: string): MillraceError {
  return new MillraceError(
    'MILLRACE_UNSUPPORTED',
    `record batches compressed with codec ${codec} cannot be read or written; let the producer use none, gzip or zstd`,
  )
}
