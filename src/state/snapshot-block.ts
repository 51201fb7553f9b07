import { changeKeyBytesMax, writeChangeKey } from './changelog-codec.ts'
import type { Namespace, StoreKey } from './keyed-store.ts'
import { BLOCK_ENTRIES, BLOCK_HEAD_BYTES, ENTRIES_HEAD_BYTES, sealBlock } from './snapshot-format.ts'
import { asBuffer, type TextBuffer } from './store-codec.ts'

const INITIAL_BYTES = 64 * 1024
const SHORT_BYTES = 64

/** Collects entries of one namespace and lays them out as a block. Its buffers are kept from block to block. */
export class SnapshotBlock {
  #keys: TextBuffer = asBuffer(Buffer.allocUnsafeSlow(INITIAL_BYTES))
  #values: TextBuffer = asBuffer(Buffer.allocUnsafeSlow(INITIAL_BYTES))
  #held: StoreKey[] = []
  #keyEnds: number[] = []
  #valueEnds: number[] = []
  #keyBytes = 0
  #valueBytes = 0
  #ascii = true

  get count(): number {
    return this.#held.length
  }

  get sizeBytes(): number {
    return this.#keyBytes + this.#valueBytes + this.#held.length * 8
  }

  addText(key: StoreKey, value: string): void {
    this.#addKey(key)
    this.#values = withRoom(this.#values, this.#valueBytes, value.length * 3)
    this.#valueBytes += this.#values.utf8Write(value, this.#valueBytes)
    this.#valueEnds.push(this.#valueBytes)
  }

  addBytes(key: StoreKey, value: Uint8Array, start: number, end: number): void {
    this.#addKey(key)
    this.#values = withRoom(this.#values, this.#valueBytes, end - start)
    this.#valueBytes = copyRange(this.#values, this.#valueBytes, value, start, end)
    this.#valueEnds.push(this.#valueBytes)
  }

  /** The block of what was added, ready to be written; the next one begins empty. */
  take(namespace: Namespace): Uint8Array {
    if (!this.#ascii) this.#encodeKeys()
    const count = this.#held.length
    const keysAt = BLOCK_HEAD_BYTES + ENTRIES_HEAD_BYTES + count * 8
    const block = Buffer.alloc(keysAt + this.#keyBytes + this.#valueBytes)
    block[BLOCK_HEAD_BYTES] = BLOCK_ENTRIES
    block[BLOCK_HEAD_BYTES + 1] = this.#ascii ? 1 : 0
    block.writeUInt32LE(count, BLOCK_HEAD_BYTES + 4)
    block.writeUInt32LE(this.#keyBytes, BLOCK_HEAD_BYTES + 8)
    let at = block.writeDoubleLE(namespace, BLOCK_HEAD_BYTES + 12)
    for (const end of this.#keyEnds) at = block.writeUInt32LE(end, at)
    for (const end of this.#valueEnds) at = block.writeUInt32LE(end, at)
    block.set(this.#keys.subarray(0, this.#keyBytes), at)
    block.set(this.#values.subarray(0, this.#valueBytes), at + this.#keyBytes)
    sealBlock(block)
    this.#held = []
    this.#keyEnds = []
    this.#valueEnds = []
    this.#keyBytes = 0
    this.#valueBytes = 0
    this.#ascii = true
    return block
  }

  #addKey(key: StoreKey): void {
    this.#held.push(key)
    if (!this.#ascii || typeof key === 'number') {
      this.#ascii = false
      return
    }
    this.#keys = withRoom(this.#keys, this.#keyBytes, key.length * 3)
    const written = this.#keys.utf8Write(key, this.#keyBytes)
    // As many bytes as UTF-16 units means ASCII: all else takes more.
    if (written !== key.length) this.#ascii = false
    this.#keyBytes += written
    this.#keyEnds.push(this.#keyBytes)
  }

  /** A key was not ASCII text: all of them are written again in the form that holds any key. */
  #encodeKeys(): void {
    this.#keyBytes = 0
    this.#keyEnds = []
    for (const key of this.#held) {
      this.#keys = withRoom(this.#keys, this.#keyBytes, changeKeyBytesMax(key))
      this.#keyBytes = writeChangeKey(this.#keys, this.#keyBytes, 0, key)
      this.#keyEnds.push(this.#keyBytes)
    }
  }
}

/** Most values are short: a view of each costs more than their bytes one by one. Returns the position behind them. */
function copyRange(target: Uint8Array, at: number, bytes: Uint8Array, start: number, end: number): number {
  if (end - start > SHORT_BYTES) target.set(bytes.subarray(start, end), at)
  else for (let index = start; index < end; index += 1) target[at + index - start] = bytes[index] as number
  return at + end - start
}

function withRoom(buffer: TextBuffer, used: number, more: number): TextBuffer {
  if (used + more <= buffer.length) return buffer
  const larger = asBuffer(Buffer.allocUnsafeSlow(Math.max(used + more, buffer.length * 2)))
  larger.set(buffer.subarray(0, used))
  return larger
}
