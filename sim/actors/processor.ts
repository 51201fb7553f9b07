import type { Offset, Timestamp } from '../../src/base/brands.ts'
import { isMillraceError } from '../../src/base/errors.ts'
import type { PartitionBatch, TopicDescription } from '../../src/broker/broker.ts'
import type { NewPosition } from '../../src/broker/groups.ts'
import type { ProducerIdentity } from '../../src/broker/transactions.ts'
import { GroupConsumer } from '../../src/clients/group-consumer.ts'
import type { HandedRecord } from '../../src/clients/partition-feed.ts'
import type { Ownership } from '../model/model.ts'
import { placeOf } from '../model/place.ts'
import type { SentRecord } from '../model/sent-record.ts'
import { type SentTransaction, transactionMark } from '../model/sent-transaction.ts'
import type { Actor, World } from '../world.ts'
import { FreezableTimers } from './freezable-timers.ts'
import { buildBatch } from './record-maker.ts'

export const PROCESSORS = 'processors'
const INPUT = 'in'
const OUTPUT = 'out'

interface Copies {
  readonly transaction: SentTransaction
  readonly handed: readonly HandedRecord[]
  readonly parts: readonly { readonly partition: number; readonly records: SentRecord[] }[]
  readonly positions: readonly NewPosition[]
  step: 'send' | 'positions' | 'end'
}

/**
 * Copies `in` to `out`, each record exactly once: copies and positions are one transaction, either with markers or as one
 * group of the log. Whatever is refused or unknown makes it begin anew from what was committed.
 */
export class Processor implements Actor {
  readonly name: string
  readonly #world: World
  readonly #markers: boolean
  #consumer: GroupConsumer | undefined
  #timers: FreezableTimers | undefined
  #frozen = false
  #frozenUntil: Timestamp = 0
  #identity: ProducerIdentity | undefined
  readonly #sequences = new Map<number, number>()
  #copies: Copies | undefined
  #flying = false
  #run = 0

  constructor(world: World, name: string, options: { readonly markers: boolean }) {
    this.#world = world
    this.name = name
    this.#markers = options.markers
  }

  act(): void {
    const { random } = this.#world
    if (this.#frozen) {
      if (this.#world.sys.time.now() >= this.#frozenUntil) this.#thaw()
      // Most dangerous is a pause right before the end, in which others take its partitions.
    } else if (random.chance(this.#copies?.step === 'end' ? 0.5 : 0.03)) this.#freeze()
    else if (this.#flying) return
    else if (this.#consumer === undefined) this.#start()
    else if (this.#markers && this.#identity === undefined) this.#identify()
    else if (this.#copies !== undefined) this.#goOn(this.#copies)
    else if (random.chance(0.05)) this.#restart('stops')
    else this.#take(this.#consumer)
  }

  ownership(): Ownership | undefined {
    const { membership } = this.#consumer ?? {}
    if (membership === undefined || (membership.phase !== 'stable' && membership.phase !== 'revoking')) return
    const { group, generation, member } = membership.identity
    const partitions = membership.owned.map(({ topic, partition }) => `${topic}-${partition}`)
    return { group, generation, member, partitions }
  }

  lost(): void {
    this.#run += 1
    this.#timers?.freeze()
    const { transaction } = this.#copies ?? {}
    if (transaction !== undefined) {
      transaction.ended = 'unknown'
      for (const sent of transaction.records) this.#world.model.settle(sent, 'unknown')
    }
    this.#copies = undefined
    this.#consumer = undefined
    this.#identity = undefined
    this.#flying = false
    this.#frozen = false
  }

  #start(): void {
    const { broker, sys, random } = this.#world
    const timers = new FreezableTimers(sys.timers)
    this.#timers = timers
    const consumer: GroupConsumer = new GroupConsumer(
      { timers, lines: sys.lines },
      broker,
      {
        group: PROCESSORS,
        topics: [INPUT],
        instance: null,
        client: this.name,
        host: '',
        sessionTimeoutMs: 500 + random.below(1000),
        heartbeatMs: 150,
        rebalanceTimeoutMs: 2000,
        drainMs: 800,
        commitIntervalMs: undefined,
        commitFinished: false,
        isolation: 'read_committed',
        fetchBytesMax: 100 + random.below(1000),
        from: 'committed',
        ifNone: 'earliest',
        ifOutOfRange: 'fail',
      },
      {
        wake: () => undefined,
        assigned: () => undefined,
        revoked: () => undefined,
        failed: (error) => {
          this.#world.note(`${this.name}: ends: ${error.message}`)
          if (this.#consumer === consumer) this.#consumer = undefined
        },
      },
    )
    this.#consumer = consumer
    consumer.start()
  }

  #identify(): void {
    this.#ask<ProducerIdentity>(
      (answer) =>
        this.#world.broker.transactions.initProducer(
          { transactionalId: this.name, timeoutMs: 3000 + this.#world.random.below(15_000), version: 2 },
          answer,
        ),
      (identity) => {
        this.#identity = identity
        this.#sequences.clear()
      },
    )
  }

  #take(consumer: GroupConsumer): void {
    const { random, broker } = this.#world
    const output = broker.topic(OUTPUT)
    if (output === undefined) return
    const handed: HandedRecord[] = []
    for (let count = 1 + random.below(6); count > 0; count -= 1) {
      const record = consumer.take()
      if (record === undefined) break
      handed.push(record)
    }
    if (handed.length > 0) this.#copies = this.#copy(handed, output)
  }

  #copy(handed: readonly HandedRecord[], output: TopicDescription): Copies {
    const { model, sys } = this.#world
    const transaction = model.beginTransaction(this.name)
    const byPartition = new Map<number, SentRecord[]>()
    const positions = new Map<string, NewPosition>()
    for (const { feed, record } of handed) {
      const place = placeOf(feed.topic.id, feed.partition)
      const partition = feed.partition % output.partitions
      const sent = model.send({
        writer: `${this.name}.${transaction.id}`,
        topic: output.id,
        partition,
        key: null,
        tombstone: false,
        bytes: 20,
        timestamp: sys.time.now(),
        transaction,
        copyOf: `${place}@${record.offset}`,
      })
      byPartition.set(partition, [...(byPartition.get(partition) ?? []), sent])
      const metadata = transactionMark(transaction)
      const offset = record.offset + 1
      positions.set(place, {
        topic: feed.topic.id,
        partition: feed.partition,
        offset,
        leaderEpoch: -1,
        metadata,
      })
    }
    const parts = Array.from(byPartition, ([partition, records]) => ({ partition, records }))
    for (const [place, { offset }] of positions) {
      transaction.positions.push({ group: PROCESSORS, place, offset })
      // What was done is known by the copies.
      model.group(PROCESSORS).byHand.set(place, Number.POSITIVE_INFINITY)
    }
    model.group(PROCESSORS).ask([...positions.values()])
    return { transaction, handed, parts, positions: [...positions.values()], step: 'send' }
  }

  #goOn(copies: Copies): void {
    // Given to another member meanwhile: whoever commits it in its own name would take it from that one.
    if (copies.step !== 'end' && copies.handed.some(({ feed }) => feed.gone)) {
      copies.transaction.ended = 'aborted'
      this.#restart('its partition is gone')
    } else if (!this.#markers) this.#commitWhole(copies)
    else if (copies.step === 'send') this.#send(copies)
    else if (copies.step === 'positions') this.#sendPositions(copies)
    else this.#end(copies)
  }

  #batches(copies: Copies): PartitionBatch[] {
    const topic = this.#world.broker.topic(OUTPUT)?.id ?? ''
    return copies.parts.map(({ partition, records }) => {
      if (!this.#markers) return { topic, partition, bytes: buildBatch(this.#world, records) }
      const baseSequence = this.#sequences.get(partition) ?? 0
      this.#sequences.set(partition, baseSequence + records.length)
      const settings = { ...this.#identity, baseSequence, transactional: true }
      return { topic, partition, bytes: buildBatch(this.#world, records, settings) }
    })
  }

  #commitWhole(copies: Copies): void {
    const { broker } = this.#world
    const identity = (this.#consumer as GroupConsumer).membership.identity
    copies.transaction.wanted = 'commit'
    this.#ask<readonly Offset[]>(
      (answer) =>
        broker.transactions.commitWhole(
          { batches: this.#batches(copies), positions: [{ ...identity, positions: copies.positions }] },
          answer,
        ),
      (offsets) => {
        this.#acknowledge(copies, offsets)
        this.#committed(copies)
      },
    )
  }

  #send(copies: Copies): void {
    const { broker } = this.#world
    const request = { ...(this.#identity as ProducerIdentity), transactionalId: this.name }
    this.#ask<readonly Offset[]>(
      (answer) => broker.transactions.append({ ...request, batches: this.#batches(copies) }, answer),
      (offsets) => {
        this.#acknowledge(copies, offsets)
        copies.step = 'positions'
      },
    )
  }

  #sendPositions(copies: Copies): void {
    const { broker } = this.#world
    const request = { ...(this.#identity as ProducerIdentity), transactionalId: this.name }
    const identity = (this.#consumer as GroupConsumer).membership.identity
    this.#ask<void>(
      (answer) =>
        broker.transactions.commitPositions({ ...request, ...identity, positions: copies.positions }, answer),
      () => {
        copies.step = 'end'
      },
    )
  }

  #end(copies: Copies): void {
    const { broker } = this.#world
    const request = { ...(this.#identity as ProducerIdentity), transactionalId: this.name }
    copies.transaction.wanted = 'commit'
    this.#ask<ProducerIdentity>(
      (answer) => broker.transactions.end({ ...request, committed: true, version: 2 }, answer),
      (identity) => {
        this.#identity = identity
        this.#sequences.clear()
        this.#committed(copies)
      },
    )
  }

  #acknowledge(copies: Copies, offsets: readonly Offset[]): void {
    for (const [index, { partition, records }] of copies.parts.entries()) {
      for (const [delta, sent] of records.entries())
        this.#world.model.acknowledge(sent, partition, (offsets[index] ?? -1) + delta)
    }
  }

  #committed(copies: Copies): void {
    const { transaction, handed } = copies
    transaction.ended = 'committed'
    const group = this.#world.model.group(PROCESSORS)
    for (const { place, offset } of transaction.positions) group.raise(place, offset)
    for (const each of handed) {
      group.finish(placeOf(each.feed.topic.id, each.feed.partition), each.record.offset)
      this.#consumer?.finish(each)
      this.#consumer?.release(each)
    }
    this.#copies = undefined
  }

  /** One call at a time; any refusal begins anew. */
  #ask<T>(
    call: (answer: (error: Error | undefined, value: T | undefined) => void) => void,
    then: (value: T) => void,
  ) {
    const run = this.#run
    const { transaction } = this.#copies ?? {}
    this.#flying = true
    call(
      this.#world.answer<T>((error, value) => {
        const what = `${this.name}: ${transaction === undefined ? 'id' : `t${transaction.id}`}`
        this.#world.note(`${what} ${this.#copies?.step ?? ''}: ${error?.message ?? 'ok'}`)
        if (run !== this.#run) return
        this.#flying = false
        if (error === undefined) then(value as T)
        else this.#fail(error)
      }),
    )
  }

  #fail(error: Error): void {
    const { transaction } = this.#copies ?? {}
    const refused = this.#world.isRefusal(error)
    if (transaction !== undefined) {
      transaction.ended = refused ? 'aborted' : 'unknown'
      for (const sent of transaction.records) this.#world.model.settle(sent, refused ? 'refused' : 'unknown')
    }
    // What the full disk refused may be open still; the next identity aborts it.
    const code = isMillraceError(error) ? error.code : 'none'
    this.#restart(code)
  }

  #restart(why: string): void {
    this.#world.note(`${this.name}: begins anew: ${why}`)
    this.#run += 1
    this.#copies = undefined
    this.#identity = undefined
    const consumer = this.#consumer
    this.#consumer = undefined
    consumer?.abandon()
    consumer?.close(() => undefined)
  }

  #freeze(): void {
    this.#frozen = true
    this.#frozenUntil = this.#world.sys.time.now() + this.#world.random.below(8000)
    this.#timers?.freeze()
    this.#world.note(`${this.name}: stops answering`)
  }

  /** It does not know how long it was away: what it was about to do is the first that it does. */
  #thaw(): void {
    this.#frozen = false
    this.#world.note(`${this.name}: goes on`)
    if (this.#copies?.step === 'end' && !this.#flying) this.#end(this.#copies)
    this.#timers?.thaw()
  }
}
