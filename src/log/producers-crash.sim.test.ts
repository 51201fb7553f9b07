import { expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { decodeCommitted } from '../record/committed-filter.ts'
import { controlBatch, type MarkerKind } from '../record/control-batch.ts'
import { PowerLoss } from '../sim/power-loss.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { restartSys, type SimSys, simSys } from '../sim/sim-sys.ts'
import type { Log, LogBatch, LogOptions, LogTopic } from './log.ts'
import { openLog } from './open.ts'

/** Small, so that a short script meets rolls, checkpoints, and both ways of a group. */
const OPTIONS: LogOptions = { journalBytesMax: 3000, segmentFirstBytes: 900, openFilesMax: 3 }
const FOLDER = '/data/log'
const STEPS = 30
const IDEMPOTENT = 5
const TRANSACTIONAL = 6

/** What a client of two producers knows: it sends again what it has no answer for. */
class Client {
  readonly random: SeededRandom
  /** Of the idempotent producer, in partition 0: how many were sent, and how many answered. */
  sent = 0
  answered = 0
  /** Of the transactional one: the transaction of each batch that was sent, by partition. */
  readonly sequences = [0, 0]
  transaction = 0
  /** Batches of the open transaction in each partition. */
  open = [0, 0]
  readonly ended = new Map<number, { readonly kind: MarkerKind; acknowledged: boolean }>()
  /** Batches of every transaction, by partition, that were answered. */
  readonly written = new Map<string, number>()
  on = true

  constructor(seed: number) {
    this.random = new SeededRandom(seed).fork('client')
  }

  step(log: Log, topic: LogTopic): void {
    const { random } = this
    if (random.chance(0.5) && this.sent - this.answered < 4) this.send(log, topic, this.sent++)
    if (random.chance(0.6)) this.#write(log, topic)
    else if (this.open.some((count) => count > 0)) this.#end(log, topic)
  }

  /** The same number is the same batch, whenever it is sent. */
  send(log: Log, topic: LogTopic, number: number): void {
    log.append([data(topic, 0, IDEMPOTENT, number, `i${number}`, number % 7 === 3)], (error) => {
      if (!this.#counts(error)) return
      this.answered = Math.max(this.answered, number + 1)
    })
  }

  /** Whether somebody was there to hear the answer. */
  #counts(error: Error | undefined): boolean {
    if (error instanceof PowerLoss || !this.on) return false
    expect(error).toBeUndefined()
    return true
  }

  #write(log: Log, topic: LogTopic): void {
    const both = this.random.chance(0.5)
    const partitions = both ? [0, 1] : [this.random.below(2)]
    const { transaction } = this
    const batches = partitions.map((partition) => {
      const sequence = this.sequences[partition] ?? 0
      this.sequences[partition] = sequence + 1
      this.open[partition] = (this.open[partition] ?? 0) + 1
      return data(topic, partition, TRANSACTIONAL, sequence, `t${transaction}`, this.random.chance(0.2), true)
    })
    log.append(batches, (error) => {
      if (!this.#counts(error)) return
      for (const partition of partitions) {
        const key = `${transaction}-${partition}`
        this.written.set(key, (this.written.get(key) ?? 0) + 1)
      }
    })
  }

  #end(log: Log, topic: LogTopic): void {
    const kind = this.random.chance(0.5) ? 'commit' : 'abort'
    const ended = { kind, acknowledged: false } as const
    this.ended.set(this.transaction, ended)
    const { transaction } = this
    const partitions = [0, 1].filter((partition) => (this.open[partition] ?? 0) > 0)
    log.append(
      partitions.map((partition) => marker(topic, partition, kind)),
      (error) => {
        if (!this.#counts(error)) return
        this.ended.set(transaction, { kind, acknowledged: true })
      },
    )
    this.transaction += 1
    this.open = [0, 0]
  }
}

function data(
  topic: LogTopic,
  partition: number,
  producerId: number,
  baseSequence: number,
  text: string,
  large: boolean,
  transactional = false,
): LogBatch {
  const builder = new BatchBuilder(256)
  builder.appendText(0, text, large ? 'x'.repeat(1000) : 'x')
  const bytes = builder.build({ producerId, producerEpoch: 0, baseSequence, transactional })
  return { topic: topic.id, partition, bytes }
}

function marker(topic: LogTopic, partition: number, kind: MarkerKind): LogBatch {
  return { topic: topic.id, partition, bytes: controlBatch(TRANSACTIONAL, 0, kind, 0, 0) }
}

function opened(sys: SimSys): { log: Log; topic: LogTopic } {
  const log = openLog(sys, FOLDER, OPTIONS)
  log.createTopic('t', { partitions: 2, segmentBytes: 2048 }, () => {})
  sys.time.runUntilIdle()
  return { log, topic: log.topic('t') as LogTopic }
}

function runScript(sys: SimSys, client: Client, seed: number): void {
  sys.disk.delaySync(seed % 3)
  try {
    const { log, topic } = opened(sys)
    for (let step = 0; step < STEPS; step += 1) {
      client.step(log, topic)
      if (client.random.chance(0.5)) sys.time.runUntilIdle()
      else sys.time.settle()
    }
    sys.time.runUntilIdle()
    log.close(() => {})
    sys.time.runUntilIdle()
  } catch (error) {
    if (!(error instanceof PowerLoss)) throw error
  } finally {
    client.on = false
  }
}

/** The keys that a reader of committed records sees. */
function committed(topic: LogTopic, index: number): string[] {
  const partition = topic.partitions[index]
  if (partition === undefined) throw new Error('no such partition')
  const keys: string[] = []
  for (let at = partition.start; ; ) {
    const read = partition.read(at, 1500, partition.lastStable)
    if (read === undefined) return keys
    for (const { key } of decodeCommitted(read.bytes, partition.aborted(read.from, read.next)))
      keys.push(Buffer.from(key ?? []).toString())
    at = read.next
  }
}

/** The client goes on after the crash: everything is there once, transactions are there whole or not at all. */
function check(sys: SimSys, client: Client): void {
  const { log, topic } = opened(sys)
  const [first, second] = topic.partitions
  const openNow = [first, second].map((partition) => partition?.openTransactions().length ?? 0)
  const last = client.ended.get(client.transaction - 1)
  // A transaction that did not write to a partition is not open there; else markers are in both or in none.
  if (client.transaction > 0 && last?.acknowledged === true && client.open.every((count) => count === 0))
    expect(openNow).toEqual([0, 0])
  for (const index of [0, 1]) if (openNow[index] === 1) log.append([marker(topic, index, 'abort')], () => {})
  for (let number = client.answered; number < client.sent; number += 1) {
    log.append([data(topic, 0, IDEMPOTENT, number, `i${number}`, number % 7 === 3)], (error) =>
      expect(error).toBeUndefined(),
    )
  }
  sys.time.runUntilIdle()
  const seen = [0, 1].map((index) => committed(topic, index))
  const numbers = (seen[0] ?? []).filter((key) => key.startsWith('i'))
  expect(numbers, 'each once, in order').toEqual(
    Array.from({ length: client.sent }, (_, index) => `i${index}`),
  )
  for (const [transaction, { kind, acknowledged }] of client.ended) {
    for (const [index, keys] of seen.entries()) {
      const count = keys.filter((key) => key === `t${transaction}`).length
      const all = client.written.get(`${transaction}-${index}`) ?? 0
      if (kind === 'abort') expect(count, `t${transaction} was aborted`).toBe(0)
      else if (acknowledged) expect(count, `t${transaction} was committed`).toBe(all)
    }
  }
  for (let transaction = 0; transaction <= client.transaction; transaction += 1) {
    if (client.ended.has(transaction)) continue
    for (const keys of seen) expect(keys, 'has no end').not.toContain(`t${transaction}`)
  }
  checkWhole(client, seen)
  for (const partition of topic.partitions) expect(partition.lastStable).toBe(partition.end)
  log.close((error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
  const again = opened(sys)
  expect([0, 1].map((index) => committed(again.topic, index))).toEqual(seen)
  expect(again.topic.partitions.map((each) => each.producers())).toEqual(
    topic.partitions.map((each) => each.producers()),
  )
}

/** A commit of which no answer came is seen in all partitions or in none. */
function checkWhole(client: Client, seen: readonly (readonly string[])[]): void {
  for (const [transaction, { kind, acknowledged }] of client.ended) {
    if (kind === 'abort' || acknowledged) continue
    const counts = seen.map((keys) => keys.filter((key) => key === `t${transaction}`).length)
    if (counts.every((count) => count === 0)) continue
    for (const [index, count] of counts.entries())
      expect(count, `t${transaction} is whole`).toBeGreaterThanOrEqual(
        client.written.get(`${transaction}-${index}`) ?? 0,
      )
  }
}

test.each([1, 2, 3, 4, 5])('a power cut at every disk operation, seed %i', (seed) => {
  const whole = simSys(seed)
  const client = new Client(seed)
  runScript(whole, client, seed)
  expect(client.ended.size).toBeGreaterThan(3)
  check(restartSys(whole, seed), client)
  for (let operation = 1; operation <= whole.disk.operations; operation += 1) {
    const sys = simSys(seed)
    const other = new Client(seed)
    sys.disk.crashAt(operation)
    runScript(sys, other, seed)
    try {
      check(restartSys(sys, seed * 1000 + operation), other)
    } catch (error) {
      throw new Error(`seed ${seed}, power cut at operation ${operation}`, { cause: error })
    }
  }
})
