/**
 * CRC-32C by slicing-by-8: eight tables of 256 entries lie one after the other in one Int32Array (8 KiB, fits the first
 * level cache); table k holds the effect of a byte that is followed by k zero bytes, so eight bytes are taken with eight
 * independent look-ups instead of eight dependent ones. There is no set-up cost: best for short inputs.
 */
const POLYNOMIAL_REVERSED = 0x82f63b78
const TABLES = makeTables()

/** The checksum's register after `bytes[start, end)`, without the inversions that begin and end a checksum. */
export function slicedCrc(bytes: Uint8Array, start: number, end: number, register: number): number {
  const tables = TABLES
  let crc = register
  let position = start
  const lastOfEight = end - 7
  while (position < lastOfEight) {
    // The compiler needs the bytes' presence spelled out; `as number` costs nothing at run time.
    const low =
      crc ^
      ((bytes[position] as number) |
        ((bytes[position + 1] as number) << 8) |
        ((bytes[position + 2] as number) << 16) |
        ((bytes[position + 3] as number) << 24))
    crc =
      (tables[1792 + (low & 0xff)] as number) ^
      (tables[1536 + ((low >>> 8) & 0xff)] as number) ^
      (tables[1280 + ((low >>> 16) & 0xff)] as number) ^
      (tables[1024 + (low >>> 24)] as number) ^
      (tables[768 + (bytes[position + 4] as number)] as number) ^
      (tables[512 + (bytes[position + 5] as number)] as number) ^
      (tables[256 + (bytes[position + 6] as number)] as number) ^
      (tables[bytes[position + 7] as number] as number)
    position += 8
  }
  while (position < end) {
    crc = (crc >>> 8) ^ (tables[(crc ^ (bytes[position] as number)) & 0xff] as number)
    position += 1
  }
  return crc
}

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL_REVERSED : crc >>> 1
    tables[byte] = crc
  }
  for (let index = 256; index < tables.length; index += 1) {
    const previous = tables[index - 256] as number
    tables[index] = (previous >>> 8) ^ (tables[previous & 0xff] as number)
  }
  return tables
}
