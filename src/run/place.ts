/** Where data lives: a URL, and nothing else says so (API principle 6). */
export type Place = 'memory:' | `file:${string}` | `kafka://${string}`

/** Literals are checked, texts that come at run time are taken. */
export type Checked<A extends string> = A extends Place ? A : string extends A ? A : Place
