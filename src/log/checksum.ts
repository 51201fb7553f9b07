import { crc32 } from 'node:zlib'

/**
 * The checksum of what is the log's own: journal entries, and the bytes they vouch for in a segment. It runs over every
 * appended byte, beside the batches' CRC-32C, which their maker computed and which this does not trust: zlib's CRC-32
 * is native and takes 5 GB/s, four times what a CRC-32C in JavaScript does (below 300 bytes it is 0.1 us slower).
 */
export function checksum(bytes: Uint8Array, start: number, end: number): number {
  return crc32(bytes.subarray(start, end))
}
