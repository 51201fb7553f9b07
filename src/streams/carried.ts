import { MillraceError } from '../base/errors.ts'
import type { Source as ConnectorSource, Sink } from '../flow/graph/connector.ts'
import type { LeafNode, Plan, StreamNode, TableNode, TopicSpec, WindowedNode } from '../flow/graph/plan.ts'
import type { WindowSpec } from '../flow/graph/window-spec.ts'

/**
 * What the values of the builder stand for. It hangs on them by a registered symbol, so that it is neither in the
 * public types nor in completions, and so that two copies of the package (a global command line, a local pipeline)
 * understand each other.
 */
export interface Carried {
  readonly stream: StreamNode
  /** Whether that stream has a key. */
  readonly keyed: boolean
  readonly table: TableNode
  readonly windowed: WindowedNode
  readonly leaf: LeafNode
  readonly windows: WindowSpec
  readonly plan: Plan
  readonly topic: TopicSpec
  readonly connector: { readonly source: ConnectorSource | undefined; readonly sink: Sink | undefined }
}

const carried = Symbol.for('millrace.carried')

/** Hangs a part of a plan on a value and freezes both. */
export function carry<T extends object>(value: T, part: Partial<Carried>): T {
  Object.defineProperty(value, carried, { value: Object.freeze({ ...part }) })
  return Object.freeze(value)
}

/** What a value carries; empty for anything that the builder did not make. */
export function carriedBy(value: unknown): Partial<Carried> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return {}
  return (value as { readonly [carried]?: Partial<Carried> })[carried] ?? {}
}

/** The keyed stream or table behind a value; JavaScript callers get a message where TypeScript ones get a red line. */
export function keyedNodeOf(value: unknown, where: string): StreamNode | TableNode {
  const { stream, keyed, table, windowed } = carriedBy(value)
  if (stream !== undefined && keyed === true) return stream
  if (table !== undefined) return table
  if (stream !== undefined) throw invalid(`${where}: the stream has no key; give it one with .keyBy(...)`)
  if (windowed !== undefined)
    throw invalid(`${where}: say first when rows of windows are shown: final() or updates()`)
  return wrongArgument(where, 'a keyed stream or a table', value)
}

export function streamNodeOf(value: unknown, where: string): StreamNode {
  return carriedBy(value).stream ?? wrongArgument(where, 'a stream', value)
}

export function tableNodeOf(value: unknown, where: string): TableNode {
  return carriedBy(value).table ?? wrongArgument(where, 'a table', value)
}

function wrongArgument(where: string, expected: string, value: unknown): never {
  const actual =
    typeof value === 'object' && value !== null ? (value.constructor?.name ?? 'object') : typeof value
  throw invalid(`${where} takes ${expected}, not this ${actual}`)
}

function invalid(message: string): MillraceError {
  return new MillraceError('MILLRACE_INVALID_PLAN', message)
}
