/**
 * Parses the JSON of one topic faster than JSON.parse, by expecting the shape that earlier records had.
 *
 * State: parsers for up to four shapes, the one that last fitted first, and a credit that every record that fits pays
 * into and every one that does not draws from.
 * Invariants: the result is that of JSON.parse, whatever the text; a parser that does not take a text says so, and
 * JSON.parse has it. A topic whose records fit no shape costs next to nothing: without credit all goes to JSON.parse
 * for a while, each time for twice as long, and every new shape is learned after twice as many surprises.
 * Cost, with its text, of what JSON.parse takes: 25 to 60 % for objects of up to 20 scalars, 75 % where strings have
 * escapes or 400 bytes; 100 to 104 % where nothing fits (arrays, keys that change, exponents).
 */
import type { BatchReader } from './batch-reader.ts'
import { type ShapeParser, shapeParser } from './json-parser-code.ts'
import { shapeOf } from './json-shape.ts'

const SHAPES_MAX = 4
/** The first records go to JSON.parse: code for a handful of them would cost more than it saves. */
const RECORDS_FIRST = 64
/** Where most records fit, a surprise now and then is nothing; of these in a row the credit is gone. */
const CREDIT_MAX = 64
const CREDIT_OF_SURPRISE = 8
const PAUSE_MIN = 1024
const PAUSE_MAX = 1024 * 1024
const LEARNED_BYTES_MAX = 4096

export class JsonPredictor {
  #parsers: ShapeParser[] = []
  #credit = CREDIT_MAX
  /** Records left that all go to JSON.parse. */
  #pause: number
  #nextPause = PAUSE_MIN
  /** Surprises until a shape is learned. */
  #untilLearning = 0
  #nextLearning = 1

  /** @param recordsFirst how many records pass before shapes are looked at. */
  constructor(recordsFirst = RECORDS_FIRST) {
    this.#pause = recordsFirst
  }

  /** The value in bytes [start, end) of the record under the reader's cursor. Throws what JSON.parse throws. */
  parse(reader: BatchReader, start: number, end: number): unknown {
    if (this.#pause > 0) {
      this.#pause -= 1
      return JSON.parse(reader.text(start, end))
    }
    const text = reader.latin1(end)
    const value = this.#parsers[0]?.(reader.bytes, reader.view, text, reader.latin1From, start, end)
    if (value === undefined) return this.#surprised(reader, start, end)
    if (this.#credit < CREDIT_MAX) this.#credit += 1
    return value
  }

  #surprised(reader: BatchReader, start: number, end: number): unknown {
    const parsers = this.#parsers
    const text = reader.latin1(end)
    for (let index = 1; index < parsers.length; index += 1) {
      const parser = parsers[index] as ShapeParser
      const value = parser(reader.bytes, reader.view, text, reader.latin1From, start, end)
      if (value === undefined) continue
      parsers[index] = parsers[0] as ShapeParser
      parsers[0] = parser
      return value
    }
    const json = reader.text(start, end)
    const value: unknown = JSON.parse(json)
    if (this.#untilLearning > 0) this.#untilLearning -= 1
    else this.#learn(json)
    this.#credit -= CREDIT_OF_SURPRISE
    if (this.#credit < 0) this.#rest()
    return value
  }

  #learn(json: string): void {
    this.#untilLearning = this.#nextLearning
    this.#nextLearning *= 2
    const shape = json.length <= LEARNED_BYTES_MAX ? shapeOf(json) : undefined
    const parser = shape === undefined ? undefined : shapeParser(shape)
    if (parser === undefined) return
    if (this.#parsers.length === SHAPES_MAX) this.#parsers.pop()
    this.#parsers.unshift(parser)
  }

  #rest(): void {
    this.#pause = this.#nextPause
    this.#nextPause = Math.min(2 * this.#nextPause, PAUSE_MAX)
    this.#credit = CREDIT_MAX
  }
}
