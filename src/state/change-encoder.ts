import { NO_ROOM, SLACK_BYTES, WriteTarget } from '../record/write-target.ts'
import { changeKeyBytesMax, writeChangeKey } from './changelog-codec.ts'
import type { Namespace, StoreKey } from './keyed-store.ts'
import { asBuffer, type StoreCodec, type TextBuffer } from './store-codec.ts'

/** Takes the changes of a commit as encoded bytes, which it must copy: they are overwritten by the next one. */
export interface ChangeSink {
  /** `valueStart` is negative for a delete and for a drop of a namespace. */
  change(bytes: Uint8Array, keyStart: number, keyEnd: number, valueStart: number, valueEnd: number): void
}

const SCRATCH_BYTES = 4_096

/** Encodes changes into a scratch of its own that grows with the largest of them. */
export class ChangeEncoder<V> {
  readonly #codec: StoreCodec<V>
  #target = new WriteTarget(SCRATCH_BYTES)
  #scratch: TextBuffer = asBuffer(this.#target.bytes)
  /** The same memory, as sinks see it: a Buffer's `slice` would not copy. */
  #bytes = new Uint8Array(this.#scratch.buffer)

  constructor(codec: StoreCodec<V>) {
    this.#codec = codec
  }

  put(namespace: Namespace, key: StoreKey, value: V, sink: ChangeSink): void {
    if (this.#codec.write !== undefined) {
      this.#write(namespace, key, value, sink)
      return
    }
    const encoded = this.#codec.encode(value)
    const text = typeof encoded === 'string'
    this.#reserve(changeKeyBytesMax(key) + (text ? encoded.length * 3 : encoded.length))
    const scratch = this.#scratch
    const keyEnd = writeChangeKey(scratch, 0, namespace, key)
    let valueEnd = keyEnd
    if (text) {
      valueEnd += scratch.utf8Write(encoded, keyEnd)
    } else {
      scratch.set(encoded, keyEnd)
      valueEnd += encoded.length
    }
    sink.change(this.#bytes, 0, keyEnd, keyEnd, valueEnd)
  }

  #write(namespace: Namespace, key: StoreKey, value: V, sink: ChangeSink): void {
    this.#reserve(changeKeyBytesMax(key) + SLACK_BYTES)
    const keyEnd = writeChangeKey(this.#scratch, 0, namespace, key)
    for (;;) {
      const room = this.#scratch.length - SLACK_BYTES
      const end = this.#codec.write?.(this.#target, keyEnd, room, value) ?? NO_ROOM
      if (end >= 0) {
        sink.change(this.#bytes, 0, keyEnd, keyEnd, end)
        return
      }
      // Nothing is kept of it: the key is written again.
      this.#reserve(this.#scratch.length * 2)
      writeChangeKey(this.#scratch, 0, namespace, key)
    }
  }

  /** A delete of a key, or with no key the drop of the namespace. */
  remove(namespace: Namespace, key: StoreKey | undefined, sink: ChangeSink): void {
    this.#reserve(changeKeyBytesMax(key))
    sink.change(this.#bytes, 0, writeChangeKey(this.#scratch, 0, namespace, key), -1, -1)
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#scratch.length) return
    this.#target = new WriteTarget(bytes * 2)
    this.#scratch = asBuffer(this.#target.bytes)
    this.#bytes = new Uint8Array(this.#scratch.buffer)
  }
}
