/**
 * Keys of the members that exist only in types. They never show in completions, and a compiler that misses one prints
 * its name: so each is named for what would have helped ("Property '[mustBeATable]' is missing in type ...").
 */

/** Has a key: a keyed stream or a table, what a view can show. */
export declare const keyedStreamOrTable: unique symbol
/** Can be a leaf of an app. */
export declare const viewOutputOrTrigger: unique symbol
/** Has a latest row for each key. */
export declare const mustBeATable: unique symbol
/** Compares the keys of two inputs, both ways: `'EUR' | 'USD'` meets `string`, `number` does not. */
export declare const keysMustMatch: unique symbol
/** What a destination takes. */
export declare const accepts: unique symbol
/** What a stream is read from. */
export declare const topicOrFile: unique symbol
/** A destination that keeps the latest value of each key, as a table needs it. */
export declare const topicWithAKey: unique symbol
/** What an aggregate makes of its values. */
export declare const aggregates: unique symbol
/** What an aggregate makes of rows that can be taken out again. */
export declare const aggregatesRows: unique symbol
/** The shape of the `window` in a row. */
export declare const windowShape: unique symbol
/** The values of a stream, for its merges. */
export declare const streamOf: unique symbol
/** The key and the row of a view. */
export declare const viewOf: unique symbol
