const LINE_FEED = 10
const QUOTE = 34

/**
 * Finds where the record that begins at `from` ends: the index of its line feed below `to`; -1: not in these bytes.
 * It keeps nothing between two calls: with more bytes the same record is looked at again from its beginning.
 */
export type Framing = (bytes: Buffer, from: number, to: number) => number

/** A record is a line. */
export const lineFraming: Framing = (bytes, from, to) => {
  const end = bytes.indexOf(LINE_FEED, from)
  return end < to ? end : -1
}

/**
 * A record of CSV (RFC 4180): a line feed between quotes belongs to the field. A quote opens a field only at its
 * beginning; anywhere else it is a fault of this record, for the parser to say, and must not swallow the next ones.
 */
export function csvFraming(delimiter: number): Framing {
  return (bytes, from, to) => {
    const line = lineFraming(bytes, from, to)
    const head = bytes.subarray(from, line === -1 ? to : line)
    return head.includes(QUOTE) ? quotedEnd(bytes, from, to, delimiter) : line
  }
}

function quotedEnd(bytes: Buffer, from: number, to: number, delimiter: number): number {
  let fieldStart = true
  for (let index = from; index < to; index++) {
    const byte = bytes[index]
    if (byte === LINE_FEED) return index
    if (byte === QUOTE && fieldStart) {
      index = closingQuote(bytes, index + 1, to)
      if (index === -1) return -1
    }
    fieldStart = byte === delimiter
  }
  return -1
}

/** A doubled quote is a quote in the field. */
function closingQuote(bytes: Buffer, from: number, to: number): number {
  let index = bytes.indexOf(QUOTE, from)
  while (index !== -1 && index < to && bytes[index + 1] === QUOTE && index + 1 < to) {
    index = bytes.indexOf(QUOTE, index + 2)
  }
  return index < to ? index : -1
}
