/**
 * Writes the rows of one windowed step as JSON, whose shape is known: `{ key, window: { start, end }, ...aggregates }`.
 *
 * State: the text of the window that the last row had, because all rows of a closing window have the same one.
 * Invariant: the bytes are those of `JSON.stringify`. A row that holds anything but numbers, texts and null goes the way
 * of every other value. Cost: about a fifth of `JSON.stringify` and a write of its text.
 */
import { Eights } from '../../record/eights.ts'
import { SCALAR_BYTES_MAX, writeJsonNumber, writeJsonText } from '../../record/json-writer.ts'
import { jsonWriter } from '../../record/serdes.ts'
import { NO_ROOM, type ValueWriter, type WriteTarget } from '../../record/write-target.ts'
import type { Window } from '../graph/window-spec.ts'

const KEY = new Eights('{"key":')
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

/** A writer for rows with such fields behind key and window; undefined where JSON would put them elsewhere. */
export function rowWriter(names: readonly string[]): ValueWriter<unknown> | undefined {
  const ordinary = names.every((name) => !/^(\d+|key|window|toJSON|__proto__)$/.test(name))
  return ordinary ? new RowWriter(names) : undefined
}

class RowWriter implements ValueWriter<unknown> {
  readonly #names: readonly string[]
  readonly #heads: readonly Eights[]
  #start = Number.NaN
  #end = Number.NaN
  /** The text of that window, made when it comes the second time: those of sessions hardly ever do. */
  #window: Eights | undefined

  constructor(names: readonly string[]) {
    this.#names = names
    this.#heads = names.map((name) => new Eights(`,${JSON.stringify(name)}:`))
  }

  write(target: WriteTarget, at: number, end: number, value: unknown): number {
    const written = this.#write(target, at, end, value as Row)
    return written === IRREGULAR ? jsonWriter.write(target, at, end, value) : written
  }

  #write(target: WriteTarget, start: number, end: number, row: Row): number {
    const window = this.#windowText(row.window)
    if (window === undefined) return IRREGULAR
    if (end - start < window.length + FRAME_BYTES_MAX) return NO_ROOM
    let at = writeScalar(target, KEY.write(target, start), end - window.length - SCALAR_BYTES_MAX, row.key)
    if (at < 0) return at
    at = window.write(target, at)
    for (let index = 0; index < this.#heads.length; index += 1) {
      const field = row[this.#names[index] as string]
      if (field === undefined) continue
      const head = this.#heads[index] as Eights
      if (end - at < head.length + SCALAR_BYTES_MAX) return NO_ROOM
      at = writeScalar(target, head.write(target, at), end, field)
      if (at < 0) return at
    }
    if (at >= end) return NO_ROOM
    target.bytes[at] = 0x7d
    return at + 1
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

function writeScalar(target: WriteTarget, at: number, end: number, value: unknown): number {
  if (typeof value === 'string') return writeJsonText(target, at, end, value)
  if (end - at < SCALAR_BYTES_MAX) return NO_ROOM
  if (typeof value === 'number') return writeJsonNumber(target, at, value)
  return value === null ? NULL.write(target, at) : IRREGULAR
}
