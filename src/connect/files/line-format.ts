import { messageOf } from '../../base/errors.ts'
import type { Serde, TextSource } from '../../record/serde.ts'
import type { FileFormat } from './file-format.ts'
import { lineFraming } from './framing.ts'

/** Every line is a text, an empty one too. Bytes that are no UTF-8 read as U+FFFD, as in a topic of texts. */
export const linesFormat: FileFormat = {
  name: 'lines',
  framing: lineFraming,
  header: false,
  // A text of its own for each line: a part of one large text would keep all of it alive.
  decoder: () => (batch) =>
    batch.frames.map(({ start, end }) => ({ value: batch.bytes.toString('utf8', start, end) })),
}

/** Every line is a JSON value, checked by the serde's schema. Lines of nothing but blanks are none. */
export function jsonlFormat(serde: Serde<unknown>): FileFormat {
  return {
    name: 'jsonl',
    framing: lineFraming,
    header: false,
    decoder: () => (batch) => {
      const source: TextSource = {
        bytes: batch.bytes,
        text: (start, end) => batch.bytes.toString('utf8', start, end),
      }
      return batch.frames.map(({ start, end }) => {
        if (isBlank(batch.bytes, start, end)) return undefined
        try {
          return { value: serde.decode(source, start, end) }
        } catch (error) {
          return { error: error instanceof Error ? error : new Error(messageOf(error)) }
        }
      })
    },
  }
}

export function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let index = start; index < end; index++) {
    const byte = bytes[index]
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false
  }
  return true
}
