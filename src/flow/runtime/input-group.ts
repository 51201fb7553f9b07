import type { Input } from './input.ts'

/**
 * Inputs whose records can reach a common task. Among them the record with the smallest timestamp is taken; an input
 * that is caught up is not waited for, one that has more on the broker is (SEMANTICS 1.7). At equal timestamps tables
 * come first, then the order of the plan, then the partition: that is the order in which they stand here.
 */
export class InputGroup {
  readonly inputs: readonly Input[]
  /** Inputs that were left out when a record was taken, for the marks of SEMANTICS 1.5. */
  readonly leftOut = new Set<Input>()
  /** Inputs were left out, or came back, since the last commit. */
  leftOutChanged = false
  #live: Input[]

  constructor(inputs: readonly Input[]) {
    this.inputs = [...inputs].sort(
      (left, right) => left.rank - right.rank || left.partition - right.partition,
    )
    this.#live = [...this.inputs]
  }

  /** The input whose record is next; undefined: none is there, or one has to be waited for. */
  choose(): Input | undefined {
    const live = this.#live
    let chosen: Input | undefined
    for (let index = 0; index < live.length; index += 1) {
      const input = live[index] as Input
      if (!input.ready) {
        const state = input.fill()
        if (state === 'later') return undefined
        if (state !== 'ready') continue
      }
      if (chosen === undefined || input.headTime < chosen.headTime) chosen = input
    }
    if (chosen !== undefined && live.length > 1) this.#noteLeftOut(live)
    return chosen
  }

  /** An input that has ended is not looked at any more. */
  remove(input: Input): void {
    this.#live = this.#live.filter((other) => other !== input)
  }

  get live(): readonly Input[] {
    return this.#live
  }

  #noteLeftOut(live: readonly Input[]): void {
    for (let index = 0; index < live.length; index += 1) {
      const input = live[index] as Input
      if (input.ready) {
        if (this.leftOut.size > 0 && this.leftOut.delete(input)) this.leftOutChanged = true
      } else if (!this.leftOut.has(input)) {
        this.leftOut.add(input)
        this.leftOutChanged = true
      }
    }
  }
}
