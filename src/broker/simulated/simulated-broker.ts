/**
 * A broker that behaves as a Kafka cluster may: it wraps another and loses answers, delays them, fences members, gives
 * small and empty fetches. By script or by seed, so that a failure can be repeated.
 *
 * Invariant: it never lies. What it answers as `committed` or `refused` is so; only `unknown` leaves both open, and it is
 * decided before the group's next join answers. Answers come in the order of the calls.
 */
import type { Offset, PartitionId, Timestamp, TopicId } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import type { TopicSettings } from '../../record/topic-settings.ts'
import type { Sys } from '../../sys/sys.ts'
import type {
  Answer,
  Broker,
  BrokerLimits,
  CommitGroup,
  CommitOutcome,
  CommittedPosition,
  Isolation,
  Membership,
  PartitionBatch,
  PartitionBounds,
  PartitionReader,
  TopicDescription,
} from '../broker.ts'
import { type BrokerFaults, NO_FAULTS } from './broker-faults.ts'
import { SimulatedReader } from './simulated-reader.ts'

export interface SimulatedBrokerOptions {
  readonly faults?: BrokerFaults
}

export class SimulatedBroker implements Broker {
  readonly limits: BrokerLimits
  /** May be changed at any time: a test sets the faults of its next step. */
  faults: BrokerFaults
  readonly #inner: Broker
  readonly #sys: Sys
  readonly #readers = new Set<SimulatedReader>()
  /** A commit of which nobody knows yet, by group. */
  readonly #late = new Map<string, CommitGroup>()
  /** Groups whose last commit had an unknown outcome: until they join again nothing of theirs is written. */
  readonly #broken = new Set<string>()
  #commits = 0
  #lastAnswerAt = 0
  #answersDue = 0

  constructor(inner: Broker, sys: Sys, options: SimulatedBrokerOptions = {}) {
    this.#inner = inner
    this.#sys = sys
    this.limits = inner.limits
    this.faults = options.faults ?? NO_FAULTS
  }

  topics(): readonly TopicDescription[] {
    return this.#inner.topics()
  }

  topic(name: string): TopicDescription | undefined {
    return this.#inner.topic(name)
  }

  createTopic(name: string, settings: TopicSettings, answer: Answer<TopicDescription>): void {
    this.#inner.createTopic(name, settings, this.#delayed(answer))
  }

  bounds(topic: TopicId, partition: PartitionId): PartitionBounds {
    return this.#inner.bounds(topic, partition)
  }

  offsetForTime(topic: TopicId, partition: PartitionId, timestamp: Timestamp, answer: Answer<Offset>): void {
    this.#inner.offsetForTime(topic, partition, timestamp, this.#delayed(answer))
  }

  read(
    topic: TopicId,
    partition: PartitionId,
    from: Offset,
    wake: () => void,
    isolation?: Isolation,
  ): PartitionReader {
    const reader: SimulatedReader = new SimulatedReader(
      (innerWake) => this.#inner.read(topic, partition, from, innerWake, isolation),
      {
        timers: this.#sys.timers,
        fetchBytes: (wanted) => this.faults.fetchBytes(wanted),
        closed: () => this.#readers.delete(reader),
      },
      wake,
    )
    this.#readers.add(reader)
    return reader
  }

  append(batches: readonly PartitionBatch[], answer: Answer<readonly Offset[]>): void {
    this.#inner.append(batches, this.#delayed(answer))
  }

  join(group: string, answer: Answer<Membership>): void {
    const late = this.#late.get(group)
    if (late !== undefined) this.#inner.commit(late, () => {})
    this.#late.delete(group)
    this.#broken.delete(group)
    this.#inner.join(group, this.#delayed(answer))
  }

  positions(group: string): readonly CommittedPosition[] {
    return this.#inner.positions(group)
  }

  commit(commit: CommitGroup, answer: (outcome: CommitOutcome) => void): void {
    const number = this.#commits
    this.#commits += 1
    const deliver = this.#delayed<CommitOutcome>((_error, outcome) => answer(outcome as CommitOutcome))
    const outcome = (result: CommitOutcome) => deliver(undefined, result)
    const { group } = commit.membership
    // What follows a commit with an unknown outcome is lost, as with a broken transactional producer: no holes.
    const fate = this.#broken.has(group) ? 'unknownLost' : this.faults.fate(number)
    if (fate.startsWith('unknown')) this.#broken.add(group)
    switch (fate) {
      case 'unknownCommitted':
        this.#inner.commit(commit, (result) =>
          outcome(result.kind === 'committed' ? unknown(number) : result),
        )
        break
      case 'unknownLost':
        outcome(unknown(number))
        break
      case 'unknownLate':
        this.#late.set(group, commit)
        outcome(unknown(number))
        break
      case 'fenced':
        this.#inner.join(group, () => {})
        this.#inner.commit(commit, outcome)
        break
      case 'disk':
        outcome({
          kind: 'refused',
          reason: 'disk',
          error: new MillraceError('MILLRACE_DISK', `commit ${number}: no disk`),
        })
        break
      case 'pass':
        this.#inner.commit(commit, outcome)
    }
  }

  releaseChangelog(topic: TopicId, partition: PartitionId, before: Offset): void {
    this.#inner.releaseChangelog(topic, partition, before)
  }

  close(answer: Answer<void>): void {
    // A commit that is still open when its client is gone is aborted.
    this.#late.clear()
    for (const reader of this.#readers) reader.close()
    this.#inner.close(this.#delayed(answer))
  }

  /** The answer, later: never before one that was given earlier. */
  #delayed<T>(answer: Answer<T>): Answer<T> {
    return (error, value) => {
      const delay = this.faults.delayMs()
      if (delay === undefined && this.#answersDue === 0) {
        answer(error, value)
        return
      }
      const { clock, timers } = this.#sys
      const now = clock.monotonic()
      this.#lastAnswerAt = Math.max(this.#lastAnswerAt, now + (delay ?? 0))
      this.#answersDue += 1
      timers.after(this.#lastAnswerAt - now, () => {
        this.#answersDue -= 1
        answer(error, value)
      })
    }
  }
}

function unknown(commit: number): CommitOutcome {
  const message = `no answer to commit ${commit}: it may have been written, join again`
  return { kind: 'unknown', error: new MillraceError('MILLRACE_TIMEOUT', message) }
}
