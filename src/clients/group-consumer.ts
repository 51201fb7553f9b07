/**
 * A consumer of a group: a membership, a feed for each partition that it owns, and their positions.
 *
 * It is pulled: `take` hands out one record, in turns over the partitions, in the order of offsets inside each;
 * `finish` says that its work is done, in any order. What is committed for a partition is its lowest unfinished
 * offset, so after a crash a record is given again rather than lost.
 *
 * Life of a partition: assigned -> its position is fetched (an error there is tried again or ends the consumer, it is
 * never "no position") -> open -> revoked (intake stops, work ends within the budget, the position is committed) or lost
 * (nothing is committed) -> gone.
 */
import type { DurationMs, Offset } from '../base/brands.ts'
import { isMillraceError, MillraceError, messageOf } from '../base/errors.ts'
import type { Answer, Isolation, TopicDescription } from '../broker/broker.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import type { GroupPositions, NewPosition } from '../broker/groups.ts'
import type { Sys, Timer } from '../sys/sys.ts'
import type { TopicPartition } from './consumer-protocol.ts'
import { Membership, type MembershipOptions } from './membership.ts'
import {
  type ChunkLimits,
  type HandedChunk,
  type HandedPlace,
  type HandedRecord,
  PartitionFeed,
  type Show,
} from './partition-feed.ts'
import { type StartPolicy, startOffset } from './start-offset.ts'
import { nameOf } from './sticky-assignor.ts'

const RETRY_MS = 100

export interface GroupConsumerOptions extends MembershipOptions, StartPolicy {
  /** How long the work of a revoked partition may go on before it is given up uncommitted. */
  readonly drainMs: DurationMs
  /** Positions are committed this often; undefined: only when asked, on revoke and on close. */
  readonly commitIntervalMs: DurationMs | undefined
  /** Commit what is finished when a partition is revoked and at the end. False: only what `commit` was asked for. */
  readonly commitFinished: boolean
  readonly fetchBytesMax: number
  readonly isolation: Isolation
}

export interface GroupConsumerEvents {
  /** There may be records, after there were none. */
  wake(): void
  assigned(partitions: readonly TopicPartition[]): void
  revoked(partitions: readonly TopicPartition[], why: 'moved' | 'lost'): void
  /** The consumer is over: its partitions are gone. */
  failed(error: Error): void
}

export class GroupConsumer {
  readonly #sys: Pick<Sys, 'timers' | 'lines'>
  readonly #broker: FullBroker
  readonly #options: GroupConsumerOptions
  readonly #events: GroupConsumerEvents
  readonly #membership: Membership
  /** By name. */
  readonly #feeds = new Map<string, PartitionFeed>()
  /** Feeds that may have records: the others wait for their readers to wake. */
  #ready: PartitionFeed[] = []
  /** Whose turn it is in `#ready`. */
  #turn = 0
  /** Partitions that were given at least once: `from` counts for the first time only. */
  readonly #begun = new Set<string>()
  readonly #draining = new Set<() => void>()
  #commitTimer: Timer | undefined
  #over = false
  #abandoned = false

  constructor(
    sys: Pick<Sys, 'timers' | 'lines'>,
    broker: FullBroker,
    options: GroupConsumerOptions,
    events: GroupConsumerEvents,
  ) {
    this.#sys = sys
    this.#broker = broker
    this.#options = options
    this.#events = events
    this.#membership = new Membership(options, {
      groups: broker.groups,
      timers: sys.timers,
      partitionCounts: () => new Map(broker.topics().map(({ name, partitions }) => [name, partitions])),
      assigned: (partitions) => this.#assigned(partitions),
      revoke: (partitions, done) => this.#revoke(partitions, done),
      lost: (partitions) => this.#gone(partitions, 'lost'),
      failed: (error) => this.#fail(error),
    })
  }

  get owned(): readonly TopicPartition[] {
    return this.#membership.owned
  }

  get membership(): Membership {
    return this.#membership
  }

  /** Records between what was finished and the ends of the member's partitions; undefined before it has them. */
  lag(): number | undefined {
    const { phase, owned } = this.#membership
    if (phase !== 'stable' || owned.length !== this.#feeds.size) return undefined
    let lag = 0
    for (const feed of this.#feeds.values()) {
      if (!this.#exists(feed)) continue
      const { topic, partition, position } = feed
      lag += Math.max(0, this.#broker.bounds(topic.id, partition).lastStable - position)
    }
    return lag
  }

  feeds(): Iterable<PartitionFeed> {
    return this.#feeds.values()
  }

  start(): void {
    this.#membership.join()
    this.#commitLater()
  }

  /**
   * The next record; undefined when there is none now: `wake` follows. The partitions take turns, each with what was
   * fetched of it at a time, so that a busy one holds up nobody and only one is in memory. Throws MILLRACE_CORRUPT.
   * @param isWanted false: not from this partition now; ask again when that changes.
   */
  take(isWanted?: (feed: PartitionFeed) => boolean): HandedRecord | undefined {
    return this.#inTurn((feed) => feed.take(this.#options.fetchBytesMax), isWanted)
  }

  /** The next records of one partition, for work in their order; the turns are those of `take`. */
  takeChunk<T extends { readonly offset: Offset }>(
    limits: ChunkLimits,
    show: Show<T>,
  ): HandedChunk<T> | undefined {
    return this.#inTurn((feed) => feed.takeChunk(this.#options.fetchBytesMax, limits, show))
  }

  /** The work on the record is done. Idempotent. */
  finish({ feed, ticket }: HandedPlace): void {
    feed.finish(ticket)
  }

  /** The work on the record, and on all before it in its partition, is done. */
  finishTo({ feed, ticket }: HandedPlace): void {
    feed.finishTo(ticket)
  }

  /** Nobody has the record in hand any more, finished or not. Once for each. */
  release({ feed }: { readonly feed: PartitionFeed }): void {
    feed.release()
    if (feed.stopped && feed.working === 0) for (const check of [...this.#draining]) check()
  }

  /**
   * Finishes the record and commits, after the rebalance if there is one. MILLRACE_REFUSED when its partition has gone
   * to another member: there the record is given again.
   */
  commitRecord(handed: HandedPlace, finish: 'finish' | 'finishTo', answer: Answer<void>): void {
    this[finish](handed)
    this.#commitWhenSettled(
      () => (handed.feed.gone ? goneError(handed) : undefined),
      () => this.#positionsOf(this.#feeds.values()),
      answer,
    )
  }

  /** Commits the positions behind records that are not finished; those of partitions that are gone are left out. */
  commitBehind(records: readonly HandedPlace[], answer: Answer<void>): void {
    const positions = (): NewPosition[] => {
      const last = new Map<PartitionFeed, Offset>()
      for (const { feed, record } of records) if (!feed.gone) last.set(feed, record.offset + 1)
      return Array.from(last, ([feed, offset]) => positionAt(feed, offset))
    }
    this.#commitWhenSettled(() => undefined, positions, answer)
  }

  /** Commits the lowest unfinished offset of every partition. Durable when it answers. */
  commit(answer: Answer<void>): void {
    this.commitPositions(this.#positionsOf(this.#feeds.values()), answer)
  }

  /** Commits these positions of partitions that the member owns, in its name. */
  commitPositions(positions: readonly NewPosition[], answer: Answer<void>): void {
    if (positions.length === 0) {
      answer(undefined, undefined)
      return
    }
    const { identity } = this.#membership
    if (identity.generation < 0) {
      const problem = `the consumer is not a member of group ${identity.group} at the moment`
      answer(new MillraceError('MILLRACE_ILLEGAL_GENERATION', `${problem}: it joins again`), undefined)
      return
    }
    this.#broker.groups.commit({ ...identity, positions }, (error) => {
      if (error === undefined) this.#committed(positions)
      else this.#membership.refused(error)
      answer(error, undefined)
    })
  }

  /** Nobody works any more: what is not finished will not be, and is not waited for. */
  abandon(): void {
    this.#abandoned = true
    for (const check of [...this.#draining]) check()
  }

  /** Finishes the work under way within the budget, commits, leaves the group. */
  close(answer: Answer<void>): void {
    this.#over = true
    this.#commitTimer?.cancel()
    this.#membership.close(() => answer(undefined, undefined))
  }

  #inTurn<H>(
    take: (feed: PartitionFeed) => H | undefined,
    isWanted?: (feed: PartitionFeed) => boolean,
  ): H | undefined {
    for (let left = this.#ready.length; left > 0; left -= 1) {
      if (this.#turn >= this.#ready.length) this.#turn = 0
      const feed = this.#ready[this.#turn] as PartitionFeed
      if (isWanted?.(feed) === false) {
        this.#turn += 1
        continue
      }
      const handed = take(feed)
      if (handed === undefined) {
        this.#ready.splice(this.#turn, 1)
        continue
      }
      if (!feed.hasBuffered) this.#turn += 1
      return handed
    }
    return undefined
  }

  #commitWhenSettled(
    refusal: () => MillraceError | undefined,
    positions: () => readonly NewPosition[],
    answer: Answer<void>,
  ): void {
    const refused = refusal()
    if (refused !== undefined) {
      answer(refused, undefined)
      return
    }
    this.commitPositions(positions(), (error) => {
      // Nothing was written. Either the partitions stay, and the new generation commits, or they are gone.
      if (error === undefined || !isRejoin(error)) answer(error, undefined)
      else this.#sys.timers.after(RETRY_MS, () => this.#commitWhenSettled(refusal, positions, answer))
    })
  }

  #assigned(partitions: readonly TopicPartition[]): void {
    this.#events.assigned(partitions)
    this.#fetchPositions(partitions)
  }

  #fetchPositions(partitions: readonly TopicPartition[]): void {
    const wanted = partitions.filter((partition) => this.#owns(partition))
    if (wanted.length === 0 || this.#over) return
    this.#broker.groups.positions(this.#options.group, (error, found) => {
      if (found !== undefined) this.#open(wanted, found)
      else if (isMillraceError(error) && error.retriable) this.#fetchLater(wanted)
      else this.#fail(error as Error)
    })
  }

  #fetchLater(partitions: readonly TopicPartition[]): void {
    this.#sys.timers.after(RETRY_MS, () => this.#fetchPositions(partitions))
  }

  #open(partitions: readonly TopicPartition[], { positions, pending }: GroupPositions): void {
    const later: TopicPartition[] = []
    for (const wanted of partitions) {
      const topic = this.#broker.topic(wanted.topic)
      if (topic === undefined || !this.#owns(wanted)) continue
      const isHere = (place: { readonly topic: string; readonly partition: number }): boolean =>
        place.topic === topic.id && place.partition === wanted.partition
      // A transaction that has not ended may still move the position: reading on now could process records twice.
      if (pending.some(isHere)) later.push(wanted)
      else this.#begin(topic, wanted, positions.find(isHere)?.offset)
    }
    if (later.length > 0) this.#fetchLater(later)
  }

  #begin(topic: TopicDescription, wanted: TopicPartition, committed: Offset | undefined): void {
    const name = nameOf(wanted)
    // Given again: `from` counted the first time. Unless it is all there is, since nobody committed ever since.
    const again = this.#begun.has(name) && committed !== undefined
    const policy: StartPolicy = again ? { ...this.#options, from: 'committed' } : this.#options
    startOffset(this.#broker, policy, topic, wanted.partition, committed, (error, from) => {
      if (from === undefined) {
        this.#fail(error as Error)
      } else if (this.#owns(wanted) && !this.#feeds.has(name) && !this.#over) {
        this.#begun.add(name)
        this.#openFeed(name, topic, wanted.partition, from, committed)
      }
    })
  }

  #openFeed(
    name: string,
    topic: TopicDescription,
    partition: number,
    from: Offset,
    committed: Offset | undefined,
  ): void {
    const wake = (): void => {
      if (!feed.stopped && !this.#ready.includes(feed)) this.#ready.push(feed)
      this.#events.wake()
    }
    const { isolation } = this.#options
    const feed: PartitionFeed = new PartitionFeed(this.#broker, topic, partition, from, wake, isolation)
    // What is not committed yet is committed at the first occasion, also when nothing is read.
    feed.committed = committed
    this.#feeds.set(name, feed)
    wake()
  }

  #owns({ topic, partition }: TopicPartition): boolean {
    return this.#membership.owned.some((each) => each.topic === topic && each.partition === partition)
  }

  #revoke(partitions: readonly TopicPartition[], done: () => void): void {
    const feeds = partitions.flatMap((partition) => this.#feeds.get(nameOf(partition)) ?? [])
    this.#stop(feeds)
    this.#whenDrained(feeds, () => {
      const finish = (): void => {
        this.#gone(partitions, 'moved')
        done()
      }
      if (!this.#options.commitFinished) {
        finish()
        return
      }
      // Those that are lost in the meantime may be another's already.
      const positions = (): NewPosition[] => this.#positionsOf(feeds.filter(({ gone }) => !gone))
      this.#commitWhenSettled(
        () => undefined,
        positions,
        (error) => {
          if (error !== undefined)
            this.#sys.lines.write('warn', `revoked partitions were not committed: ${messageOf(error)}`)
          finish()
        },
      )
    })
  }

  #whenDrained(feeds: readonly PartitionFeed[], done: () => void): void {
    const isDrained = (): boolean =>
      this.#abandoned || feeds.every(({ working, gone }) => working === 0 || gone)
    if (isDrained()) {
      done()
      return
    }
    const end = (): void => {
      timer.cancel()
      this.#draining.delete(check)
      done()
    }
    const check = (): void => {
      if (isDrained()) end()
    }
    const timer = this.#sys.timers.after(this.#options.drainMs, () => {
      const left = feeds.filter(({ working }) => working > 0).map(({ name }) => name)
      const problem = `work on ${left.join(', ')} did not end within ${this.#options.drainMs} ms of the revocation`
      this.#sys.lines.write('warn', `${problem}: its records are given to the next owner again`)
      end()
    })
    this.#draining.add(check)
  }

  #gone(partitions: readonly TopicPartition[], why: 'moved' | 'lost'): void {
    const feeds = partitions.flatMap((partition) => this.#feeds.get(nameOf(partition)) ?? [])
    this.#stop(feeds)
    for (const feed of feeds) {
      feed.leave()
      this.#feeds.delete(feed.name)
    }
    this.#events.revoked(partitions, why)
    for (const check of [...this.#draining]) check()
  }

  #stop(feeds: readonly PartitionFeed[]): void {
    this.#ready = this.#ready.filter((feed) => !feeds.includes(feed))
    for (const feed of feeds) feed.stop()
  }

  #committed(positions: readonly NewPosition[]): void {
    for (const feed of this.#feeds.values()) {
      const position = positions.find(
        ({ topic, partition }) => topic === feed.topic.id && partition === feed.partition,
      )
      if (position !== undefined) feed.committed = position.offset
    }
  }

  /** What is not committed yet. A topic that was deleted has no positions, and must not keep back those of others. */
  #positionsOf(feeds: Iterable<PartitionFeed>): NewPosition[] {
    const positions: NewPosition[] = []
    for (const feed of feeds) {
      if (feed.position === feed.committed || !this.#exists(feed)) continue
      positions.push(positionAt(feed, feed.position))
    }
    return positions
  }

  #exists({ topic }: PartitionFeed): boolean {
    return this.#broker.topic(topic.name)?.id === topic.id
  }

  #commitLater(): void {
    const { commitIntervalMs } = this.#options
    if (commitIntervalMs === undefined || this.#over) return
    this.#commitTimer = this.#sys.timers.after(commitIntervalMs, () => {
      this.commit((error) => {
        // Refusals make the member join again; what was finished since is committed then.
        if (error !== undefined && !isRejoin(error)) this.#fail(error)
        else this.#commitLater()
      })
    })
  }

  #fail(error: Error): void {
    if (this.#over) return
    this.#over = true
    this.#commitTimer?.cancel()
    this.#stop([...this.#feeds.values()])
    this.#membership.close(() => undefined)
    this.#events.failed(error)
  }
}

function positionAt({ topic, partition }: PartitionFeed, offset: Offset): NewPosition {
  return { topic: topic.id, partition, offset, leaderEpoch: -1, metadata: '' }
}

/** What is said of a record whose partition is not the consumer's any more. */
export function goneError({ feed, record }: HandedPlace): MillraceError {
  const problem = `${feed.name}@${record.offset} belongs to another member now`
  return new MillraceError('MILLRACE_REFUSED', `${problem}: drop the work, it is done there again`)
}

function isRejoin(error: Error): boolean {
  return isMillraceError(error) && (error.remedy === 'rejoin' || error.retriable)
}
