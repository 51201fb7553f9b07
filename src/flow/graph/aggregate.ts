/**
 * An aggregate as data: how values of a group become one field of its row. The engine calls these functions only on
 * accumulators that `create` made or that `decode(encode(...))` gave back, so their type is the aggregate's own.
 */
export interface Aggregate<V = never, A = unknown, R = unknown> {
  /** Name of the kind and its parameters, part of the plan's identity: 'count', 'top(10)'. */
  readonly kind: string
  create(): A
  /**
   * Takes a value in and returns the accumulator: the same, changed in place, if `subtract` can take the value out
   * again; else a new one, so that the old one can be put back when another aggregate of the step throws. What it throws
   * itself, it throws before it changes anything.
   */
  add(accumulator: A, value: V): A
  /** Takes a value out again, for tables. Undefined: the aggregate cannot, and a plan that needs it is refused. */
  readonly subtract?: ((accumulator: A, value: V) => A) | undefined
  /** Takes the right accumulator into the left one, for panes and sessions. */
  merge(left: A, right: A): A
  /** The field's value; called on every emission. Must not keep or change the accumulator. */
  result(accumulator: A): R
  /** To what JSON can hold, and back. */
  encode(accumulator: A): unknown
  decode(stored: unknown): A
  /**
   * Elements that are kept as entries of their own, so that a commit writes what changed (countDistinct, collect,
   * large tops): the engine gives a bucket per accumulator. Undefined: the accumulator is written whole.
   */
  readonly elements?: ElementsAggregate<V, R> | undefined
  /**
   * Where only the first few values make the result: makes a filter that is asked about one value after the other, and
   * false for those that cannot be among the first of them. Throws what `add` would.
   */
  readonly firstOnly?: (() => (value: V) => boolean) | undefined
  /** True: an accumulator stays small whatever comes in, so `elements` is used only where values are taken out again. */
  readonly bounded?: boolean | undefined
}

/** State of an aggregate that keeps elements: entries by a string or number, each written when it changed. */
export interface ElementBucket {
  get(element: string | number): unknown
  put(element: string | number, stored: unknown): void
  delete(element: string | number): void
  readonly size: number
  entries(): Iterable<readonly [string | number, unknown]>
}

export interface ElementsAggregate<V, R> {
  add(bucket: ElementBucket, value: V): void
  readonly subtract?: ((bucket: ElementBucket, value: V) => void) | undefined
  /** Takes out the value that came last, where `subtract` might take another one that is equal. */
  readonly undo?: ((bucket: ElementBucket, value: V) => void) | undefined
  merge(into: ElementBucket, from: ElementBucket): void
  result(bucket: ElementBucket): R
}

/** Whether the elements lie apart from the accumulator: a bounded one is written whole unless values are taken out. */
export function keepsElements(aggregate: Aggregate, subtracts: boolean): boolean {
  if (aggregate.elements === undefined) return false
  return aggregate.bounded === true ? subtracts : true
}
