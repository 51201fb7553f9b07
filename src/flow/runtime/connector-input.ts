import { MIN_TIMESTAMP, type Offset, type Timestamp } from '../../base/brands.ts'
import { keySerde, storeKey } from '../../record/key-codec.ts'
import { NO_HEADERS, type RecordHeader } from '../../record/record.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { Clock } from '../../sys/sys.ts'
import type { ConnectorContext, SourceItem, SourcePosition, SourceReader } from '../graph/connector.ts'
import type { ConnectorSourceNode } from '../graph/plan.ts'
import type { TaskContext } from '../operators/operator.ts'
import type { FollowedRecord, RecordOrigin } from '../task/current-record.ts'
import type { SourceLane } from '../task/source-lane.ts'
import type { InputStatus } from './engine-port.ts'
import type { Input, InputState } from './input.ts'

const ITEMS_PER_POLL = 256

/** The topic under which the position of a source of the outside is committed. */
export function sourceTopic(id: string): string {
  return `source:${id}`
}

/** Reads a partition of a source of the outside: a file. */
export class ConnectorInput implements Input, RecordOrigin {
  readonly name: string
  readonly partition: number
  readonly lanes: readonly SourceLane[]
  readonly rank: number
  readonly topic: string
  readonly leaderEpoch = 0
  ready = false
  headTime: Timestamp = 0
  position: Offset
  metadata: string
  lastRecordAt: number
  readonly #clock: Clock
  readonly #context: TaskContext
  readonly #current: FollowedRecord
  readonly #reader: SourceReader
  readonly #laneTimes: Timestamp[]
  #items: readonly SourceItem[] = []
  #next = 0
  #key: StoreKey | null = null
  #failure: unknown = undefined

  constructor(parts: {
    readonly lanes: readonly SourceLane[]
    readonly rank: number
    readonly stored: SourcePosition | undefined
    readonly connector: ConnectorContext
    readonly clock: Clock
    readonly context: TaskContext
    readonly current: FollowedRecord
  }) {
    const first = parts.lanes[0] as SourceLane
    const { source } = first.node as ConnectorSourceNode
    this.name = source.id
    this.topic = sourceTopic(source.id)
    this.partition = first.partition
    this.lanes = parts.lanes
    this.rank = parts.rank
    // Stopped before the source gave anything: what was committed then is this class's own beginning, no source's place.
    const stored = parts.stored?.metadata === '' && parts.stored.offset === 0 ? undefined : parts.stored
    this.position = stored?.offset ?? 0
    this.metadata = stored?.metadata ?? ''
    this.#clock = parts.clock
    this.#context = parts.context
    this.#current = parts.current
    this.#laneTimes = parts.lanes.map(() => MIN_TIMESTAMP)
    this.lastRecordAt = parts.clock.monotonic()
    this.#reader = source.open(parts.connector, this.partition, stored)
  }

  fill(): InputState {
    if (this.ready) return 'ready'
    if (this.#next >= this.#items.length) {
      this.#items = this.#reader.poll(ITEMS_PER_POLL)
      this.#next = 0
      if (this.#items.length === 0) return this.#reader.ended() ? 'ended' : 'empty'
      this.lastRecordAt = this.#clock.monotonic()
    }
    this.#prepare(this.#items[this.#next] as SourceItem)
    this.ready = true
    return 'ready'
  }

  take(): void {
    const item = this.#items[this.#next] as SourceItem
    const current = this.#current
    this.#point(item)
    this.#context.counters.records += 1
    if (this.#failure !== undefined) {
      this.#context.failed((this.lanes[0] as SourceLane).node, this.#failure)
      current.passHeaders = false
    } else {
      for (const [index, lane] of this.lanes.entries()) {
        lane.accept(this.#key, item.value ?? null, this.#laneTimes[index] as Timestamp)
      }
      current.passHeaders = false
      for (const [index, lane] of this.lanes.entries()) lane.advance(this.#laneTimes[index] as Timestamp)
    }
    this.position = item.position.offset
    this.metadata = item.position.metadata
    this.#next += 1
    this.ready = false
  }

  #prepare(item: SourceItem): void {
    this.#failure = item.failure?.error
    this.#key = null
    this.headTime = item.timestamp
    if (this.#failure !== undefined) return
    try {
      this.#key = item.key === null ? null : storeKey(item.key)
      for (const [index, lane] of this.lanes.entries()) {
        this.#point(item)
        const time = lane.timestampOf(item.value, this.#current)
        this.#laneTimes[index] = time
        if (index === 0) this.headTime = time
      }
    } catch (error) {
      this.#failure = error
    }
  }

  #point(item: SourceItem): void {
    const current = this.#current
    current.origin = this
    current.passHeaders = true
    current.topic = this.name
    current.partition = this.partition
    current.offset = item.position.offset - 1
    current.storeKey = this.#key
    current.value = item.value
    current.timestamp = item.timestamp
  }

  headers(): readonly RecordHeader[] {
    return NO_HEADERS
  }

  raw(): { readonly key: Uint8Array | null; readonly value: Uint8Array | null } {
    const item = this.#items[this.#next] as SourceItem
    const key = item.key === null ? null : keySerde.encode(item.key)
    if (item.failure !== undefined) return { key, value: item.failure.raw }
    if (item.value instanceof Uint8Array) return { key, value: item.value }
    const text = typeof item.value === 'string' ? item.value : JSON.stringify(item.value ?? null)
    return { key, value: Buffer.from(text, 'utf8') }
  }

  where(): string {
    return (this.#items[this.#next] as SourceItem).where
  }

  get line(): number | undefined {
    return this.#items[this.#next]?.line
  }

  status(): InputStatus {
    const watermark = Math.min(...this.lanes.map((lane) => lane.watermark))
    return {
      name: this.name,
      partition: this.partition,
      position: this.position,
      lag: undefined,
      watermark: watermark === MIN_TIMESTAMP ? undefined : watermark,
      progress: this.#reader.progress(),
    }
  }

  close(): void {
    this.#reader.close()
  }
}
