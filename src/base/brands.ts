/**
 * Names for numbers that are easily swapped. A flavour admits a plain number (results of arithmetic need no
 * cast) but refuses a number of another flavour: an `Offset` is no `Timestamp`.
 */
declare const flavor: unique symbol
type Flavor<T, N extends string> = T & { readonly [flavor]?: N }

/** Position of a record in its partition: a safe integer >= 0. */
export type Offset = Flavor<number, 'Offset'>
/** Index of a partition of a topic, from 0. */
export type PartitionId = Flavor<number, 'PartitionId'>
/** Milliseconds since the epoch, UTC, an integer; may be negative. */
export type Timestamp = Flavor<number, 'Timestamp'>
/** A length of time in milliseconds, an integer. */
export type DurationMs = Flavor<number, 'DurationMs'>
/** Identity of a producer, as Kafka gives it: a safe integer >= 0. */
export type ProducerId = Flavor<number, 'ProducerId'>
/** Number of a leader's reign over a partition: raised whenever acknowledged data was cut. */
export type LeaderEpoch = Flavor<number, 'LeaderEpoch'>
/** Identity of a topic: a random UUID in its usual text form. It outlives a rename and is never used again. */
export type TopicId = Flavor<string, 'TopicId'>

/** Event time before any record was seen. */
export const MIN_TIMESTAMP: Timestamp = Number.MIN_SAFE_INTEGER
/** Event time after all records: every window is closed (SEMANTICS 1.9). */
export const MAX_TIMESTAMP: Timestamp = Number.MAX_SAFE_INTEGER
