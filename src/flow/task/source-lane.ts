import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import { parseIsoTime } from '../../base/iso-time.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { ConnectorSourceNode, TopicSourceNode } from '../graph/plan.ts'
import type { CurrentRecord, Receiver } from '../operators/operator.ts'
import { TimeOutput } from '../time/time-edges.ts'

/**
 * One partition of one source step: its event time and its watermark. Several steps may read the same topic, each with
 * a time of its own; they share the partition's reader and position.
 */
export class SourceLane {
  readonly node: TopicSourceNode | ConnectorSourceNode
  readonly partition: number
  readonly time = new TimeOutput()
  /** Name under which its time is stored: that of the first named step behind it, so that new steps change nothing. */
  readonly timeName: string
  readonly idleAfterMs: number | false
  readonly #receiver: Receiver
  /** Who takes a record without a value: tables, and leaves that show the stream as it is. */
  readonly #tombstones: Receiver
  readonly tombstonesWanted: boolean
  readonly #bound: number
  /** The greatest event time so far. */
  maxTimestamp: Timestamp = MIN_TIMESTAMP
  idle = false
  ended = false

  constructor(
    node: TopicSourceNode | ConnectorSourceNode,
    partition: number,
    timeName: string,
    receiver: Receiver,
    tombstones: Receiver | undefined,
  ) {
    this.node = node
    this.partition = partition
    this.timeName = timeName
    this.idleAfterMs = node.kind === 'topicSource' ? node.idleAfterMs : false
    this.#receiver = receiver
    this.#tombstones = tombstones ?? receiver
    this.tombstonesWanted = tombstones !== undefined
    this.#bound = node.outOfOrdernessMs
  }

  get watermark(): Timestamp {
    if (this.ended) return MAX_TIMESTAMP
    return this.maxTimestamp === MIN_TIMESTAMP ? MIN_TIMESTAMP : this.maxTimestamp - this.#bound - 1
  }

  /** @throws what the user's function throws; MILLRACE_BAD_TIMESTAMP. */
  timestampOf(value: unknown, record: CurrentRecord): Timestamp {
    const { eventTime } = this.node
    if (eventTime === undefined || value === null) return checkedTime(record.timestamp)
    return checkedTime(eventTime(value, record))
  }

  accept(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    if (value === null) this.#tombstones.receive(key, value, timestamp)
    else this.#receiver.receive(key, value, timestamp)
  }

  /** After a record went all its way: the watermark rises with every record, not with batches (SEMANTICS 1.5). */
  advance(timestamp: Timestamp): void {
    if (this.idle) {
      this.idle = false
      this.time.setIdle(false)
    }
    if (timestamp <= this.maxTimestamp) return
    this.maxTimestamp = timestamp
    this.time.emit(timestamp - this.#bound - 1)
  }

  becomeIdle(): void {
    if (this.idle) return
    this.idle = true
    this.time.setIdle(true)
  }

  end(): void {
    if (this.ended) return
    this.ended = true
    if (this.idle) this.time.setIdle(false)
    this.idle = false
    this.time.emit(MAX_TIMESTAMP)
  }

  restore(maxTimestamp: Timestamp, idle: boolean): void {
    this.maxTimestamp = maxTimestamp
    this.idle = idle
    if (maxTimestamp !== MIN_TIMESTAMP) this.time.emit(this.watermark)
    if (idle) this.time.setIdle(true)
  }
}

function checkedTime(time: unknown): Timestamp {
  let ms = Number.NaN
  if (typeof time === 'number') ms = Math.floor(time)
  else if (typeof time === 'string') ms = parseIsoTime(time)
  else if (time instanceof Date) ms = time.getTime()
  // A little away from the ends, where arithmetic with windows stays exact.
  if (ms > -8.64e15 && ms < 8.64e15) return ms
  throw new MillraceError(
    'MILLRACE_BAD_TIMESTAMP',
    `the event time is ${typeof time === 'string' ? JSON.stringify(time) : String(time)}: expected milliseconds since ` +
      'the epoch, a Date, or an ISO time such as 2026-03-01T00:00:00Z; correct eventTime or let .onError skip such records',
  )
}
