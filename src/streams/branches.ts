/** A type guard of anything. */
// oxlint-disable-next-line typescript/no-explicit-any -- a guard narrows its own parameter: no other type admits every W
type GuardOf<W> = (value: any, record: never) => value is W

/** What a predicate leaves of `V`: the narrowed type of a type guard, else all of it. */
export type Passed<V, P> = P extends GuardOf<infer W> ? W : V

/** What no predicate that narrows has taken. A predicate that does not narrow takes nothing from the type. */
export type Left<V, B> = Exclude<V, Guarded<B[keyof B]>>

type Guarded<P> = P extends GuardOf<infer W> ? W : never
