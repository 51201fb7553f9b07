/** Bytes of room that a target has behind the end it gives to writers, so that they may store eight bytes at a time. */
export const SLACK_BYTES = 8

/** A buffer that values are written into, with the two ways to write into it that are not bytes. */
export class WriteTarget {
  readonly bytes: Utf8Buffer
  readonly view: DataView

  constructor(sizeBytes: number) {
    // Its own memory, not a part of Node's pool: offset 0 and as long as it says.
    this.bytes = Buffer.allocUnsafeSlow(sizeBytes) as Utf8Buffer
    this.view = new DataView(this.bytes.buffer)
  }
}

/** Node's own method behind `write`, without the search for the encoding; its types leave it out. */
interface Utf8Buffer extends Buffer {
  utf8Write(text: string, at: number, bytesMax?: number): number
}

/** Writes values of one kind. */
export interface ValueWriter<V> {
  /** Writes into bytes [at, end) and perhaps the slack behind; returns the position behind the value, or NO_ROOM. */
  write(target: WriteTarget, at: number, end: number, value: V): number
}

/** There is no room: the caller makes some, or writes another way. */
export const NO_ROOM = -1
