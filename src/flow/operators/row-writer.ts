/**
 * Writes the rows of one windowed step as JSON, whose shape is known: `{ key, window: { start, end }, ...aggregates }`.
 *
 * State: the text of the window that the last row had, because all rows of a closing window have the same one.
 * Invariant: the bytes are those of `JSON.stringify`. A row that holds anything but numbers, texts and null goes the way
 * of every other value. Cost: about a fifth of `JSON.stringify` and a write of its text.
 */
import { madeCode } from '../../base/made-code.ts'
import { Eights } from '../../record/eights.ts'
import { SCALAR_BYTES_MAX, writeJsonNumber, writeJsonText } from '../../record/json-writer.ts'
import { writeCode } from '../../record/literal-code.ts'
import { jsonWriter } from '../../record/serdes.ts'
import { NO_ROOM, type ValueWriter, type WriteTarget } from '../../record/write-target.ts'
import type { Window } from '../graph/window-spec.ts'

const NULL = new Eights('null')
/** Something in the row is for the general writer. */
const IRREGULAR = -2
/** Around the key, and the brace at the end. */
const FRAME_BYTES_MAX = 64

interface Row {
  readonly key: unknown
  readonly window: Window
  readonly [name: string]: unknown
}

/**
 * A writer for rows with such fields behind key and window; undefined where JSON would put them elsewhere, and where
 * code may not be made.
 */
export function rowWriter(names: readonly string[]): ValueWriter<unknown> | undefined {
  const ordinary = names.every((name) => !/^(\d+|key|window|toJSON|__proto__)$/.test(name))
  const write = ordinary ? madeWriter(names) : undefined
  return write === undefined ? undefined : new RowWriter(write)
}

/** The bytes of a row whose window has that text; NO_ROOM, or IRREGULAR. */
type WriteRow = (target: WriteTarget, at: number, end: number, row: Row, window: Eights) => number

class RowWriter implements ValueWriter<unknown> {
  readonly #write: WriteRow
  #start = Number.NaN
  #end = Number.NaN
  /** The text of that window, made when it comes the second time: those of sessions hardly ever do. */
  #window: Eights | undefined

  constructor(write: WriteRow) {
    this.#write = write
  }

  write(target: WriteTarget, at: number, end: number, value: unknown): number {
    const row = value as Row
    const window = this.#windowText(row.window)
    const written = window === undefined ? IRREGULAR : this.#write(target, at, end, row, window)
    return written === IRREGULAR ? jsonWriter.write(target, at, end, value) : written
  }

  #windowText(window: Window): Eights | undefined {
    if (window.start === this.#start && window.end === this.#end) {
      this.#window ??= new Eights(`,"window":${JSON.stringify(window)}`)
      return this.#window
    }
    this.#start = window.start
    this.#end = window.end
    this.#window = undefined
    return undefined
  }
}

/** Code with the names in their places (see `madeCode`): in it are their bytes, and the names in quotes. */
function madeWriter(names: readonly string[]): WriteRow | undefined {
  const fields = names.map((name) => {
    const head = `,${JSON.stringify(name)}:`
    return `
      value = row[${JSON.stringify(name)}]
      if (value !== undefined) {
        if (end - at < ${Buffer.byteLength(head, 'utf8') + SCALAR_BYTES_MAX}) return ${NO_ROOM}
        ${writeCode(head)}
        at = typeof value === 'number' ? writeNumber(target, at, value) : writeScalar(target, at, end, value)
        if (at < 0) return at
      }`
  })
  const body = `return function writeRow(target, start, end, row, window) {
    if (end - start < window.length + ${FRAME_BYTES_MAX}) return ${NO_ROOM}
    const view = target.view
    let at = start, value = row.key
    ${writeCode('{"key":')}
    at = writeScalar(target, at, end - window.length - ${SCALAR_BYTES_MAX}, value)
    if (at < 0) return at
    at = window.write(target, at)
    ${fields.join('')}
    if (at >= end) return ${NO_ROOM}
    target.bytes[at] = 0x7d
    return at + 1
  }`
  return madeCode<WriteRow>({ writeScalar, writeNumber: writeJsonNumber }, body)
}

function writeScalar(target: WriteTarget, at: number, end: number, value: unknown): number {
  if (typeof value === 'string') return writeJsonText(target, at, end, value)
  if (end - at < SCALAR_BYTES_MAX) return NO_ROOM
  if (typeof value === 'number') return writeJsonNumber(target, at, value)
  return value === null ? NULL.write(target, at) : IRREGULAR
}
