import type { Offset, PartitionId } from '../../src/base/brands.ts'
import { isMillraceError } from '../../src/base/errors.ts'
import type { PartitionBatch, TopicDescription } from '../../src/broker/broker.ts'
import type { NewPosition } from '../../src/broker/groups.ts'
import type { ProducerIdentity, TransactionVersion } from '../../src/broker/transactions.ts'
import { placeOf } from '../model/place.ts'
import type { SentRecord } from '../model/sent-record.ts'
import { type SentTransaction, transactionMark } from '../model/sent-transaction.ts'
import type { Actor, World } from '../world.ts'
import { buildBatch, drawDurableTopic, drawRecords, drawTopic } from './record-maker.ts'

const TIMEOUT_MS = 4000

interface Part {
  readonly topic: TopicDescription
  readonly partition: PartitionId
  readonly records: readonly SentRecord[]
  readonly bytes: Uint8Array
}

type Work =
  | { readonly kind: 'append'; readonly parts: readonly Part[] }
  | { readonly kind: 'positions'; readonly group: string; readonly positions: readonly NewPosition[] }
  | { readonly kind: 'end'; readonly committed: boolean }

/**
 * A transactional producer on another machine, by the port's own calls, one after the other. It sends again what was not
 * answered, is fenced by its successor, dies in the middle, and as a zombie goes on with what it was.
 */
export class TransactionalWriter implements Actor {
  readonly name: string
  readonly #world: World
  readonly #id: string
  readonly #version: TransactionVersion
  readonly #isZombie: boolean
  #identity: ProducerIdentity | undefined
  #incarnation = 0
  #transaction: SentTransaction | undefined
  readonly #sequences = new Map<string, number>()
  #work: Work | undefined
  #flying = false
  #zombies = 0

  constructor(
    world: World,
    name: string,
    options: { readonly id: string; readonly version: TransactionVersion; readonly zombie?: boolean },
  ) {
    this.#world = world
    this.name = name
    this.#id = options.id
    this.#version = options.version
    this.#isZombie = options.zombie ?? false
  }

  act(): void {
    if (this.#flying) return
    const { random } = this.#world
    if (this.#work !== undefined) this.#do(this.#work)
    else if (this.#identity === undefined) this.#identify()
    else if (this.#transaction === undefined) this.#begin()
    else {
      const dice = random.below(100)
      if (dice < 50) this.#do(this.#drawAppend())
      else if (dice < 60) this.#do(this.#drawPositions())
      else if (dice < 66 && !this.#isZombie) this.#die()
      else this.#do({ kind: 'end', committed: random.chance(0.7) })
    }
  }

  /** Ends what is open. */
  finish(): boolean {
    if (this.#isZombie || this.#flying) return !this.#flying
    if (this.#work !== undefined) this.#do(this.#work)
    else if (this.#transaction !== undefined && this.#identity !== undefined)
      this.#do({ kind: 'end', committed: true })
    else return true
    return false
  }

  lost(): void {
    this.#flying = false
    const { model } = this.#world
    for (const sent of this.#transaction?.records ?? []) model.settle(sent, 'unknown')
    if (this.#work?.kind === 'end' && this.#transaction !== undefined) this.#transaction.ended = 'unknown'
    // Half of the time nobody sends again: a successor takes over.
    if (this.#world.random.chance(0.5)) this.#forget()
  }

  #identify(): void {
    if (this.#isZombie) return
    const { broker } = this.#world
    this.#flying = true
    broker.transactions.initProducer(
      { transactionalId: this.#id, timeoutMs: TIMEOUT_MS, version: this.#version },
      this.#world.answer((error, identity) => {
        this.#flying = false
        this.#world.note(
          `${this.name}: id ${identity?.producerId}/${identity?.producerEpoch} ${error?.message ?? ''}`,
        )
        if (identity !== undefined) this.#become(identity)
      }),
    )
  }

  #become(identity: ProducerIdentity): void {
    const before = this.#identity
    // Numbers begin anew with an epoch. With the same one they go on, also for whoever did not count them.
    if (before?.producerId !== identity.producerId || before.producerEpoch !== identity.producerEpoch)
      this.#sequences.clear()
    this.#identity = identity
  }

  #begin(): void {
    this.#incarnation += 1
    this.#transaction = this.#world.model.beginTransaction(`${this.name}.${this.#incarnation}`)
    this.#do(this.#drawAppend())
  }

  /** A successor asks for the id; the old one does not know. */
  #die(): void {
    const { actors } = this.#world
    if (this.#transaction !== undefined && this.#identity !== undefined && this.#zombies < 2) {
      this.#zombies += 1
      const zombie = new TransactionalWriter(this.#world, `${this.name}-zombie${this.#zombies}`, {
        id: this.#id,
        version: this.#version,
        zombie: true,
      })
      zombie.#identity = this.#identity
      zombie.#transaction = this.#transaction
      for (const [place, next] of this.#sequences) zombie.#sequences.set(place, next)
      actors.push(zombie)
    }
    this.#world.note(`${this.name}: dies`)
    this.#forget()
  }

  #forget(): void {
    this.#work = undefined
    this.#transaction = undefined
    this.#identity = undefined
    this.#sequences.clear()
  }

  #drawAppend(): Work {
    const { random } = this.#world
    const parts: Part[] = []
    const places = new Set<string>()
    for (let count = 1 + random.below(3); count > 0; count -= 1) {
      const topic = drawDurableTopic(this.#world)
      if (topic === undefined) continue
      const partition = random.below(topic.partitions)
      const place = placeOf(topic.id, partition)
      if (places.has(place)) continue
      places.add(place)
      const transaction = this.#transaction as SentTransaction
      const records = drawRecords(
        this.#world,
        transaction.writer,
        topic,
        partition,
        1 + random.below(3),
        transaction,
      )
      const baseSequence = this.#sequences.get(place) ?? 0
      this.#sequences.set(place, baseSequence + records.length)
      const bytes = buildBatch(this.#world, records, { ...this.#identity, baseSequence, transactional: true })
      parts.push({ topic, partition, records, bytes })
    }
    return { kind: 'append', parts }
  }

  #drawPositions(): Work {
    const { broker, random, model } = this.#world
    const group = `outside-${this.#id}`
    const topic = drawTopic(this.#world, ['plain', 'in'])
    if (topic === undefined) return { kind: 'end', committed: true }
    const partition = random.below(topic.partitions)
    const { end } = broker.bounds(topic.id, partition)
    const place = placeOf(topic.id, partition)
    const known = model.group(group).floors.get(place) ?? 0
    const offset: Offset = Math.max(known, random.below(end + 1))
    const metadata = transactionMark(this.#transaction as SentTransaction)
    return {
      kind: 'positions',
      group,
      positions: [{ topic: topic.id, partition, offset, leaderEpoch: -1, metadata }],
    }
  }

  #do(work: Work): void {
    this.#work = work
    this.#flying = true
    if (work.kind === 'append') this.#append(work.parts)
    else if (work.kind === 'positions') this.#commitPositions(work.group, work.positions)
    else this.#end(work.committed)
  }

  get #request(): ProducerIdentity & { transactionalId: string } {
    return { ...(this.#identity as ProducerIdentity), transactionalId: this.#id }
  }

  #append(parts: readonly Part[]): void {
    const { broker, model } = this.#world
    const batches = parts.map(
      ({ topic, partition, bytes }): PartitionBatch => ({ topic: topic.id, partition, bytes: bytes.slice() }),
    )
    const answer = this.#world.answer<readonly Offset[]>((error, offsets) => {
      const ids = parts.flatMap(({ records }) => records.map(({ id }) => id))
      this.#told(`records ${ids.join()} of t${this.#transaction?.id}: ${offsets?.join() ?? ''}`, error)
      for (const [index, { partition, records }] of parts.entries()) {
        const base = offsets?.[index]
        for (const [delta, sent] of records.entries()) {
          if (base !== undefined) model.acknowledge(sent, partition, base + delta)
          else if (!this.#isRetried(error)) {
            model.settle(sent, this.#world.isRefusal(error as Error) ? 'refused' : 'unknown')
          }
        }
      }
      if (error === undefined) this.#work = undefined
      else this.#refused(error)
    })
    const append = (): void => broker.transactions.append({ ...this.#request, batches }, answer)
    if (this.#version === 2) append()
    else {
      const partitions = parts.map(({ topic, partition }) => ({ topic: topic.id, partition }))
      broker.transactions.addPartitions({ ...this.#request, partitions }, (error) => {
        if (error === undefined) append()
        else answer(error, undefined)
      })
    }
  }

  #commitPositions(group: string, positions: readonly NewPosition[]): void {
    const { broker, model } = this.#world
    model.group(group).ask(positions)
    const transaction = this.#transaction as SentTransaction
    const answer = this.#world.answer<void>((error) => {
      this.#told(`positions of t${transaction.id}`, error)
      if (error === undefined) {
        this.#work = undefined
        for (const { topic, partition, offset } of positions) {
          const place = placeOf(topic, partition)
          const at = transaction.positions.findIndex((each) => each.place === place && each.group === group)
          transaction.positions.splice(at < 0 ? 0 : at, at < 0 ? 0 : 1, { group, place, offset })
          model.group(group).byHand.set(place, Number.POSITIVE_INFINITY)
        }
      } else this.#refused(error)
    })
    const commit = (): void =>
      broker.transactions.commitPositions(
        { ...this.#request, group, member: '', generation: -1, instance: null, positions },
        answer,
      )
    if (this.#version === 2) commit()
    else {
      broker.transactions.addGroup({ ...this.#request, group }, (error) => {
        if (error === undefined) commit()
        else answer(error, undefined)
      })
    }
  }

  #end(wanted: boolean): void {
    const { broker, model } = this.#world
    const transaction = this.#transaction as SentTransaction
    // Only what was taken as a whole is committed. A second try asks for what the first one did.
    const whole = transaction.records.every(({ outcome }) => outcome === 'acknowledged')
    const committed = transaction.wanted === 'nothing' ? wanted && whole : transaction.wanted === 'commit'
    transaction.wanted = committed ? 'commit' : 'abort'
    this.#work = { kind: 'end', committed }
    broker.transactions.end(
      { ...this.#request, committed, version: this.#version },
      this.#world.answer((error, identity) => {
        this.#told(`end of t${transaction.id}, ${transaction.wanted}`, error)
        if (identity === undefined) {
          this.#refused(error as Error)
          return
        }
        transaction.ended = committed ? 'committed' : 'aborted'
        if (committed) {
          for (const { group, place, offset } of transaction.positions)
            model.group(group).raise(place, offset)
        }
        this.#become(identity)
        this.#work = undefined
        this.#transaction = undefined
        if (this.#isZombie) this.#forget()
      }),
    )
  }

  #told(what: string, error: Error | undefined): void {
    this.#flying = false
    this.#world.note(`${this.name}: ${what} ${error?.message ?? 'ok'}`)
  }

  #isRetried(error: Error | undefined): boolean {
    return isMillraceError(error) && (error.code === 'MILLRACE_DISK' || error.code === 'MILLRACE_CLOSED')
  }

  #refused(error: Error): void {
    const transaction = this.#transaction as SentTransaction
    const refused = this.#world.isRefusal(error)
    if (this.#work?.kind === 'end' && transaction.ended === 'open' && !refused) transaction.ended = 'unknown'
    // No room: the same again later.
    if (this.#isRetried(error)) return
    const code = isMillraceError(error) ? error.code : ''
    if (code === 'MILLRACE_UNKNOWN_TOPIC' && this.#work?.kind !== 'end') {
      // It will be aborted, since not all of it was taken.
      for (const sent of transaction.records) this.#world.model.settle(sent, 'refused')
      this.#work = { kind: 'end', committed: false }
      return
    }
    if (this.#work?.kind === 'end' && transaction.ended === 'open') transaction.ended = 'aborted'
    this.#forget()
  }
}
