import type { Timestamp } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { BranchNode, FilterNode, FlatMapNode, MapNode, TapNode } from '../graph/plan.ts'
import type { Receiver, TaskContext } from './operator.ts'

/**
 * An `async` function, where types forbid one but nothing checked them: its promise would be taken for a value, or for
 * true, and its rejection would end the process.
 */
function refusePromise(answer: unknown): void {
  if (!(answer instanceof Promise)) return
  answer.catch(() => undefined)
  const way =
    'a step answers at once; do what waits before the record is sent, or in a consumer of the output'
  throw new MillraceError('MILLRACE_USER_FUNCTION', `its function answered with a promise: ${way}`)
}

export class FilterOperator implements Receiver {
  readonly #node: FilterNode
  readonly #context: TaskContext
  readonly #next: Receiver

  constructor(node: FilterNode, context: TaskContext, next: Receiver) {
    this.#node = node
    this.#context = context
    this.#next = next
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    const { current } = this.#context
    current.storeKey = key
    current.value = value
    current.timestamp = timestamp
    let passes: boolean
    try {
      passes = this.#node.predicate(value, current)
      if (typeof passes !== 'boolean') refusePromise(passes)
    } catch (error) {
      this.#context.failed(this.#node, error)
      return
    }
    if (passes) this.#next.receive(key, value, timestamp)
  }
}

export class MapOperator implements Receiver {
  readonly #node: MapNode
  readonly #context: TaskContext
  readonly #next: Receiver

  constructor(node: MapNode, context: TaskContext, next: Receiver) {
    this.#node = node
    this.#context = context
    this.#next = next
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    const { current } = this.#context
    current.storeKey = key
    current.value = value
    current.timestamp = timestamp
    let mapped: unknown
    try {
      mapped = this.#node.map(value, current)
      refusePromise(mapped)
    } catch (error) {
      this.#context.failed(this.#node, error)
      return
    }
    this.#next.receive(key, mapped, timestamp)
  }
}

export class FlatMapOperator implements Receiver {
  readonly #node: FlatMapNode
  readonly #context: TaskContext
  readonly #next: Receiver

  constructor(node: FlatMapNode, context: TaskContext, next: Receiver) {
    this.#node = node
    this.#context = context
    this.#next = next
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    const { current } = this.#context
    current.storeKey = key
    current.value = value
    current.timestamp = timestamp
    // Taken whole before any of it goes on: a generator that fails half-way must not leave half of its values.
    let values: unknown[]
    try {
      const made = this.#node.flatMap(value, current)
      refusePromise(made)
      values = Array.isArray(made) ? made : [...made]
    } catch (error) {
      this.#context.failed(this.#node, error)
      return
    }
    for (let index = 0; index < values.length; index += 1) this.#next.receive(key, values[index], timestamp)
  }
}

export class TapOperator implements Receiver {
  readonly #node: TapNode
  readonly #context: TaskContext
  readonly #next: Receiver

  constructor(node: TapNode, context: TaskContext, next: Receiver) {
    this.#node = node
    this.#context = context
    this.#next = next
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    const { current } = this.#context
    current.storeKey = key
    current.value = value
    current.timestamp = timestamp
    try {
      refusePromise(this.#node.tap(value, current))
    } catch (error) {
      this.#context.failed(this.#node, error)
      return
    }
    this.#next.receive(key, value, timestamp)
  }
}

/** The first branch whose predicate holds takes the record; behind the last one stands `otherwise`. */
export class BranchOperator implements Receiver {
  readonly #node: BranchNode
  readonly #context: TaskContext
  readonly #branches: readonly Receiver[]

  constructor(node: BranchNode, context: TaskContext, branches: readonly Receiver[]) {
    this.#node = node
    this.#context = context
    this.#branches = branches
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    const { current } = this.#context
    current.storeKey = key
    current.value = value
    current.timestamp = timestamp
    const { predicates } = this.#node
    let index = 0
    try {
      for (; index < predicates.length; index += 1) {
        const holds = predicates[index]?.(value, current)
        if (typeof holds !== 'boolean') refusePromise(holds)
        if (holds) break
      }
    } catch (error) {
      this.#context.failed(this.#node, error)
      return
    }
    this.#branches[index]?.receive(key, value, timestamp)
  }
}
