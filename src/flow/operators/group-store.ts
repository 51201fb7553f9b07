/**
 * The groups of a step in one task: the accumulators of its aggregates, by (namespace, key).
 *
 * State: a keyed store of groups, and per aggregate that keeps its elements apart their buckets. A group that comes
 * back from a restart has no buckets yet; they are put in when it is first asked for.
 * Cost: a value costs one look-up and one call per aggregate.
 */
import type { Timestamp } from '../../base/brands.ts'
import { keyOfStoreKey } from '../../record/key-codec.ts'
import { beginCompactValues, readCompactValues, writeCompactValue } from '../../state/compact-values.ts'
import type { Namespace, StoreKey } from '../../state/keyed-store.ts'
import { MemoryStore } from '../../state/memory-store.ts'
import { mappedStoreCodec, type StoreCodec, writtenStoreCodec } from '../../state/store-codec.ts'
import { type ElementBucket, keepsElements } from '../graph/aggregate.ts'
import type { Aggregates } from '../graph/plan.ts'
import type { Window } from '../graph/window-spec.ts'
import { ElementBuckets, MemoryBucket } from './element-buckets.ts'
import { Group } from './group.ts'
import { type AnyAggregate, type Field, type GroupCode, groupCode, type Row, takeBack } from './group-code.ts'
import type { TaskContext } from './operator.ts'

/** Kinds of aggregates whose accumulators are a few numbers. */
const SMALL: ReadonlySet<string> = new Set(['count', 'sum', 'average'])

export class GroupStore {
  readonly store: MemoryStore<Group>
  readonly names: readonly string[]
  readonly #fields: readonly Field[]
  readonly #code: GroupCode
  /** Undefined where the accumulator is written whole. */
  readonly #buckets: readonly (ElementBuckets | undefined)[]
  /** Some aggregate keeps its elements apart: groups of the store have to be bound to them. */
  readonly hasBuckets: boolean
  /** Groups of dropped namespaces become new ones. Not where each would hold on to much until then. */
  readonly #reuses: boolean

  /**
   * @param parts `subtracts`: whether values are ever taken out again. `inside`: the groups lie inside values of another
   * store, which the owner keeps; then this one has only their elements.
   */
  constructor(
    context: TaskContext,
    name: string,
    partition: number,
    aggregates: Aggregates,
    parts: { readonly subtracts?: boolean; readonly inside?: boolean } = {},
  ) {
    const { subtracts = false, inside = false } = parts
    this.names = Object.keys(aggregates)
    // The plan holds aggregates of any type; what they are given is what their own functions made.
    const own = Object.values(aggregates) as unknown as readonly AnyAggregate[]
    this.#fields = own.map((aggregate, index) => ({
      name: this.names[index] as string,
      aggregate,
      apart: keepsElements(aggregate, subtracts),
    }))
    this.#code = groupCode(this.#fields)
    const codec = storedGroups(this.#fields, this.#code)
    this.store = inside ? new MemoryStore(name, codec) : context.store(name, partition, codec)
    this.#buckets = this.#fields.map((field) =>
      field.apart
        ? new ElementBuckets(
            context.store(`${name}-${field.name}-elements`, partition, mappedStoreCodec(same, same)),
          )
        : undefined,
    )
    this.hasBuckets = this.#fields.some(({ apart }) => apart)
    this.#reuses = own.every(({ kind }) => SMALL.has(kind))
  }

  /** After the stores were restored. */
  restored(): void {
    for (const buckets of this.#buckets) buckets?.restored()
  }

  get(namespace: Namespace, key: StoreKey): Group | undefined {
    const group = this.store.get(namespace, key)
    if (group !== undefined && this.hasBuckets) this.#bind(group, namespace, key)
    return group
  }

  create(namespace: Namespace, key: StoreKey, timestamp: Timestamp): Group {
    const spare = this.#reuses ? this.store.spare(namespace) : undefined
    const group = spare ?? new Group(timestamp)
    spare?.renew(timestamp)
    this.#code.create(group)
    if (!this.hasBuckets) return group
    for (const [index, buckets] of this.#buckets.entries()) {
      if (buckets !== undefined) group.setAccumulator(index, buckets.bucket(namespace, key))
    }
    return group
  }

  /** Takes a value in; what a user's function throws leaves no trace of it. */
  add(group: Group, value: unknown, timestamp: Timestamp): void {
    this.#code.add(group, value)
    if (timestamp > group.timestamp) group.timestamp = timestamp
  }

  subtract(group: Group, value: unknown, timestamp: Timestamp): void {
    for (const [index, field] of this.#fields.entries()) takeBack(field, group, index, value)
    if (timestamp > group.timestamp) group.timestamp = timestamp
  }

  /** How many rows of windows went into a group and were not taken out again: one accumulator more. */
  rows(group: Group): number {
    return (group.accumulator(this.#fields.length) as number | undefined) ?? 0
  }

  setRows(group: Group, rows: number): void {
    group.setAccumulator(this.#fields.length, rows)
  }

  /** Throws what `add` of the value would throw, without taking it anywhere. */
  rehearse(value: unknown): void {
    this.add(this.blank(0), value, 0)
  }

  /** Takes `from` into `into`, which may be of this store or a `blank` one. */
  merge(into: Group, from: Group): void {
    for (const [index, { aggregate, apart }] of this.#fields.entries()) {
      const right = from.accumulator(index)
      if (apart) {
        aggregate.elements?.merge(into.accumulator(index) as ElementBucket, right as ElementBucket)
      } else {
        // Some `merge` functions keep parts of the right one: it must not be shared.
        const copy = aggregate.decode(copyOfJson(aggregate.encode(right)))
        into.setAccumulator(index, aggregate.merge(into.accumulator(index), copy))
      }
    }
    if (from.timestamp > into.timestamp) into.timestamp = from.timestamp
  }

  /** A group that nothing keeps, for merging panes. */
  blank(timestamp: Timestamp): Group {
    const group = new Group(timestamp)
    this.#code.create(group)
    for (const [index, { apart }] of this.#fields.entries())
      if (apart) group.setAccumulator(index, new MemoryBucket())
    return group
  }

  /** The row of a group: `{ key, window, ...aggregates }`, without the window where there is none. */
  row(key: StoreKey, window: Window | undefined, group: Group): Row {
    return this.#code.row(keyOfStoreKey(key), window, group)
  }

  /** Removes the elements of one group; its entry in the store is the caller's. */
  removeElements(namespace: Namespace, key: StoreKey): void {
    for (const buckets of this.#buckets) buckets?.remove(namespace, key)
  }

  /** Nobody may hold groups of the namespace any more. */
  drop(namespace: Namespace): void {
    this.store.drop(namespace, this.#reuses)
    for (const buckets of this.#buckets) buckets?.drop(namespace)
  }

  /** Puts buckets into groups that a restart brought back. */
  #bind(group: Group, namespace: Namespace, key: StoreKey): void {
    for (const [index, buckets] of this.#buckets.entries()) {
      if (buckets !== undefined && group.accumulator(index) === null) {
        group.setAccumulator(index, buckets.bucket(namespace, key))
      }
    }
  }

  /** For groups inside another value (sessions), whose bucket goes by an id of its own. */
  bind(group: Group, namespace: Namespace, key: StoreKey): void {
    if (this.hasBuckets) this.#bind(group, namespace, key)
  }

  /** How groups inside another value are stored. */
  get codec(): { encode(group: Group): unknown[]; decode(stored: readonly unknown[]): Group } {
    return {
      encode: (group) => encodeGroup(group, this.#fields),
      decode: (stored) => decodeGroup(stored, this.#fields),
    }
  }
}

function encodeGroup(group: Group, fields: readonly Field[]): unknown[] {
  const accumulators = fields.map(({ aggregate, apart }, index) =>
    apart ? null : aggregate.encode(group.accumulator(index)),
  )
  return [group.timestamp, ...accumulators]
}

/** The timestamp, the accumulators, and the number of rows where they are counted. */
function decodeGroup(stored: readonly unknown[], fields: readonly Field[]): Group {
  const group = new Group(stored[0] as number)
  for (const [index, { aggregate, apart }] of fields.entries()) {
    group.setAccumulator(index, apart ? null : aggregate.decode(stored[index + 1]))
  }
  const rows = stored[fields.length + 1]
  if (rows !== undefined) group.setAccumulator(fields.length, rows)
  return group
}

function storedGroups(fields: readonly Field[], code: GroupCode): StoreCodec<Group> {
  return writtenStoreCodec<Group>(
    (target, start, end, group) => {
      let at = beginCompactValues(target, start, end)
      if (at >= 0) at = writeCompactValue(target, at, end, group.timestamp)
      if (at >= 0) at = code.write(target, at, end, group)
      const rows = group.accumulator(fields.length)
      return rows === undefined || at < 0 ? at : writeCompactValue(target, at, end, rows)
    },
    (bytes, start, end) => decodeGroup(readCompactValues(bytes, start, end), fields),
  )
}

function copyOfJson(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  return JSON.parse(JSON.stringify(value))
}

function same(value: unknown): unknown {
  return value
}
