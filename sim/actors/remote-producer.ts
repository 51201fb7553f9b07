import type { Offset, PartitionId } from '../../src/base/brands.ts'
import { isMillraceError } from '../../src/base/errors.ts'
import type { PartitionBatch, TopicDescription } from '../../src/broker/broker.ts'
import type { ProducerIdentity } from '../../src/broker/transactions.ts'
import { placeOf } from '../model/place.ts'
import type { SentRecord } from '../model/sent-record.ts'
import type { Actor, World } from '../world.ts'
import { buildBatch, drawDurableTopic, drawRecords } from './record-maker.ts'

const IN_FLIGHT_MAX = 5

interface Batch {
  readonly topic: TopicDescription
  readonly partition: PartitionId
  readonly records: readonly SentRecord[]
  readonly bytes: Uint8Array
  state: 'queued' | 'flying' | 'done'
}

/**
 * An idempotent producer on another machine, which outlives the log: up to five batches on their way for each partition;
 * what was not answered is sent again, with the same numbers and in order, and now and then also what was.
 */
export class RemoteProducer implements Actor {
  readonly name: string
  readonly #world: World
  #identity: ProducerIdentity | undefined
  #identities = 0
  #asking = false
  readonly #sequences = new Map<string, number>()
  /** Places that were given up. */
  readonly #givenUp = new Set<string>()
  /** By place, in the order of their numbers. */
  readonly #batches = new Map<string, Batch[]>()

  constructor(world: World, name: string) {
    this.#world = world
    this.name = name
  }

  act(): void {
    if (this.#identity === undefined) this.#identify()
    else {
      const { random } = this.#world
      if (random.chance(0.7)) this.#queue()
      this.#send()
      if (random.chance(0.1)) this.#sendAgain()
    }
  }

  /** Whether everything was answered; sends what was not. */
  finish(): boolean {
    if (this.#identity === undefined) return true
    this.#send()
    return [...this.#batches.values()].every((batches) => batches.every(({ state }) => state === 'done'))
  }

  lost(): void {
    this.#asking = false
    for (const batches of this.#batches.values()) {
      for (const batch of batches) {
        if (batch.state !== 'flying') continue
        batch.state = 'queued'
        for (const sent of batch.records) this.#world.model.settle(sent, 'unknown')
      }
    }
  }

  #identify(): void {
    if (this.#asking) return
    this.#asking = true
    const { broker } = this.#world
    broker.transactions.initProducer(
      { transactionalId: null, timeoutMs: 0, version: 2 },
      this.#world.answer((_, identity) => {
        this.#asking = false
        this.#identity = identity
        this.#identities += 1
        this.#sequences.clear()
      }),
    )
  }

  #queue(): void {
    const { random } = this.#world
    const topic = drawDurableTopic(this.#world)
    if (topic === undefined) return
    const partition = random.below(topic.partitions)
    const place = placeOf(topic.id, partition)
    const batches = this.#batches.get(place) ?? []
    if (this.#givenUp.has(place)) return
    if (batches.filter(({ state }) => state !== 'done').length >= IN_FLIGHT_MAX) return
    const writer = `${this.name}.${this.#identities}`
    const records = drawRecords(this.#world, writer, topic, partition, 1 + random.below(3))
    const baseSequence = this.#sequences.get(place) ?? 0
    this.#sequences.set(place, baseSequence + records.length)
    const bytes = buildBatch(this.#world, records, { ...this.#identity, baseSequence })
    batches.push({ topic, partition, records, bytes, state: 'queued' })
    this.#batches.set(place, batches)
  }

  /** In order: what follows a batch that waits, waits. */
  #send(): void {
    for (const batches of this.#batches.values()) {
      const first = batches.findIndex(({ state }) => state !== 'done')
      if (first < 0 || batches.slice(first).some(({ state }) => state === 'flying')) continue
      // One call each, all on their way at once; the very first alone, since the log takes any first number.
      const count = batches.some(({ records }) => records[0]?.outcome === 'acknowledged') ? IN_FLIGHT_MAX : 1
      for (const batch of batches.slice(first, first + count)) this.#append(batch)
    }
  }

  #append(batch: Batch): void {
    // An answer may have come before the next one was sent, and changed everything.
    if (batch.state !== 'queued' || this.#identity === undefined) return
    const { broker } = this.#world
    batch.state = 'flying'
    const identity = this.#identity
    const parts: PartitionBatch[] = [
      { topic: batch.topic.id, partition: batch.partition, bytes: batch.bytes.slice() },
    ]
    broker.transactions.append(
      { ...identity, transactionalId: null, batches: parts },
      this.#world.answer((error, offsets) => this.#answered(batch, error, offsets?.[0])),
    )
  }

  #answered(batch: Batch, error: Error | undefined, base: Offset | undefined): void {
    const { model } = this.#world
    const first = batch.records[0]?.id
    this.#world.note(
      `${this.name}: ${batch.topic.name}-${batch.partition} record ${first}: ${error?.message ?? base}`,
    )
    if (error === undefined && base !== undefined) {
      batch.state = 'done'
      for (const [index, sent] of batch.records.entries()) {
        model.acknowledge(sent, batch.partition, base + index)
      }
      return
    }
    batch.state = 'queued'
    if (!this.#world.isRefusal(error as Error)) {
      for (const sent of batch.records) model.settle(sent, 'unknown')
      return
    }
    const code = isMillraceError(error) ? error.code : ''
    // A full disk, or an earlier batch that was refused: the same again, in order.
    if (code === 'MILLRACE_DISK' || code === 'MILLRACE_OUT_OF_ORDER_SEQUENCE' || code === 'MILLRACE_CLOSED')
      return
    if (code !== 'MILLRACE_UNKNOWN_TOPIC')
      throw new Error(`an idempotent producer was refused: ${error?.message}`, { cause: error })
    // The topic, or a partition that was not durable yet, is gone: its numbers would begin with a gap.
    batch.state = 'done'
    this.#givenUp.add(placeOf(batch.topic.id, batch.partition))
    for (const sent of batch.records) model.settle(sent, 'refused')
  }

  /** The answer was lost on its way: the same batch comes once more, and must get the same place. */
  #sendAgain(): void {
    for (const batches of this.#batches.values()) {
      const done = batches.filter(({ state }) => state === 'done')
      if (done.length !== batches.length) continue
      const batch = done.at(-1 - this.#world.random.below(Math.min(3, done.length)))
      if (batch === undefined || batch.records[0]?.outcome !== 'acknowledged') continue
      batch.state = 'queued'
      this.#append(batch)
      return
    }
  }
}
