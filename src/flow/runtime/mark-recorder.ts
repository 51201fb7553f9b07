import type { Offset } from '../../base/brands.ts'
import type { Input } from './input.ts'
import type { CommitMarks, Mark } from './mark.ts'

interface OpenMark extends Mark {
  readonly moved: [input: number, position: Offset][]
  readonly held: number[]
  readonly idle: [input: number, lane: string][]
}

/**
 * Collects the marks of a group between two commits. Positions are written once and then as what moved, so that a mark
 * of a group of many partitions is small.
 */
export class MarkRecorder {
  readonly #inputs: readonly Input[]
  #first: CommitMarks['inputs'] | undefined
  #positions: Offset[] = []
  #marks: OpenMark[] = []

  constructor(inputs: readonly Input[]) {
    this.#inputs = inputs
  }

  /** The record that the input has at hand is taken, and it was not there when its turn was. */
  held(input: Input): void {
    this.#open().held.push(this.#inputs.indexOf(input))
  }

  idle(input: Input, lane: string): void {
    this.#open().idle.push([this.#inputs.indexOf(input), lane])
  }

  /** What there is to commit; begins anew. */
  take(): CommitMarks | undefined {
    if (this.#first === undefined) return undefined
    const taken = { inputs: this.#first, marks: this.#marks }
    this.#first = undefined
    this.#marks = []
    return taken
  }

  /** The mark of now. */
  #open(): OpenMark {
    const inputs = this.#inputs
    if (this.#first === undefined) {
      this.#first = inputs.map(({ topic, partition, position }) => [topic, partition, position])
      this.#positions = inputs.map(({ position }) => position)
    }
    const moved: [number, Offset][] = []
    for (let index = 0; index < inputs.length; index += 1) {
      const { position } = inputs[index] as Input
      if (position === this.#positions[index]) continue
      moved.push([index, position])
      this.#positions[index] = position
    }
    const last = this.#marks.at(-1)
    if (last !== undefined && moved.length === 0) return last
    const mark: OpenMark = { moved, held: [], idle: [] }
    this.#marks.push(mark)
    return mark
  }
}
