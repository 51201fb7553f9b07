import type { Timestamp } from '../../base/brands.ts'
import { keyOfStoreKey, keySerde, storeKey } from '../../record/key-codec.ts'
import { partitionOf } from '../../record/partitioner.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { KeyByNode } from '../graph/plan.ts'
import type { Receiver, TaskContext } from './operator.ts'

/** Where a key belongs, as a Kafka client would put it. */
export function partitionOfKey(key: StoreKey, partitions: number): number {
  return partitions === 1 ? 0 : partitionOf(keySerde.encode(keyOfStoreKey(key)), partitions)
}

/** Gives records a key and hands them to the task that owns it, by a call (ARCHITECTURE D5). */
export class KeyByOperator implements Receiver {
  readonly #node: KeyByNode
  readonly #context: TaskContext
  readonly #tasks: readonly Receiver[]
  readonly #only: Receiver | undefined

  constructor(node: KeyByNode, context: TaskContext, tasks: readonly Receiver[]) {
    this.#node = node
    this.#context = context
    this.#tasks = tasks
    this.#only = tasks.length === 1 ? tasks[0] : undefined
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    const { current } = this.#context
    current.storeKey = key
    current.value = value
    current.timestamp = timestamp
    let target: StoreKey | null
    let task = this.#only
    try {
      const made = this.#node.key(value, current)
      target = made === null || made === undefined ? null : storeKey(made)
      // A record without a key goes where its partition has room; who needs a key counts and drops it.
      task ??= this.#tasks[target === null ? 0 : partitionOfKey(target, this.#tasks.length)] as Receiver
    } catch (error) {
      this.#context.failed(this.#node, error)
      return
    }
    task.receive(target, value, timestamp)
  }
}

/** Hands keyed records to the tasks of a stage that is spread otherwise. */
export class ShuffleOperator implements Receiver {
  readonly #tasks: readonly Receiver[]

  constructor(tasks: readonly Receiver[]) {
    this.#tasks = tasks
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    const task = key === null ? 0 : partitionOfKey(key, this.#tasks.length)
    this.#tasks[task]?.receive(key, value, timestamp)
  }
}
