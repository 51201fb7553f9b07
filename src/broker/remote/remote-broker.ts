/**
 * A broker whose log another process holds: the app that runs on the directory, over its HTTP server.
 *
 * What `Broker` answers at once is answered from a state that is kept here (remote-state.ts). It comes with the
 * answers of every call that changes it, so a caller sees what it did itself, and with every fetch. What others do is
 * seen when the state is asked for again: every 250 ms while questions come, else every 2 s; groups, details of
 * topics and transactions every 10 s unless they were asked for lately.
 */
import type { Offset, PartitionId, Timestamp, TopicId } from '../../base/brands.ts'
import { isMillraceError } from '../../base/errors.ts'
import type { TopicSettings } from '../../record/topic-settings.ts'
import type { HttpClient } from '../../sys/http.ts'
import type { Sys, Timer } from '../../sys/sys.ts'
import type {
  Answer,
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
import type { FullBroker } from '../full-broker.ts'
import { Connection } from './connection.ts'
import { Fetcher } from './fetcher.ts'
import { type BrokerState, type FetchResponse, PATHS, type StateRequest } from './protocol.ts'
import { RemoteAdmin } from './remote-admin.ts'
import { RemoteGroups } from './remote-groups.ts'
import { RemoteReader } from './remote-reader.ts'
import { RemoteState } from './remote-state.ts'
import { bytesOf, RemoteTransactions } from './remote-transactions.ts'

const REFRESH_MS = 250
const IDLE_REFRESH_MS = 2_000
const WHOLE_REFRESH_MS = 10_000
/** A question was asked lately if it was within so long. */
const LATELY_MS = 5_000
const PATIENCE_MS = 60_000

export interface RemoteBrokerOptions {
  readonly sys: Pick<Sys, 'timers' | 'clock'>
  readonly http: HttpClient
  /** Of the app: 'http://127.0.0.1:4040'. */
  readonly url: string
  /** Where this process is, for people who look at a group; not ''. */
  readonly host: string
  /** So long readers wait for a lost app to come back before they fail with MILLRACE_CONNECTION. Default 1 minute. */
  readonly patienceMs?: number
}

/** Answers when the app answered. Errors: MILLRACE_CONNECTION, MILLRACE_UNSUPPORTED (no app of this version). */
export function openRemoteBroker(options: RemoteBrokerOptions, answer: Answer<FullBroker>): void {
  const broker = new RemoteBroker(options)
  broker.start((error) => answer(error, error === undefined ? broker : undefined))
}

class RemoteBroker implements FullBroker {
  readonly admin: RemoteAdmin
  readonly groups: RemoteGroups
  readonly transactions: RemoteTransactions
  readonly #options: RemoteBrokerOptions
  readonly #connection: Connection
  readonly #fetcher: Fetcher
  readonly #readers = new Set<RemoteReader>()
  readonly #positions = new Map<string, Map<string, CommittedPosition>>()
  #state: RemoteState | undefined
  #timer: Timer | undefined
  #askedAt = Number.NEGATIVE_INFINITY
  #wholeAskedAt = Number.NEGATIVE_INFINITY
  #wholeAt = 0
  #closed = false

  constructor(options: RemoteBrokerOptions) {
    this.#options = options
    const { sys, http, url, host } = options
    this.#connection = new Connection({ http, url, changed: (changes) => this.#known().change(changes) })
    this.#fetcher = new Fetcher({
      timers: sys.timers,
      fetch: (request, answer) => this.#connection.ask<FetchResponse>(PATHS.fetch, request, answer),
      learned: (bounds) => this.#known().merge(bounds),
    })
    const operator = (): RemoteState => {
      this.#wholeAskedAt = sys.clock.monotonic()
      return this.#asked()
    }
    this.admin = new RemoteAdmin(this.#connection, operator)
    this.groups = new RemoteGroups(this.#connection, operator, host)
    this.transactions = new RemoteTransactions(this.#connection, operator)
  }

  get limits(): BrokerLimits {
    return this.#known().limits
  }

  start(answer: Answer<void>): void {
    this.#refresh(true, answer)
  }

  topics(): readonly TopicDescription[] {
    return this.#asked().topics()
  }

  topic(name: string): TopicDescription | undefined {
    return this.#asked().topic(name)
  }

  createTopic(name: string, settings: TopicSettings, answer: Answer<TopicDescription>): void {
    this.#connection.call('broker.createTopic', [name, settings], answer)
  }

  bounds(topic: TopicId, partition: PartitionId): PartitionBounds {
    return this.#asked().bounds(topic, partition)
  }

  offsetForTime(topic: TopicId, partition: PartitionId, timestamp: Timestamp, answer: Answer<Offset>): void {
    this.#connection.callAlone('broker.offsetForTime', [topic, partition, timestamp], answer)
  }

  read(
    topic: TopicId,
    partition: PartitionId,
    from: Offset,
    wake: () => void,
    isolation: Isolation = 'read_committed',
  ): PartitionReader {
    this.#asked().bounds(topic, partition)
    const { sys, patienceMs = PATIENCE_MS } = this.#options
    const host = {
      want: (wanting: RemoteReader) => this.#fetcher.want(wanting),
      drop: (dropped: RemoteReader) => {
        this.#readers.delete(dropped)
        this.#fetcher.drop(dropped)
      },
      end: (id: TopicId, index: PartitionId) => this.#asked().end(id, index),
      patienceMs,
      now: () => sys.clock.monotonic(),
    }
    const reader = new RemoteReader(host, { topic, partition, isolation }, from, wake)
    this.#readers.add(reader)
    return reader
  }

  append(batches: readonly PartitionBatch[], answer: Answer<readonly Offset[]>): void {
    this.#connection.call('broker.append', [batches], answer, bytesOf(batches))
  }

  join(group: string, answer: Answer<Membership>): void {
    interface Joined {
      readonly membership: Membership
      readonly positions: readonly CommittedPosition[]
    }
    this.#connection.call<Joined>('broker.join', [group], (error, joined) => {
      if (joined !== undefined) {
        this.#positions.set(group, new Map())
        this.#committed(group, joined.positions)
      }
      answer(error, joined?.membership)
    })
  }

  positions(group: string): readonly CommittedPosition[] {
    return [...(this.#positions.get(group)?.values() ?? [])]
  }

  commit(commit: CommitGroup, answer: (outcome: CommitOutcome) => void): void {
    const { batches, positions, membership } = commit
    const told: Answer<CommitOutcome> = (error, outcome) => {
      if (outcome?.kind === 'committed') this.#committed(membership.group, positions)
      answer(outcome ?? outcomeOf(error as Error))
    }
    this.#connection.call('broker.commit', [commit], told, bytesOf(batches))
  }

  releaseChangelog(topic: TopicId, partition: PartitionId, before: Offset): void {
    // What it frees is freed by the next call otherwise.
    this.#connection.call<void>('broker.releaseChangelog', [topic, partition, before], () => undefined)
  }

  close(answer: Answer<void>): void {
    this.#closed = true
    this.#timer?.cancel()
    for (const reader of [...this.#readers]) reader.close()
    this.#connection.close(() => {
      this.#options.http.close()
      answer(undefined, undefined)
    })
  }

  #committed(group: string, positions: readonly CommittedPosition[]): void {
    const known = this.#positions.get(group)
    for (const position of positions) known?.set(`${position.topic}/${position.partition}`, position)
  }

  #asked(): RemoteState {
    this.#askedAt = this.#options.sys.clock.monotonic()
    return this.#known()
  }

  #known(): RemoteState {
    // `openRemoteBroker` gives nobody a broker without it.
    return this.#state as RemoteState
  }

  #refresh(whole: boolean, answer: Answer<void>): void {
    const question: StateRequest = { whole }
    const changes = this.#state?.changes ?? 0
    this.#connection.ask<BrokerState>(PATHS.state, question, (error, state) => {
      if (state !== undefined) {
        if (whole) this.#wholeAt = this.#options.sys.clock.monotonic()
        if (this.#state === undefined) this.#state = new RemoteState(state)
        else this.#state.refresh(state, changes)
      }
      // While the app is away what was known last is all there is to say.
      if (this.#state !== undefined) this.#refreshLater()
      answer(error, undefined)
    })
  }

  #refreshLater(): void {
    if (this.#closed) return
    const { timers, clock } = this.#options.sys
    // A question makes the next refresh come early: it is looked for in short steps.
    const begun = clock.monotonic()
    const look = (): void => {
      const now = clock.monotonic()
      if (now - this.#askedAt > LATELY_MS && now - begun < IDLE_REFRESH_MS) {
        this.#timer = timers.after(REFRESH_MS, look, true)
        return
      }
      const whole = now - this.#wholeAskedAt < LATELY_MS || now - this.#wholeAt > WHOLE_REFRESH_MS
      this.#refresh(whole, () => undefined)
    }
    this.#timer = timers.after(REFRESH_MS, look, true)
  }
}

/** A commit that was lost on its way may have been written. */
function outcomeOf(error: Error): CommitOutcome {
  const refused = isMillraceError(error) && error.code === 'MILLRACE_CLOSED'
  return refused ? { kind: 'refused', reason: 'disk', error } : { kind: 'unknown', error }
}
