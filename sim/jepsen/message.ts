/** What the parent asks of the process that has the log, and what it is told. */

export const TOPICS = ['in', 'out', 'left', 'right'] as const
export type TopicName = (typeof TOPICS)[number]

export interface Write {
  readonly topic: TopicName
  readonly value: string
}

export type Work =
  /** One record, by the log's own producer. */
  | { readonly kind: 'send'; readonly write: Write }
  /** By the marker protocol: written first, ended later. */
  | { readonly kind: 'markers'; readonly writes: readonly Write[]; readonly end: 'commit' | 'abort' }
  /** As one group of the log. */
  | { readonly kind: 'whole'; readonly writes: readonly Write[] }
  /** Everything that readers of committed records see, in `part` messages. */
  | { readonly kind: 'dump' }
  /** Whether the copiers have passed everything in `in`. */
  | { readonly kind: 'lag' }

export type Command = Work & { readonly id: number }

export interface Place {
  readonly partition: number
  readonly offset: number
}

export interface Stored extends Place {
  readonly topic: TopicName
  readonly value: string
}

export type Report =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly id: number; readonly places: readonly Place[]; readonly count?: number }
  | { readonly kind: 'failed'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly kind: 'part'; readonly id: number; readonly records: readonly Stored[] }
  /** A reader has a record in hand, and will commit it. */
  | { readonly kind: 'read'; readonly values: readonly string[] }
  /** Something went wrong that nobody asked for. */
  | { readonly kind: 'trouble'; readonly message: string }
