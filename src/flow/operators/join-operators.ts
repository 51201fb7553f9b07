import type { Timestamp } from '../../base/brands.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { JoinTableNode } from '../graph/plan.ts'
import type { ChangeReceiver, Receiver, RowReader, TaskContext } from './operator.ts'

/** Stream-table join: the row as it is now. Only the stream triggers; a null value is ignored (SEMANTICS 4.1). */
export class JoinTableOperator implements Receiver {
  readonly #node: JoinTableNode
  readonly #context: TaskContext
  readonly #table: RowReader
  readonly #next: Receiver

  constructor(node: JoinTableNode, context: TaskContext, table: RowReader, next: Receiver) {
    this.#node = node
    this.#context = context
    this.#table = table
    this.#next = next
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    if (value === null || value === undefined) {
      this.#context.counters.nullValues += 1
      return
    }
    const row = key === null ? undefined : this.#table.row(key)
    if (row === undefined && !this.#node.left) {
      if (key === null) this.#context.counters.nullKeys += 1
      else this.#context.counters.unmatched += 1
      return
    }
    let joined: unknown
    try {
      joined = this.#node.combine(value, row ?? null)
    } catch (error) {
      this.#context.current.storeKey = key
      this.#context.failed(this.#node, error)
      return
    }
    this.#next.receive(key, joined, timestamp)
  }
}

/** The values of a table's changes as a stream; null after a delete. */
export class TableChangesOperator implements ChangeReceiver {
  readonly #next: Receiver

  constructor(next: Receiver) {
    this.#next = next
  }

  change(key: StoreKey, _before: unknown, after: unknown, timestamp: Timestamp): void {
    this.#next.receive(key, after ?? null, timestamp)
  }
}
