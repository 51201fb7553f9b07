import { type Duration, durationMs } from '../base/duration.ts'
import { MillraceError } from '../base/errors.ts'
import type {
  BranchNode,
  ErrorPolicy,
  FinalNode,
  JoinTableNode,
  LateNode,
  RecordFunction,
  StreamNode,
  UpdatesNode,
  WindowedNode,
  WindowNode,
} from '../flow/graph/plan.ts'
import type { Key } from '../record/key-codec.ts'
import { aggregatesOf, count, custom } from './aggregates.ts'
import { carry, streamNodeOf, tableNodeOf } from './carried.ts'
import { checkName } from './names.ts'
import { withPolicy } from './on-error.ts'
import { outputOf } from './output.ts'
import { TableBuilder } from './table-builder.ts'
import { type Window, type Windows, windowSpecOf } from './windows.ts'

/**
 * What runs behind `Stream` and `KeyedStream`. Their types are gone here: a stream is a node of the plan,
 * and a method makes the next node. Methods that need a key are refused where there is none.
 */
export class StreamBuilder {
  readonly #node: StreamNode
  readonly #keyed: boolean

  constructor(node: StreamNode, keyed: boolean) {
    this.#node = node
    this.#keyed = keyed
    carry(this, { stream: node, keyed })
  }

  filter(predicate: RecordFunction<boolean>): StreamBuilder {
    checkFunction('.filter(predicate)', predicate)
    return this.#then({ kind: 'filter', input: this.#node, predicate })
  }

  map(map: RecordFunction<unknown>): StreamBuilder {
    checkFunction('.map(map)', map)
    return this.#then({ kind: 'map', input: this.#node, map })
  }

  flatMap(flatMap: RecordFunction<Iterable<unknown>>): StreamBuilder {
    checkFunction('.flatMap(flatMap)', flatMap)
    return this.#then({ kind: 'flatMap', input: this.#node, flatMap })
  }

  tap(tap: RecordFunction<void>): StreamBuilder {
    checkFunction('.tap(tap)', tap)
    return this.#then({ kind: 'tap', input: this.#node, tap })
  }

  merge(...others: unknown[]): StreamBuilder {
    const inputs = [this.#node, ...others.map((other) => streamNodeOf(other, '.merge(...streams)'))]
    if (new Set(inputs).size < inputs.length)
      throw invalid('.merge(...streams) was given the same stream twice')
    return this.#then({ kind: 'merge', inputs: Object.freeze(inputs) })
  }

  branch(branches: Record<string, RecordFunction<boolean>>): Record<string, StreamBuilder> {
    const names = Object.keys(branches)
    if (names.length === 0) throw invalid('.branch({ name: predicate }) has no branch: give it at least one')
    if (names.includes('otherwise'))
      throw invalid("'otherwise' is what no branch took; name the branch differently")
    for (const [name, predicate] of Object.entries(branches)) checkFunction(`the branch '${name}'`, predicate)
    const branch: BranchNode = Object.freeze({
      kind: 'branch',
      input: this.#node,
      predicates: Object.freeze(Object.values(branches)),
    })
    const streams = [...names, 'otherwise'].map((name, index) => [
      name,
      this.#then({ kind: 'branchOutput', branch, index }),
    ])
    return Object.freeze(Object.fromEntries(streams) as Record<string, StreamBuilder>)
  }

  keyBy(key: RecordFunction<Key | null>): StreamBuilder {
    checkFunction('.keyBy(key)', key)
    return new StreamBuilder(Object.freeze({ kind: 'keyBy', input: this.#node, key }), true)
  }

  to(destination: unknown): object {
    return outputOf(this.#node, this.#keyed, destination)
  }

  onError(policy: ErrorPolicy): StreamBuilder {
    return new StreamBuilder(withPolicy(this.#node, policy), this.#keyed)
  }

  count(name: string): TableBuilder {
    return this.aggregate(name, { count: count() })
  }

  reduce(name: string, reduce: (left: unknown, right: unknown) => unknown): TableBuilder {
    this.#keyedStep('.reduce(name, reduce)')
    checkName('step', name)
    checkFunction(`.reduce('${name}', reduce)`, reduce)
    return new TableBuilder(Object.freeze({ kind: 'reduce', name, input: this.#node, reduce }))
  }

  aggregate(name: string, aggregates: object): TableBuilder {
    this.#keyedStep('.aggregate(name, aggregates)')
    checkName('step', name)
    const checked = aggregatesOf(aggregates, `the aggregate '${name}'`)
    return new TableBuilder(
      Object.freeze({ kind: 'aggregate', name, input: this.#node, aggregates: checked }),
    )
  }

  window(
    name: string,
    windows: Windows<Window>,
    options: { readonly allowedLateness?: Duration } = {},
  ): WindowBuilder {
    this.#keyedStep('.window(name, windows)')
    checkName('step', name)
    const allowedLatenessMs = durationMs(options.allowedLateness ?? 0, `\`allowedLateness\` of '${name}'`)
    return new WindowBuilder({ name, input: this.#node, window: windowSpecOf(windows), allowedLatenessMs })
  }

  join(table: unknown, combine: JoinTableNode['combine']): StreamBuilder {
    return this.#join('.join(table, combine)', table, combine, false)
  }

  leftJoin(table: unknown, combine: JoinTableNode['combine']): StreamBuilder {
    return this.#join('.leftJoin(table, combine)', table, combine, true)
  }

  toTable(name: string): TableBuilder {
    this.#keyedStep('.toTable(name)')
    return new TableBuilder(
      Object.freeze({ kind: 'toTable', name: checkName('step', name), input: this.#node }),
    )
  }

  #join(where: string, table: unknown, combine: JoinTableNode['combine'], left: boolean): StreamBuilder {
    this.#keyedStep(where)
    checkFunction(where, combine)
    return this.#then({
      kind: 'joinTable',
      input: this.#node,
      table: tableNodeOf(table, where),
      combine,
      left,
    })
  }

  #then(node: StreamNode): StreamBuilder {
    return new StreamBuilder(Object.freeze(node), this.#keyed)
  }

  #keyedStep(where: string): void {
    if (!this.#keyed) throw invalid(`${where} runs key by key: give the stream a key first, with .keyBy(...)`)
  }
}

/** What runs behind `WindowedStream`: half a node, which its aggregates complete. */
class WindowBuilder {
  readonly #window: Omit<WindowNode, 'kind' | 'aggregates'>

  constructor(window: Omit<WindowNode, 'kind' | 'aggregates'>) {
    this.#window = window
    Object.freeze(this)
  }

  count(): WindowRowsBuilder {
    return this.aggregate({ count: count() })
  }

  reduce(reduce: (left: unknown, right: unknown) => unknown): WindowRowsBuilder {
    return this.aggregate({ value: reduced(reduce) })
  }

  aggregate(given: object): WindowRowsBuilder {
    const aggregates = aggregatesOf(given, `the window '${this.#window.name}'`)
    return new WindowRowsBuilder(Object.freeze({ kind: 'window', ...this.#window, aggregates }))
  }
}

/**
 * What runs behind `WindowResult` and `WindowRows`. An emission is one node however often it is asked for: two calls
 * of `final()` are the same stream.
 */
class WindowRowsBuilder {
  readonly #node: WindowedNode
  readonly #final: FinalNode
  readonly #updates: UpdatesNode
  readonly #late: LateNode | undefined

  constructor(node: WindowedNode) {
    this.#node = node
    this.#final = Object.freeze({ kind: 'final', window: node })
    this.#updates = Object.freeze({ kind: 'updates', window: node })
    this.#late = node.kind === 'window' ? Object.freeze({ kind: 'late', window: node }) : undefined
    carry(this, { windowed: node })
  }

  final(): StreamBuilder {
    return new StreamBuilder(this.#final, true)
  }

  updates(): TableBuilder {
    return new TableBuilder(this.#updates)
  }

  late(): StreamBuilder {
    if (this.#late !== undefined) return new StreamBuilder(this.#late, true)
    const reason = `'${this.#node.name}' groups rows of windows, which are never late; ask the window below it`
    throw new MillraceError('MILLRACE_INVALID_PLAN', reason)
  }

  groupBy(name: string, key: (row: unknown) => Key | null): GroupedWindowsBuilder {
    checkName('step', name)
    if (typeof key !== 'function') {
      throw new MillraceError('MILLRACE_INVALID_PLAN', `.groupBy('${name}', key) takes a function of the row`)
    }
    return new GroupedWindowsBuilder(name, this.#node, key)
  }
}

/** What runs behind `GroupedWindows`. */
class GroupedWindowsBuilder {
  readonly #name: string
  readonly #input: WindowedNode
  readonly #key: (row: unknown) => Key | null

  constructor(name: string, input: WindowedNode, key: (row: unknown) => Key | null) {
    this.#name = name
    this.#input = input
    this.#key = key
    Object.freeze(this)
  }

  count(): WindowRowsBuilder {
    return this.aggregate({ count: count() })
  }

  aggregate(given: object): WindowRowsBuilder {
    const aggregates = aggregatesOf(given, `the aggregate of windows '${this.#name}'`)
    const [name, input, key] = [this.#name, this.#input, this.#key]
    return new WindowRowsBuilder(Object.freeze({ kind: 'groupWindow', name, input, key, aggregates }))
  }
}

/** `reduce` as an aggregate. An empty accumulator is an empty array: a value may be anything, null too. */
function reduced(reduce: (left: unknown, right: unknown) => unknown): object {
  if (typeof reduce !== 'function') {
    throw new MillraceError('MILLRACE_INVALID_PLAN', '.reduce(reduce) takes a function of two values')
  }
  const both = (left: unknown[], right: unknown[]) =>
    left.length === 0 || right.length === 0 ? [...left, ...right] : [reduce(left[0], right[0])]
  return custom<unknown, unknown[], unknown>({
    name: 'reduce',
    create: () => [],
    add: (accumulator, value) => both(accumulator, [value]),
    merge: both,
    result: (accumulator) => accumulator[0],
  })
}

/** Types see it too; this is for JavaScript. */
function checkFunction(where: string, given: unknown): void {
  if (typeof given !== 'function')
    throw invalid(`${where} takes a function, not ${given === null ? 'null' : typeof given}`)
}

function invalid(message: string): MillraceError {
  return new MillraceError('MILLRACE_INVALID_PLAN', message)
}
