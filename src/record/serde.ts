/**
 * Bytes of which parts are wanted as text. One batch is one source: an implementation may turn the whole of it into
 * a string once and cut substrings from that, where all of it is ASCII (10-30 % faster than a slice a record).
 */
export interface TextSource {
  readonly bytes: Uint8Array
  /** The UTF-8 text of bytes [start, end), to be parsed at once: it may keep the memory of the whole source alive. */
  text(start: number, end: number): string
}

/**
 * Turns values into bytes and back, at the edge of a topic (ARCHITECTURE D8). Never sees null: a missing key and a
 * tombstone are handled before it. `In` is what may be written, `Out` what is read: a schema that transforms makes
 * them differ.
 */
export interface Serde<Out, In = Out> {
  /** Name of the format, part of a plan's identity: 'bytes', 'text', 'json', 'key', 'binary'. */
  readonly format: string
  /** @throws MillraceError MILLRACE_INVALID_RECORD saying what is wrong with the value. */
  encode(value: In): Uint8Array
  /** Reads bytes [start, end) of a source. @throws MillraceError MILLRACE_INVALID_RECORD. */
  decode(source: TextSource, start: number, end: number): Out
  /**
   * The encoded value as text, for formats whose bytes are UTF-8: a batch builder writes it without an array between.
   * Refuses what `encode` refuses.
   */
  encodeText?(value: In): string
  /**
   * For formats whose bytes are `JSON.stringify` of the value: refuses what `encode` refuses before it writes. Who knows
   * the value's shape may write it then, without the text between.
   */
  checkJson?(value: In): void
}
