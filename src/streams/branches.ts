// `any` below is a parameter that is only compared: a type guard must narrow the type of its own parameter.

/** What a predicate leaves of `V`: the narrowed type of a type guard, else all of it. */
export type Passed<V, P> = P extends (value: any, record: never) => value is infer W ? W : V

/** What no predicate that narrows has taken. A predicate that does not narrow takes nothing from the type. */
export type Left<V, B> = Exclude<V, Guarded<B[keyof B]>>

type Guarded<P> = P extends (value: any, record: never) => value is infer W ? W : never
