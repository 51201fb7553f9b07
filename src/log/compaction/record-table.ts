import type { KeyHasher } from './key-hash.ts'
import { HASH_WORDS } from './key-hash.ts'
import { RecordScanner } from './record-scanner.ts'

export const RECORD_KIND = { keyless: 0, value: 1, tombstone: 2 } as const

/**
 * The records of one batch side by side, in arrays that are used again: what decides about each of them is then found
 * for all of them in short loops. Holds until the next `load`.
 */
export class RecordTable {
  count = 0
  /** What the positions refer to. */
  bytes: Uint8Array = new Uint8Array(0)
  recordsStart = 0
  readonly #scanner = new RecordScanner()
  #capacity = 0
  hashes = new Int32Array(0)
  offsets = new Float64Array(0)
  timestampDeltas = new Float64Array(0)
  starts = new Int32Array(0)
  ends = new Int32Array(0)
  kinds = new Uint8Array(0)

  /** @throws MillraceError MILLRACE_CORRUPT */
  load(bytes: Uint8Array, at: number, hash: KeyHasher): void {
    const scanner = this.#scanner
    scanner.open(bytes, at)
    this.bytes = scanner.bytes
    this.recordsStart = scanner.recordsStart
    if (scanner.count > this.#capacity) this.#grow(scanner.count)
    const { hashes, offsets, timestampDeltas, starts, ends, kinds } = this
    let index = 0
    for (; scanner.next(); index += 1) {
      offsets[index] = scanner.offset
      timestampDeltas[index] = scanner.timestampDelta
      starts[index] = scanner.start
      ends[index] = scanner.end
      if (scanner.keyStart < 0) kinds[index] = RECORD_KIND.keyless
      else {
        kinds[index] = scanner.isTombstone ? RECORD_KIND.tombstone : RECORD_KIND.value
        hash.hash(scanner.bytes, scanner.keyStart, scanner.keyEnd, hashes, index * HASH_WORDS)
      }
    }
    this.count = index
  }

  #grow(count: number): void {
    this.#capacity = 2 * count
    this.hashes = new Int32Array(this.#capacity * HASH_WORDS)
    this.offsets = new Float64Array(this.#capacity)
    this.timestampDeltas = new Float64Array(this.#capacity)
    this.starts = new Int32Array(this.#capacity)
    this.ends = new Int32Array(this.#capacity)
    this.kinds = new Uint8Array(this.#capacity)
  }
}
