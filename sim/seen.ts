import type { Timestamp } from '../src/base/brands.ts'
import type { TopicDescription } from '../src/broker/broker.ts'
import type { LastOfKeys } from './last-of-keys.ts'
import type { Lost } from './losses.ts'
import type { Ownership } from './model/model.ts'
import type { ObservedPositions } from './model/model-group.ts'
import type { PartitionView } from './observation.ts'

/** What was seen after a step. */
export interface Seen {
  /** Counts openings of the log. */
  readonly life: number
  readonly now: Timestamp
  readonly topics: readonly TopicDescription[]
  readonly views: ReadonlyMap<string, PartitionView>
  /** Those that were read anew. */
  readonly changed: readonly PartitionView[]
  readonly keys: LastOfKeys
  /** Since the last step. */
  readonly lost: Lost
  /** Answered since the last step. */
  readonly positions: readonly ObservedPositions[]
  readonly owners: readonly Ownership[]
}
