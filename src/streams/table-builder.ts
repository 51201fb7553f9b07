import { MillraceError } from '../base/errors.ts'
import type { TableNode } from '../flow/graph/plan.ts'
import type { Key } from '../record/key-codec.ts'
import { aggregatesOf, count } from './aggregates.ts'
import { carry } from './carried.ts'
import { checkName } from './names.ts'
import { outputOf } from './output.ts'

/** What runs behind `Table`: a node of the plan. */
export class TableBuilder {
  readonly #node: TableNode

  constructor(node: TableNode) {
    this.#node = node
    carry(this, { table: node })
  }

  groupBy(name: string, key: (row: unknown) => Key | null): GroupedTableBuilder {
    checkName('step', name)
    if (typeof key !== 'function') {
      throw new MillraceError('MILLRACE_INVALID_PLAN', `.groupBy('${name}', key) takes a function of the row`)
    }
    return new GroupedTableBuilder(name, this.#node, key)
  }

  to(destination: unknown): object {
    return outputOf(this.#node, true, destination)
  }
}

/** What runs behind `GroupedTable`: half a node, which its aggregates complete. */
class GroupedTableBuilder {
  readonly #name: string
  readonly #input: TableNode
  readonly #key: (row: unknown) => Key | null

  constructor(name: string, input: TableNode, key: (row: unknown) => Key | null) {
    this.#name = name
    this.#input = input
    this.#key = key
    Object.freeze(this)
  }

  count(): TableBuilder {
    return this.aggregate({ count: count() })
  }

  aggregate(given: object): TableBuilder {
    const aggregates = aggregatesOf(given, `the aggregate of the table '${this.#name}'`)
    const [name, input, key] = [this.#name, this.#input, this.#key]
    return new TableBuilder(Object.freeze({ kind: 'groupTable', name, input, key, aggregates }))
  }
}
