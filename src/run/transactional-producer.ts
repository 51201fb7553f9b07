import { answered } from '../base/answered.ts'
import { type Duration, durationMs } from '../base/duration.ts'
import { MillraceError } from '../base/errors.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import type { ProducerIdentity } from '../broker/transactions.ts'
import { Producer as ProducerCore, type ProducerPort } from '../clients/producer.ts'
import type { Topic } from '../streams/topic.ts'
import type { Position, Sent } from '../streams/view-types.ts'
import type { Sys } from '../sys/sys.ts'
import { positionText } from '../views/position.ts'
import { checkOptions, checkText } from './argument-checks.ts'
import { CommittedRecords } from './committed-records.ts'
import { coreOptions, type ProducerOptions } from './producer.ts'
import { encodeRecord, type SendArguments, type SendOptions } from './send-options.ts'
import { TopicsOfSends } from './topics.ts'
import { Underway } from './underway.ts'

export interface TransactionalOptions extends Omit<ProducerOptions, 'idempotent'> {
  /** A transaction that is open for longer is aborted, and this producer fenced. Default '1m', at most '15m'. */
  readonly timeout?: Duration
}

/**
 * A producer whose records are written at once and count when it commits: for transactions too large or too long to be
 * gathered in memory. Whoever opens the same transactional id later fences it and aborts what it left open.
 *
 * @example
 * ```ts
 * await using producer = await log.transactional('import-1')
 * producer.begin()
 * for (const row of rows) await producer.send(rowsTopic, row)
 * await producer.commit()
 * ```
 */
export class TransactionalProducer implements AsyncDisposable {
  readonly id: string
  readonly #sys: Sys
  readonly #broker: FullBroker
  readonly #topics: TopicsOfSends
  readonly #core: ProducerCore
  readonly #closed: () => void
  #identity: ProducerIdentity
  #open = false
  /** It is being committed or aborted: nothing more belongs to it. */
  #ending: Promise<void> | undefined
  /** The coordinator knows of the transaction. */
  #written = false
  #committed = new CommittedRecords()
  /** Positions that are on their way. */
  readonly #offsets = new Underway()
  /** Why the open transaction can only be aborted. */
  #failure: Error | undefined

  /** Use `log.transactional`. */
  constructor(
    sys: Sys,
    broker: FullBroker,
    id: string,
    identity: ProducerIdentity,
    options: TransactionalOptions,
    closed: () => void,
  ) {
    this.id = id
    this.#closed = closed
    this.#sys = sys
    this.#broker = broker
    this.#topics = new TopicsOfSends(broker)
    this.#identity = identity
    this.#core = new ProducerCore(sys, broker, coreOptions(options), this.#port())
  }

  /** @throws MillraceError MILLRACE_INVALID_TRANSACTION_STATE when one is open. */
  begin(): void {
    if (this.#open) throw this.#wrongState('a transaction is open already: commit or abort it first')
    this.#open = true
    this.#written = false
    this.#failure = undefined
    this.#committed = new CommittedRecords()
  }

  /** Appends one record; resolves when it is durable. Readers see it when the transaction commits. */
  async send<K, Out, In>(
    topic: Topic<K, Out, In>,
    value: NoInfer<In> | null,
    ...rest: SendArguments<K>
  ): Promise<Sent> {
    this.#check()
    const options: SendOptions & { readonly key?: K } = rest[0] ?? {}
    const record = encodeRecord(topic, value, options, this.#sys.clock.now())
    const found = this.#topics.get(topic)
    // Its end waits for those that wait here.
    const known = found instanceof Promise ? await found : found
    this.#written = true
    return new Promise((resolve, reject) => {
      this.#core.send(known, record, options.partition, (error, partition, offset) => {
        if (error !== undefined) {
          this.#failure ??= error
          reject(error)
        } else {
          const position = positionText(known.name, partition, offset) as Position
          resolve({ position, partition, offset })
        }
      })
    })
  }

  /** Says that a record of a consumer with `commit: 'manual'` is done, with all before it, when this commits. */
  async sendOffsets(record: object): Promise<void> {
    this.#check()
    const records = new CommittedRecords()
    records.add(record)
    this.#committed.add(record)
    this.#written = true
    const sent = this.#sendPositions(records).catch((error: unknown) => {
      // A commit without them would let the records be processed again.
      this.#failure ??= error as Error
      throw error
    })
    await this.#offsets.watch(sent)
  }

  async #sendPositions(records: CommittedRecords): Promise<void> {
    const identity = { ...this.#identity, transactionalId: this.id }
    for (const request of records.requests()) {
      await answered<void>((answer) =>
        this.#broker.transactions.commitPositions({ ...request, ...identity }, answer),
      )
    }
  }

  /** Makes everything count; resolves when that is durable. A failure leaves the transaction open: abort it. */
  async commit(): Promise<void> {
    this.#check()
    await this.#whileEnding(async () => {
      await this.#flush()
      if (this.#failure !== undefined) {
        const problem = 'the transaction cannot be committed, a write of it failed: abort it'
        throw new MillraceError('MILLRACE_INVALID_TRANSACTION_STATE', `${this.id}: ${problem}`, {
          cause: this.#failure,
        })
      }
      await this.#end(true)
    })
    this.#committed.done()
  }

  /** Drops everything that was sent since `begin`. */
  async abort(): Promise<void> {
    this.#checkOpen()
    await this.#whileEnding(async () => {
      await this.#flush()
      await this.#end(false)
    })
  }

  /** Waits for a commit that is under way, and aborts what is open. Idempotent. */
  async close(): Promise<void> {
    await this.#ending?.catch(() => undefined)
    if (this.#open) await this.abort().catch(() => undefined)
    await new Promise<void>((resolve) => this.#core.close(resolve))
    this.#closed()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #end(committed: boolean): Promise<void> {
    if (this.#written) {
      const request = { ...this.#identity, transactionalId: this.id, committed, version: 2 as const }
      this.#identity = await answered<ProducerIdentity>((answer) =>
        this.#broker.transactions.end(request, answer),
      )
      this.#core.identifyAs(this.#identity)
    }
    this.#open = false
  }

  async #whileEnding(end: () => Promise<void>): Promise<void> {
    this.#ending = end()
    try {
      await this.#ending
    } finally {
      this.#ending = undefined
    }
  }

  /** Whatever was begun before, awaited or not, is answered. */
  async #flush(): Promise<void> {
    await this.#topics.settled()
    await this.#offsets.ended()
    await new Promise<void>((resolve) => this.#core.flush(resolve))
  }

  #port(): ProducerPort {
    return {
      transactional: true,
      identify: (answer) => answer(undefined, this.#identity),
      append: (batches, answer) => {
        const request = { ...this.#identity, transactionalId: this.id, batches }
        this.#broker.transactions.append(request, answer)
      },
    }
  }

  #checkOpen(): void {
    if (!this.#open) throw this.#wrongState('no transaction is open: begin one')
    if (this.#ending !== undefined) throw this.#wrongState('the transaction is being ended: await that')
  }

  #check(): void {
    this.#checkOpen()
    if (this.#failure !== undefined) {
      const problem = `${this.id}: a write of the open transaction failed: abort it`
      throw new MillraceError('MILLRACE_INVALID_TRANSACTION_STATE', problem, { cause: this.#failure })
    }
  }

  #wrongState(problem: string): MillraceError {
    return new MillraceError('MILLRACE_INVALID_TRANSACTION_STATE', `${this.id}: ${problem}`)
  }
}

/** Takes over the transactional id. */
export async function openTransactional(
  sys: Sys,
  broker: FullBroker,
  id: string,
  options: TransactionalOptions,
  closed: () => void,
): Promise<TransactionalProducer> {
  checkText(id, 'the id of a transactional producer', 'import-1')
  checkOptions(options, 'the options of a transactional producer')
  const timeoutMs = durationMs(options.timeout ?? '1m', 'timeout')
  const identity = await answered<ProducerIdentity>((answer) =>
    broker.transactions.initProducer({ transactionalId: id, timeoutMs, version: 2 }, answer),
  )
  return new TransactionalProducer(sys, broker, id, identity, options, closed)
}
