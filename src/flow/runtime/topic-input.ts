/**
 * Reads a partition of a topic record by record.
 *
 * State: the fetched batches that are being read, the reader's place in them, and the first record decoded: its key,
 * value and, per lane, event time. `position` is the next record to process: what is at hand is not processed.
 * Invariants: the value is decoded once, whatever the number of lanes. What cannot be decoded is a record at hand like
 * another and fails when it is its turn, so that an error policy sees it in order.
 */
import { MIN_TIMESTAMP, type Offset, type Timestamp } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import type { Broker, PartitionReader, TopicDescription } from '../../broker/broker.ts'
import { batchLastOffset, batchPositions } from '../../record/batch-header.ts'
import { BatchReader } from '../../record/batch-reader.ts'
import { CommittedFilter } from '../../record/committed-filter.ts'
import { type Key, storeKey } from '../../record/key-codec.ts'
import { partitionOf } from '../../record/partitioner.ts'
import type { RecordHeader } from '../../record/record.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { Clock } from '../../sys/sys.ts'
import type { TopicSourceNode, TopicSpec } from '../graph/plan.ts'
import type { TaskContext } from '../operators/operator.ts'
import type { FollowedRecord, RecordOrigin } from '../task/current-record.ts'
import type { SourceLane } from '../task/source-lane.ts'
import type { InputStatus } from './engine-port.ts'
import type { Input, InputState } from './input.ts'

export class TopicInput implements Input, RecordOrigin {
  readonly name: string
  readonly partition: number
  readonly lanes: readonly SourceLane[]
  readonly rank: number
  readonly topic: string
  readonly metadata = undefined
  ready = false
  headTime: Timestamp = 0
  position: Offset
  leaderEpoch = 0
  lastRecordAt: number
  readonly #spec: TopicSpec
  readonly #broker: Broker
  readonly #clock: Clock
  readonly #context: TaskContext
  readonly #current: FollowedRecord
  readonly #bytesMax: number
  /** Keys must belong into the partition, because a table relies on it. */
  readonly #checksKeys: boolean
  readonly #reader: PartitionReader
  readonly #batch = new BatchReader()
  readonly #filter = new CommittedFilter()
  #chunk: Uint8Array | undefined
  #batches: Generator<number, void, undefined> | undefined
  #inBatch = false
  #batchEnd: Offset = 0
  #woken = true
  #key: StoreKey | null = null
  #value: unknown = undefined
  #failure: unknown = undefined
  readonly #laneTimes: Timestamp[]
  #bytes = 0

  constructor(parts: {
    readonly lanes: readonly SourceLane[]
    readonly rank: number
    readonly description: TopicDescription
    readonly position: Offset
    readonly broker: Broker
    readonly clock: Clock
    readonly context: TaskContext
    readonly current: FollowedRecord
    readonly bytesMax: number
    readonly checksKeys: boolean
    readonly wake: () => void
  }) {
    const first = parts.lanes[0] as SourceLane
    this.#spec = (first.node as TopicSourceNode).topic
    this.name = this.#spec.name
    this.partition = first.partition
    this.lanes = parts.lanes
    this.rank = parts.rank
    this.topic = parts.description.id
    this.position = parts.position
    this.#broker = parts.broker
    this.#clock = parts.clock
    this.#context = parts.context
    this.#current = parts.current
    this.#bytesMax = parts.bytesMax
    this.#checksKeys = parts.checksKeys
    this.#laneTimes = parts.lanes.map(() => MIN_TIMESTAMP)
    this.lastRecordAt = parts.clock.monotonic()
    this.#reader = parts.broker.read(this.topic, this.partition, parts.position, () => {
      this.#woken = true
      parts.wake()
    })
  }

  /** Encoded bytes read so far. */
  get bytes(): number {
    return this.#bytes
  }

  fill(): InputState {
    while (!this.ready) {
      if (this.#chunk === undefined && !this.#fetch()) return this.#reader.atEnd() ? 'empty' : 'later'
      this.#advance()
    }
    return 'ready'
  }

  take(): void {
    const current = this.#current
    const batch = this.#batch
    // Decoding left it as it has to be, unless another input decoded since; a store into an old object is not free.
    if (current.origin !== this || current.offset !== batch.offset) this.#point()
    current.passHeaders = true
    this.#context.counters.records += 1
    if (this.#failure !== undefined) {
      this.#fail(this.#failure)
    } else if (this.#value === null && !this.lanes.some((lane) => lane.tombstonesWanted)) {
      this.#context.counters.tombstones += 1
    } else {
      this.#deliver()
    }
    this.position = batch.offset + 1
    this.ready = false
  }

  #point(): void {
    const current = this.#current
    current.origin = this
    current.topic = this.name
    current.partition = this.partition
    current.offset = this.#batch.offset
  }

  #deliver(): void {
    const { lanes } = this
    if (lanes.length === 1 && this.#value !== null) {
      const lane = lanes[0] as SourceLane
      const time = this.#laneTimes[0] as Timestamp
      lane.accept(this.#key, this.#value, time)
      this.#current.passHeaders = false
      lane.advance(time)
      return
    }
    for (let index = 0; index < lanes.length; index += 1) {
      const lane = lanes[index] as SourceLane
      if (this.#value === null && !lane.tombstonesWanted) continue
      lane.accept(this.#key, this.#value, this.#laneTimes[index] as Timestamp)
    }
    this.#current.passHeaders = false
    for (let index = 0; index < lanes.length; index += 1) {
      ;(lanes[index] as SourceLane).advance(this.#laneTimes[index] as Timestamp)
    }
  }

  #fail(error: unknown): void {
    const current = this.#current
    current.storeKey = this.#key
    current.value = undefined
    current.timestamp = this.#batch.timestamp
    this.#context.failed((this.lanes[0] as SourceLane).node, error)
    current.passHeaders = false
  }

  #fetch(): boolean {
    if (!this.#woken) return false
    const fetched = this.#reader.poll(this.#bytesMax)
    if (fetched === undefined) {
      // Not before it is woken, unless more is on its way.
      this.#woken = !this.#reader.atEnd()
      return false
    }
    this.lastRecordAt = this.#clock.monotonic()
    this.#chunk = fetched.bytes
    this.#bytes += fetched.bytes.length
    this.leaderEpoch = fetched.bounds.leaderEpoch
    this.#filter.open(fetched.aborted)
    this.#batches = batchPositions(fetched.bytes)
    this.#inBatch = false
    return true
  }

  /** To the next record of the chunk that is at or behind the position; without one the chunk is done. */
  #advance(): void {
    const batch = this.#batch
    for (;;) {
      if (!this.#inBatch && !this.#openBatch()) return
      while (batch.next()) {
        if (batch.offset < this.position) continue
        this.#decode()
        this.ready = true
        return
      }
      this.#inBatch = false
      // Holes at the end of a batch are behind us.
      if (this.#batchEnd > this.position) this.position = this.#batchEnd
    }
  }

  #openBatch(): boolean {
    const chunk = this.#chunk as Uint8Array
    for (;;) {
      const next = this.#batches?.next()
      if (next === undefined || next.done === true) {
        this.#chunk = undefined
        this.#batches = undefined
        return false
      }
      const at = next.value
      this.#batchEnd = batchLastOffset(chunk, at) + 1
      if (this.#batchEnd <= this.position) continue
      if (!this.#filter.visible(chunk, at)) {
        this.position = this.#batchEnd
        continue
      }
      this.#batch.open(chunk, at)
      this.#inBatch = true
      return true
    }
  }

  #decode(): void {
    const batch = this.#batch
    const current = this.#current
    this.#failure = undefined
    this.#key = null
    this.headTime = batch.timestamp
    try {
      const { keySerde: serde, valueSerde } = this.#spec
      if (serde !== undefined && batch.keyStart >= 0) {
        this.#key = storeKey(serde.decode(batch, batch.keyStart, batch.keyEnd) as Key)
        if (this.#checksKeys) this.#checkPartition()
      }
      this.#value = batch.valueStart < 0 ? null : valueSerde.decode(batch, batch.valueStart, batch.valueEnd)
      const { lanes } = this
      if (current.origin !== this) this.#point()
      else current.offset = batch.offset
      current.passHeaders = true
      current.storeKey = this.#key
      current.value = this.#value
      for (let index = 0; index < lanes.length; index += 1) {
        current.timestamp = batch.timestamp
        const time = (lanes[index] as SourceLane).timestampOf(this.#value, current)
        this.#laneTimes[index] = time
        if (index === 0) this.headTime = time
      }
    } catch (error) {
      this.#failure = error
    }
  }

  #checkPartition(): void {
    const { partitions } = this.#spec
    if (partitions === 1) return
    const belongs = partitionOf(this.#batch.bytes, partitions, this.#batch.keyStart, this.#batch.keyEnd)
    if (belongs === this.partition) return
    throw new MillraceError(
      'MILLRACE_INVALID_RECORD',
      `the key of ${this.where()} belongs into partition ${belongs}, by murmur2 over ${partitions} partitions; a table ` +
        'relies on it: write it with a Kafka partitioner, or put .keyBy((value, record) => record.key) before the table',
    )
  }

  headers(): readonly RecordHeader[] {
    return this.#batch.headers()
  }

  raw(): { readonly key: Uint8Array | null; readonly value: Uint8Array | null } {
    return { key: this.#batch.key(), value: this.#batch.value() }
  }

  where(): string {
    return `${this.name}-${this.partition}@${this.#batch.offset}`
  }

  status(): InputStatus {
    const { end } = this.#broker.bounds(this.topic, this.partition)
    const watermark = Math.min(...this.lanes.map((lane) => lane.watermark))
    return {
      name: this.name,
      partition: this.partition,
      position: this.position,
      lag: Math.max(0, end - this.position),
      watermark: watermark === MIN_TIMESTAMP ? undefined : watermark,
      progress: undefined,
    }
  }

  close(): void {
    this.#reader.close()
  }
}
