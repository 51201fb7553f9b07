/**
 * Turns records into batches and appends them.
 *
 * A record that comes while nothing is under way leaves in the same turn of the event loop, so that a single awaited
 * send waits for no timer. While `IN_FLIGHT_MAX` appends are under way records gather, so batches grow with the load.
 *
 * Idempotent (default): every batch carries the producer's id, epoch and the number of its first record in the
 * partition; an append that may or may not have happened is tried again with the same numbers, and the log takes it
 * once; what came behind it waits for it. When an append fails for good, the numbers behind it would leave a gap: a new identity is asked for.
 *
 * Memory: records that were taken and not answered are bounded by `bufferBytes`; who sends more waits in line, up to
 * `maxBlockMs`.
 */
import type { DurationMs, Offset, PartitionId } from '../base/brands.ts'
import { isMillraceError, MillraceError } from '../base/errors.ts'
import type { Answer, PartitionBatch, TopicDescription } from '../broker/broker.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import type { ProducerIdentity } from '../broker/transactions.ts'
import type { CompressionName } from '../record/batch-header.ts'
import { refusedPartition } from '../record/partitioner.ts'
import type { RecordData } from '../record/record.ts'
import type { Sys, Timer } from '../sys/sys.ts'
import { type OpenBatch, OpenBatches, placeName, type SendAnswer } from './open-batches.ts'
import { PartitionChoice } from './partition-choice.ts'

/** Of one partition one batch each. The log remembers the last five; more under way could not be told apart. */
const IN_FLIGHT_MAX = 2
const RETRY_MS = 100
/** What a record takes beside its key and value: numbers, a promise's closure. */
const RECORD_OVERHEAD_BYTES = 64
const SEQUENCES = 2 ** 31

/** Where batches go: the plain way, or into a transaction. */
export interface ProducerPort {
  readonly transactional: boolean
  identify(answer: Answer<ProducerIdentity>): void
  append(batches: readonly PartitionBatch[], answer: Answer<readonly Offset[]>): void
}

/** Appends outside of transactions. */
export function plainPort(broker: FullBroker): ProducerPort {
  return {
    transactional: false,
    identify: (answer) =>
      broker.transactions.initProducer({ transactionalId: null, timeoutMs: 0, version: 2 }, answer),
    append: (batches, answer) => broker.append(batches, answer),
  }
}

export interface ProducerOptions {
  readonly compression: CompressionName
  readonly idempotent: boolean
  readonly bufferBytes: number
  readonly maxBlockMs: DurationMs
  /** How long an append whose outcome is unknown is tried again. */
  readonly deliveryTimeoutMs: DurationMs
}

export const PRODUCER_DEFAULTS: ProducerOptions = Object.freeze({
  compression: 'none',
  idempotent: true,
  bufferBytes: 32 * 1024 * 1024,
  maxBlockMs: 60_000,
  deliveryTimeoutMs: 120_000,
})

interface SentBatch {
  readonly open: OpenBatch
  readonly batch: PartitionBatch
}

/** One append under way. */
interface SentAppend {
  readonly batches: readonly SentBatch[]
  readonly deadline: number
  /**
   * It holds the first batch of a partition. The log takes any number from a producer that it does not know, so what
   * comes behind it must not arrive before it: nothing else is under way meanwhile.
   */
  readonly isFirst: boolean
  /** It is tried again when those before it are settled. */
  waits: boolean
}

interface Blocked {
  readonly enter: () => void
  readonly timer: Timer
  readonly bytes: number
}

export class Producer {
  readonly #sys: Pick<Sys, 'timers' | 'clock'>
  readonly #recordBytesMax: number
  readonly #port: ProducerPort
  readonly #options: ProducerOptions
  readonly #choice = new PartitionChoice()
  readonly #open = new OpenBatches()
  readonly #blocked: Blocked[] = []
  #bufferedBytes = 0
  #scheduled = false
  /** Appends under way, in the order of their numbers. */
  readonly #sent: SentAppend[] = []
  #identity: ProducerIdentity | undefined
  #identifying = false
  /** By topic and partition: the number of the next record. */
  #sequences = new Map<string, number>()
  #closed = false
  #flushed: (() => void)[] = []

  constructor(
    sys: Pick<Sys, 'timers' | 'clock'>,
    broker: FullBroker,
    options: Partial<ProducerOptions> = {},
    port: ProducerPort = plainPort(broker),
  ) {
    this.#sys = sys
    this.#recordBytesMax = broker.limits.recordBytesMax
    this.#port = port
    this.#options = { ...PRODUCER_DEFAULTS, ...options }
  }

  /** Bytes that were taken and are not answered. */
  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /** Sends that wait until there is room in the buffer. */
  get blocked(): number {
    return this.#blocked.length
  }

  /**
   * Appends one record; `answer` comes when it is as durable as its topic promises.
   * @param partition undefined: by the key; without a key one partition after the other, a batch each.
   * Errors: MILLRACE_RECORD_TOO_LARGE, MILLRACE_BAD_TIMESTAMP, MILLRACE_TIMEOUT, MILLRACE_CLOSED, those of the log.
   */
  send(
    topic: TopicDescription,
    record: RecordData,
    partition: PartitionId | undefined,
    answer: SendAnswer,
  ): void {
    const bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0)
    const refusal = this.#refusal(topic, bytes, partition)
    if (refusal !== undefined) {
      answer(refusal, -1, -1)
      return
    }
    const cost = bytes + RECORD_OVERHEAD_BYTES
    // One record always has room, however large; and nobody overtakes those that wait.
    const fits = this.#bufferedBytes === 0 || this.#bufferedBytes + cost <= this.#options.bufferBytes
    if (fits && this.#blocked.length === 0) this.#append(topic, record, partition, bytes, answer)
    else this.#block(() => this.#append(topic, record, partition, bytes, answer), cost, answer)
  }

  /** Calls `done` when everything sent so far was answered. */
  flush(done: () => void): void {
    if (this.#isIdle()) done()
    else this.#flushed.push(done)
  }

  /** From the next batch on; the numbers of records begin at 0 again. Nothing may be under way. */
  identifyAs(identity: ProducerIdentity): void {
    this.#identity = identity
    this.#sequences = new Map()
  }

  /** Takes nothing more; calls `done` when everything was answered. */
  close(done: () => void): void {
    this.#closed = true
    this.flush(done)
  }

  #refusal(
    topic: TopicDescription,
    bytes: number,
    partition: PartitionId | undefined,
  ): MillraceError | undefined {
    if (this.#closed) return producerClosed()
    const recordBytesMax = this.#recordBytesMax
    if (bytes > recordBytesMax) {
      const problem = `a record for ${topic.name} has ${bytes} bytes, the limit is ${recordBytesMax}`
      const way = 'split it, or store it elsewhere and send its name'
      return new MillraceError('MILLRACE_RECORD_TOO_LARGE', `${problem}: ${way}`)
    }
    return partition === undefined ? undefined : refusedPartition(topic, partition)
  }

  #block(enter: () => void, bytes: number, answer: SendAnswer): void {
    const { maxBlockMs, bufferBytes } = this.#options
    const timer = this.#sys.timers.after(maxBlockMs, () => {
      this.#blocked.splice(this.#blocked.indexOf(blocked), 1)
      const problem = `${this.#bufferedBytes} of ${bufferBytes} bytes wait to be written, and nothing was within ${maxBlockMs} ms`
      answer(
        new MillraceError('MILLRACE_TIMEOUT', `${problem}: await what you send, or raise bufferBytes`),
        -1,
        -1,
      )
    })
    const blocked: Blocked = { enter, timer, bytes }
    this.#blocked.push(blocked)
  }

  #letIn(): void {
    for (let next = this.#blocked[0]; next !== undefined; next = this.#blocked[0]) {
      if (this.#bufferedBytes > 0 && this.#bufferedBytes + next.bytes > this.#options.bufferBytes) return
      this.#blocked.shift()
      next.timer.cancel()
      next.enter()
    }
  }

  #append(
    topic: TopicDescription,
    record: RecordData,
    wanted: PartitionId | undefined,
    bytes: number,
    answer: SendAnswer,
  ): void {
    const cost = bytes + RECORD_OVERHEAD_BYTES
    try {
      const partition = wanted ?? this.#choice.of(topic, record.key, bytes)
      this.#open.append(topic, partition, record, cost, answer)
    } catch (error) {
      answer(error as Error, -1, -1)
      return
    }
    this.#bufferedBytes += cost
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.#isBusy()) return
    this.#scheduled = true
    this.#sys.timers.soon(() => {
      this.#scheduled = false
      this.#leave()
    })
  }

  #isBusy(): boolean {
    return this.#sent.length >= IN_FLIGHT_MAX || this.#sent.some(({ isFirst }) => isFirst)
  }

  /** One batch of each partition that has any leaves, all as one append. */
  #leave(): void {
    if (this.#open.count === 0 || this.#isBusy()) return
    if (this.#options.idempotent && this.#identity === undefined) {
      this.#identify()
      return
    }
    const next = this.#open.next()
    const isFirst = this.#options.idempotent && next.some((open) => !this.#sequences.has(placeName(open)))
    const batches = next.map((open): SentBatch => ({ open, batch: this.#build(open) }))
    const deadline = this.#sys.clock.monotonic() + this.#options.deliveryTimeoutMs
    const sent: SentAppend = { batches, deadline, isFirst, waits: false }
    this.#sent.push(sent)
    this.#attempt(sent)
  }

  #build(open: OpenBatch): PartitionBatch {
    const { topic, partition, builder } = open
    const { compression } = this.#options
    const identity = this.#identity
    const name = placeName(open)
    if (identity === undefined) {
      const bytes = builder.build({ compression })
      this.#open.release(builder)
      return { topic: topic.id, partition, bytes }
    }
    const baseSequence = this.#sequences.get(name) ?? 0
    this.#sequences.set(name, (baseSequence + builder.count) % SEQUENCES)
    const { transactional } = this.#port
    const bytes = builder.build({ ...identity, baseSequence, compression, transactional })
    this.#open.release(builder)
    return { topic: topic.id, partition, bytes }
  }

  #attempt(sent: SentAppend): void {
    sent.waits = false
    this.#port.append(
      sent.batches.map(({ batch }) => batch),
      (error, offsets) => {
        if (error !== undefined && this.#isTriedAgain(sent, error)) {
          sent.waits = true
          if (sent === this.#sent[0])
            this.#sys.timers.after(RETRY_MS, () => sent.waits && this.#attempt(sent))
        } else {
          this.#settle(sent, error, offsets)
        }
      },
    )
  }

  /** Also what the log did not take only because an append before it is being tried again. */
  #isTriedAgain(sent: SentAppend, error: Error): boolean {
    if (!this.#options.idempotent || !isMillraceError(error)) return false
    if (error.code === 'MILLRACE_OUT_OF_ORDER_SEQUENCE') return sent !== this.#sent[0]
    return error.retriable && this.#sys.clock.monotonic() < sent.deadline
  }

  #settle(sent: SentAppend, error: Error | undefined, offsets: readonly Offset[] | undefined): void {
    this.#sent.splice(this.#sent.indexOf(sent), 1)
    if (error !== undefined) this.#forgetIdentity()
    for (const [index, { open }] of sent.batches.entries()) this.#answer(open, error, offsets?.[index] ?? -1)
    const [oldest] = this.#sent
    if (oldest?.waits === true) this.#attempt(oldest)
    this.#letIn()
    this.#leave()
    this.#tellFlushed()
  }

  #answer({ partition, answers, cost }: OpenBatch, error: Error | undefined, base: Offset): void {
    this.#bufferedBytes -= cost
    let offset = base
    for (const answer of answers) answer(error, partition, error === undefined ? offset++ : -1)
  }

  /** The log may miss the numbers that failed: a new id begins at 0 everywhere. */
  #forgetIdentity(): void {
    this.#identity = undefined
    this.#sequences = new Map()
  }

  #identify(): void {
    if (this.#identifying) return
    this.#identifying = true
    this.#askIdentity(this.#sys.clock.monotonic() + this.#options.deliveryTimeoutMs)
  }

  #askIdentity(deadline: number): void {
    this.#port.identify((error, identity) => {
      if (identity === undefined && isRetriable(error) && this.#sys.clock.monotonic() < deadline) {
        this.#sys.timers.after(RETRY_MS, () => this.#askIdentity(deadline))
        return
      }
      this.#identifying = false
      if (identity === undefined) {
        for (const each of this.#open.all()) this.#answer(each, error, -1)
        this.#letIn()
        this.#tellFlushed()
      } else {
        this.#identity = identity
        this.#leave()
      }
    })
  }

  #isIdle(): boolean {
    return this.#open.count + this.#sent.length + this.#blocked.length === 0
  }

  #tellFlushed(): void {
    if (!this.#isIdle()) return
    for (const done of this.#flushed.splice(0)) done()
  }
}

function isRetriable(error: Error | undefined): boolean {
  return isMillraceError(error) && error.retriable
}

export function producerClosed(): MillraceError {
  return new MillraceError('MILLRACE_CLOSED', 'the producer is closed: nothing can be sent any more')
}
