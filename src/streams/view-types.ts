import type { Offset, PartitionId } from '../base/brands.ts'
import type { Duration } from '../base/duration.ts'
import type { Key } from '../record/key-codec.ts'
import type { App } from './app.ts'
import type { View } from './view.ts'

declare const position: unique symbol

/** Where a record stands in the log, as an opaque text. What `send` answers with, and `caughtUp` waits for. */
export type Position = string & { readonly [position]: true }

/** What `send` answers with, when the record is as durable as its topic promises. */
export interface Sent {
  /** Give it to `view.caughtUp(...)` to read what this record caused. */
  readonly position: Position
  readonly partition: PartitionId
  readonly offset: Offset
}

/** A change of one row. `position` is that of the commit which made it. */
export type Change<K, V> =
  | {
      readonly kind: 'insert'
      readonly key: K
      readonly before: null
      readonly after: V
      readonly position: Position
      readonly timestamp: number
    }
  | {
      readonly kind: 'update'
      readonly key: K
      readonly before: V
      readonly after: V
      readonly position: Position
      readonly timestamp: number
    }
  | {
      readonly kind: 'delete'
      readonly key: K
      readonly before: V
      readonly after: null
      readonly position: Position
      readonly timestamp: number
    }

/**
 * What keys can begin with: the first elements of a tuple, the first letters of a text. Keys of numbers and booleans
 * begin with nothing.
 */
export type KeyPrefix<K> = K extends readonly [infer First, ...infer Rest]
  ? readonly [] | readonly [First, ...KeyPrefix<Rest>]
  : K extends readonly unknown[]
    ? readonly []
    : K extends string
      ? string
      : never

/** Which rows, in the order of their keys: texts by code units, tuples element by element. */
export interface ViewRange<K> {
  /** Only keys that begin with this. */
  readonly prefix?: KeyPrefix<K>
  /** The first key, inclusive; of a tuple the first elements are enough. */
  readonly from?: K | KeyPrefix<K>
  /** The key that ends the range, exclusive. */
  readonly to?: K | KeyPrefix<K>
  /** At most so many rows. */
  readonly limit?: number
  /** From the greatest key down. Default false. */
  readonly reverse?: boolean
}

/**
 * A view while its app runs. Reads see whole commits only.
 *
 * @example
 * const home = await running.views.pages.get('/home')
 */
export interface ReadableView<K, V> {
  /** The row of a key; undefined when there is none. */
  get(key: K): Promise<V | undefined>
  /** Rows in the order of their keys. */
  list(range?: ViewRange<K>): Promise<V[]>
  /** All rows with their keys, in the order of the keys. One that changes meanwhile is given as it is when it is reached. */
  entries(): AsyncIterable<readonly [key: K, row: V]>
  /**
   * Resolves when the view shows what the record at a position caused.
   *
   * @throws MillraceError MILLRACE_TIMEOUT when that takes longer than `timeout` (default 30 s).
   */
  caughtUp(position: Position, options?: { readonly timeout?: Duration }): Promise<void>
  /**
   * Changes in the order of commits, until the signal or the app ends it. A reader that is too slow gets the changes of
   * a key as one.
   *
   * @example
   * for await (const change of view.changes({ signal })) if (change.kind === 'update') console.log(change.after)
   */
  changes(options?: ChangesFrom): AsyncIterable<Change<K, V>>
}

/** A view of a test driver: the same reads, answered at once. */
export interface DriverView<K, V> {
  get(key: K): V | undefined
  list(range?: ViewRange<K>): V[]
  entries(): (readonly [key: K, row: V])[]
}

/** Where a subscription begins, and what ends it. */
export interface ChangesFrom {
  /** `'now'` (default): what is committed from this call on. `'start'`: first the rows that are there, as inserts. */
  readonly from?: 'now' | 'start'
  /** Ends the iteration, quietly. */
  readonly signal?: AbortSignal
}

/** The views of an app by their names. */
export type ViewsOf<A extends App> = {
  readonly [N in ViewNames<A>]: A['leaves'][N] extends View<infer K, infer V> ? ReadableView<K, V> : never
}

/** The views of an app in a test driver. */
export type DriverViewsOf<A extends App> = {
  readonly [N in ViewNames<A>]: A['leaves'][N] extends View<infer K, infer V> ? DriverView<K, V> : never
}

type ViewNames<A extends App> = {
  [N in keyof A['leaves']]: A['leaves'][N] extends View<Key, unknown> ? N : never
}[keyof A['leaves']]
