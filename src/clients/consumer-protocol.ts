/**
 * What the members of a consumer group tell each other through the coordinator, which never looks into it.
 *
 * The bytes are those of Kafka's own consumers (ConsumerProtocolSubscription, ConsumerProtocolAssignment; big-endian),
 * so that a group may hold members of both kinds and nothing changes on a Kafka cluster:
 *
 *   subscription: version i16 | topics [string] | user data bytes? | 1+: owned [topic string, partitions [i32]]
 *                 | 2+: generation i32 | 3+: rack string?
 *   assignment:   version i16 | partitions [topic string, partitions [i32]] | user data bytes?
 *
 * A string is its length as i16 and UTF-8, an array its length as i32 and its elements, `?` has length -1 for null.
 * A reader takes any version: what a later one appends is left unread, as Kafka's own readers do.
 */
import { MillraceError } from '../base/errors.ts'
import { readInt32, writeInt32 } from '../base/int64.ts'

/** A partition of a topic, by the topic's name: names are what members subscribe to. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface Subscription {
  readonly topics: readonly string[]
  /** What the member holds while it joins: what an assignor should leave with it. */
  readonly owned: readonly TopicPartition[]
  /** The generation in which it got them; -1: none. A claim of an older generation yields to that of a newer one. */
  readonly generation: number
}

const SUBSCRIPTION_VERSION = 3
const ASSIGNMENT_VERSION = 1

export function encodeSubscription({ topics, owned, generation }: Subscription): Uint8Array {
  const writer = new Writer()
  writer.int16(SUBSCRIPTION_VERSION)
  writer.int32(topics.length)
  for (const topic of topics) writer.string(topic)
  writer.int32(-1)
  writer.partitions(owned)
  writer.int32(generation)
  writer.int16(-1)
  return writer.bytes()
}

/** Throws MILLRACE_CORRUPT where the bytes are none of a subscription. */
export function decodeSubscription(bytes: Uint8Array): Subscription {
  const reader = new Reader(bytes, 'subscription')
  const version = reader.int16()
  const topics = reader.array(() => reader.string())
  reader.skipBytes()
  return {
    topics,
    owned: version >= 1 ? reader.partitions() : [],
    generation: version >= 2 ? reader.int32() : -1,
  }
}

export function encodeAssignment(partitions: readonly TopicPartition[]): Uint8Array {
  const writer = new Writer()
  writer.int16(ASSIGNMENT_VERSION)
  writer.partitions(partitions)
  writer.int32(-1)
  return writer.bytes()
}

/** No bytes at all are an empty assignment: a leader that forgot a member. Throws MILLRACE_CORRUPT. */
export function decodeAssignment(bytes: Uint8Array): readonly TopicPartition[] {
  if (bytes.length === 0) return []
  const reader = new Reader(bytes, 'assignment')
  reader.int16()
  return reader.partitions()
}

class Writer {
  #buffer = Buffer.alloc(256)
  #at = 0

  int16(value: number): void {
    this.#reserve(2)
    this.#at = this.#buffer.writeInt16BE(value, this.#at)
  }

  int32(value: number): void {
    this.#reserve(4)
    writeInt32(this.#buffer, this.#at, value)
    this.#at += 4
  }

  string(text: string): void {
    const bytes = Buffer.from(text, 'utf8')
    this.int16(bytes.length)
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** Grouped by topic, in the order of their first mention. */
  partitions(partitions: readonly TopicPartition[]): void {
    const byTopic = Map.groupBy(partitions, ({ topic }) => topic)
    this.int32(byTopic.size)
    for (const [topic, ofTopic] of byTopic) {
      this.string(topic)
      this.int32(ofTopic.length)
      for (const { partition } of ofTopic) this.int32(partition)
    }
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#at)
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#buffer.length) return
    const larger = Buffer.alloc(Math.max(this.#buffer.length * 2, this.#at + count))
    larger.set(this.#buffer)
    this.#buffer = larger
  }
}

class Reader {
  readonly #bytes: Buffer
  readonly #what: string
  #at = 0

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#what = what
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2))
  }

  int32(): number {
    return readInt32(this.#bytes, this.#take(4))
  }

  string(): string {
    const length = this.int16()
    const at = this.#take(Math.max(0, length))
    return this.#bytes.toString('utf8', at, this.#at)
  }

  skipBytes(): void {
    this.#take(Math.max(0, this.int32()))
  }

  array<T>(element: () => T): T[] {
    const length = this.int32()
    // Each element takes some bytes: a length beyond them is nonsense, and must not make a huge array.
    if (length > this.#bytes.length) this.#fail(`an array of ${length} elements`)
    return Array.from({ length: Math.max(0, length) }, element)
  }

  partitions(): TopicPartition[] {
    return this.array(() => {
      const topic = this.string()
      return this.array(() => ({ topic, partition: this.int32() }))
    }).flat()
  }

  #take(count: number): number {
    const at = this.#at
    if (at + count > this.#bytes.length) this.#fail(`${count} bytes`)
    this.#at += count
    return at
  }

  #fail(wanted: string): never {
    throw new MillraceError(
      'MILLRACE_CORRUPT',
      `a member's ${this.#what} has ${this.#bytes.length} bytes, but ${wanted} are wanted at byte ${this.#at}: it does not speak the consumer protocol`,
    )
  }
}
