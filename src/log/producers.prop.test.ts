import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isMillraceError } from '../base/errors.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import { decodeCommitted } from '../record/committed-filter.ts'
import { controlBatch } from '../record/control-batch.ts'
import { restartSys, type SimSys, simSys } from '../sim/sim-sys.ts'
import type { Log, LogPartition, LogTopic } from './log.ts'
import { openLog } from './open.ts'
import { LogVerifier } from './verify.ts'

const SEQUENCES = 2 ** 31
const PARTITIONS = [0, 1]
const PRODUCERS = [-1, 11, 12, 13]

type Kind = 'data' | 'open' | 'commit' | 'abort'

/** A batch as it is asked for; the sequence is made from what the model knows. */
interface Wish {
  readonly partition: number
  readonly producer: number
  readonly kind: Kind
  readonly records: number
  /** 0: the next one; 1 to 6: that of an earlier batch; 7: a gap. */
  readonly sequence: number
  /** Of the epoch. */
  readonly raise: -1 | 0 | 1
}

/** A batch of the naive model: a partition is a list of them. */
interface Row {
  readonly partition: number
  readonly producer: number
  readonly epoch: number
  readonly kind: Kind
  readonly sequence: number
  readonly records: number
  readonly offset: number
  readonly id: number
  readonly call: number
  acknowledged: boolean
}

type Command =
  | { readonly kind: 'append'; readonly wishes: readonly Wish[] }
  | { readonly kind: 'full'; readonly bytes: number }
  | { readonly kind: 'cut'; readonly partition: number; readonly at: number }
  | { readonly kind: 'settle' | 'rest' | 'close' | 'crash' }

const wish: fc.Arbitrary<Wish> = fc.record({
  partition: fc.constantFrom(...PARTITIONS),
  producer: fc.constantFrom(...PRODUCERS),
  kind: fc.constantFrom<Kind[]>('data', 'open', 'open', 'open', 'commit', 'abort', 'abort'),
  records: fc.integer({ min: 1, max: 3 }),
  sequence: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 7 })),
  raise: fc.oneof({ weight: 10, arbitrary: fc.constant<0>(0) }, fc.constant<1>(1), fc.constant<-1>(-1)),
})
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      wishes: fc.array(wish, { minLength: 1, maxLength: 3 }),
    }),
  },
  fc.record({ kind: fc.constant('full' as const), bytes: fc.nat(500) }),
  fc.record({
    kind: fc.constant('cut' as const),
    partition: fc.constantFrom(...PARTITIONS),
    at: fc.nat(100),
  }),
  { weight: 3, arbitrary: fc.constant<Command>({ kind: 'settle' }) },
  { weight: 3, arbitrary: fc.constant<Command>({ kind: 'rest' }) },
  fc.constant<Command>({ kind: 'close' }),
  fc.constant<Command>({ kind: 'crash' }),
)

/** What the rows of a partition say about a producer. */
function fold(rows: readonly Row[], producer: number) {
  let epoch = -1
  let batches: Row[] = []
  let open: number | undefined
  for (const row of rows) {
    if (row.producer !== producer) continue
    if (row.epoch > epoch) batches = []
    epoch = row.epoch
    if (row.kind === 'commit' || row.kind === 'abort') open = undefined
    else batches.push(row)
    if (row.kind === 'open') open ??= row.offset
  }
  return { epoch, batches, open }
}

function nextSequence(batches: readonly Row[]): number {
  const last = batches.at(-1)
  return last === undefined ? 0 : (last.sequence + last.records) % SEQUENCES
}

/** Transactions that ended, by the rows below `end`. */
function endedBelow(rows: readonly Row[], end: number) {
  const open = new Map<number, number>()
  const aborted: { producer: number; first: number; last: number }[] = []
  for (const row of rows) {
    if (row.offset >= end) break
    const first = open.get(row.producer)
    if (row.kind === 'open' && first === undefined) open.set(row.producer, row.offset)
    if (row.kind !== 'commit' && row.kind !== 'abort') continue
    open.delete(row.producer)
    if (row.kind === 'abort' && first !== undefined)
      aborted.push({ producer: row.producer, first, last: row.offset })
  }
  return { open, aborted }
}

class World {
  readonly options = { journalBytesMax: 4000, segmentFirstBytes: 600, openFilesMax: 4, verifyReads: true }
  sys: SimSys
  log: Log
  topic: LogTopic
  rows: Row[] = []
  starts = [0, 0]
  #calls = 0
  #ids = 0
  /** Calls that were not answered. */
  readonly waiting = new Set<number>()
  /** An answer of before the crash is nobody's. */
  #life = 0
  /** What happened, so that the test can tell that it tests something. */
  readonly seen: Record<string, number>

  constructor(delay: number, seen: Record<string, number>) {
    this.seen = seen
    this.sys = simSys(1)
    this.sys.disk.delaySync(delay)
    ;({ log: this.log, topic: this.topic } = this.#open())
  }

  #open(): { log: Log; topic: LogTopic } {
    const log = openLog(this.sys, '/log', this.options)
    log.createTopic('t', { partitions: PARTITIONS.length, segmentBytes: 1024 }, () => {})
    this.sys.time.runUntilIdle()
    return { log, topic: log.topic('t') as LogTopic }
  }

  of(partition: number): Row[] {
    return this.rows.filter((row) => row.partition === partition)
  }

  real(partition: number): LogPartition {
    return this.topic.partitions[partition] as LogPartition
  }

  count(what: string): void {
    this.seen[what] = (this.seen[what] ?? 0) + 1
  }

  append(wishes: readonly Wish[]): void {
    const call = this.#calls++
    const batches: { topic: string; partition: number; bytes: Uint8Array }[] = []
    const added: Row[] = []
    const offsets: number[] = []
    let refusal: string | undefined
    for (const each of wishes) {
      const rows = [...this.of(each.partition), ...added.filter((row) => row.partition === each.partition)]
      const row = this.#row(each, rows, call)
      batches.push({ topic: this.topic.id, partition: each.partition, bytes: bytesOf(row) })
      if (refusal !== undefined) continue
      const { code, offset } = judge(rows, row)
      refusal = code
      offsets.push(offset)
      if (code === undefined && offset === row.offset) added.push(row)
      else if (code === undefined) this.count('duplicate')
    }
    if (refusal === undefined) this.rows.push(...added)
    else this.count(refusal)
    const life = this.#life
    this.waiting.add(call)
    const given = this.log.append(batches, (error, value) => {
      if (life !== this.#life) return
      this.waiting.delete(call)
      if (refusal !== undefined) expect(error).toMatchObject({ code: refusal })
      else if (error === undefined) {
        expect(value).toEqual(offsets)
        for (const row of added) row.acknowledged = true
        // Whoever comes again is told when the first one is durable.
        for (const [index, offset] of offsets.entries()) {
          expect(this.real(wishes[index]?.partition ?? 0).end).toBeGreaterThan(offset)
        }
      } else {
        expect(isMillraceError(error) && error.code).toBe('MILLRACE_DISK')
        this.count('disk')
        if (this.log.failure === undefined) this.rows = this.rows.filter((row) => row.call !== call)
      }
    })
    if (refusal === undefined && this.waiting.has(call)) expect(given).toEqual(offsets)
    if (this.log.failure !== undefined) this.crash()
  }

  #row(
    { partition, producer, kind, records, sequence, raise }: Wish,
    rows: readonly Row[],
    call: number,
  ): Row {
    const offset = rows.reduce((next, row) => Math.max(next, row.offset + row.records), 0)
    const shared = { partition, producer, offset, call, id: this.#ids++, acknowledged: false }
    const marker = kind === 'commit' || kind === 'abort'
    if (producer < 0) return { ...shared, kind: 'data', epoch: -1, sequence: -1, records }
    const { epoch, batches } = fold(rows, producer)
    const raised = epoch < 0 ? 1 : Math.max(0, epoch + raise)
    if (marker) return { ...shared, kind, epoch: raised, sequence: -1, records: 1 }
    const earlier = batches.at(-sequence)
    if (sequence > 0 && sequence < 7 && earlier !== undefined)
      return {
        ...shared,
        kind: earlier.kind,
        epoch: raised,
        sequence: earlier.sequence,
        records: earlier.records,
      }
    // The first of all begins where the numbers are about to end.
    const begin = epoch < 0 ? SEQUENCES - 2 : raised > epoch ? 0 : nextSequence(batches)
    return {
      ...shared,
      kind,
      epoch: raised,
      sequence: (begin + (sequence === 7 ? 2 : 0)) % SEQUENCES,
      records,
    }
  }

  crash(): void {
    this.#life += 1
    this.waiting.clear()
    this.count('crash')
    this.sys = restartSys(this.sys, this.#calls)
    ;({ log: this.log, topic: this.topic } = this.#open())
    for (const partition of PARTITIONS) {
      const { end, start } = this.real(partition)
      for (const row of this.of(partition)) {
        if (row.acknowledged) expect(row.offset + row.records).toBeLessThanOrEqual(end)
      }
      this.rows = this.rows.filter((row) => row.partition !== partition || row.offset < end)
      this.starts[partition] = start
    }
    for (const row of this.rows) row.acknowledged = true
  }

  close(): void {
    this.rest()
    this.log.close((error) => expect(error).toBeUndefined())
    this.sys.time.runUntilIdle()
    ;({ log: this.log, topic: this.topic } = this.#open())
    expect(this.log.recovery.clean).toBe(true)
  }

  rest(): void {
    this.sys.time.runUntilIdle()
    expect(this.waiting.size).toBe(0)
  }

  cut(partition: number, at: number): void {
    const real = this.real(partition)
    this.starts[partition] = Math.max(this.starts[partition] ?? 0, at % (real.end + 1))
    real.cutBefore(this.starts[partition] ?? 0)
  }

  /** What the partitions say of producers and transactions is what the rows say. */
  check(): void {
    for (const partition of PARTITIONS) {
      const real = this.real(partition)
      const rows = this.of(partition)
      const start = this.starts[partition] ?? 0
      expect(real.start).toBe(start)
      expect(real.appended).toBe(rows.reduce((next, row) => Math.max(next, row.offset + row.records), 0))
      const { open } = endedBelow(rows, real.end)
      expect(real.lastStable).toBe(Math.max(start, Math.min(real.end, ...open.values())))
      const known = PRODUCERS.filter((producer) =>
        rows.some((row) => producer >= 0 && row.producer === producer),
      )
      const states = known.map((producer) => {
        const { epoch, batches, open: transactionStart } = fold(rows, producer)
        const lastSequence = batches.length === 0 ? -1 : (nextSequence(batches) + SEQUENCES - 1) % SEQUENCES
        return { producerId: producer, producerEpoch: epoch, lastSequence, transactionStart }
      })
      expect(real.producers()).toMatchObject(states)
      expect(real.producers()).toHaveLength(states.length)
      expect(
        real
          .openTransactions()
          .map(({ producerId }) => producerId)
          .sort(),
      ).toEqual(
        states
          .filter(({ transactionStart }) => transactionStart !== undefined)
          .map((each) => each.producerId),
      )
    }
  }

  /** From every offset on, a reader of committed records sees what it should. */
  checkReads(): void {
    for (const partition of PARTITIONS) {
      const real = this.real(partition)
      const rows = this.of(partition)
      const { aborted } = endedBelow(rows, real.end)
      const visible = rows.filter(
        (row) =>
          (row.kind === 'data' || row.kind === 'open') &&
          row.offset < real.lastStable &&
          !aborted.some(
            (each) => each.producer === row.producer && each.first <= row.offset && row.offset < each.last,
          ),
      )
      const texts = visible.flatMap(({ id, offset, records }) =>
        Array.from({ length: records }, (_, index) => [offset + index, id] as const),
      )
      for (let from = real.start; from <= real.lastStable; from += 1) {
        const read: (readonly [number, number])[] = []
        for (let at = from; ; ) {
          const fetched = real.read(at, 300, real.lastStable)
          if (fetched === undefined) break
          for (const record of decodeCommitted(fetched.bytes, real.aborted(fetched.from, fetched.next))) {
            const id = Number(Buffer.from(record.value ?? []).toString())
            if (record.offset >= from) read.push([record.offset, id])
          }
          at = fetched.next
        }
        expect(read).toEqual(texts.filter(([offset]) => offset >= from && offset < real.lastStable))
      }
      if (aborted.length > 0) this.count('aborted')
    }
  }
}

function bytesOf({ producer, epoch, kind, sequence, records, id }: Row): Uint8Array {
  if (kind === 'commit' || kind === 'abort') return controlBatch(producer, epoch, kind, 0, 0)
  const builder = new BatchBuilder(256)
  for (let record = 0; record < records; record += 1) builder.appendText(0, null, String(id).padStart(20))
  if (producer < 0) return builder.build()
  return builder.build({
    producerId: producer,
    producerEpoch: epoch,
    baseSequence: sequence,
    transactional: kind === 'open',
  })
}

/** What the log must say to this batch, in Kafka's rules. */
function judge(rows: readonly Row[], row: Row): { readonly code?: string; readonly offset: number } {
  const { offset } = row
  if (row.producer < 0) return { offset }
  const { epoch, batches, open } = fold(rows, row.producer)
  const marker = row.kind === 'commit' || row.kind === 'abort'
  const same = batches.slice(-5).find((each) => {
    return each.epoch === row.epoch && each.sequence === row.sequence && each.records === row.records
  })
  if (!marker && same !== undefined) return { offset: same.offset }
  if (row.epoch < epoch) return { code: 'MILLRACE_FENCED', offset }
  if (marker || epoch < 0) return { offset }
  if (open !== undefined && (row.epoch > epoch || row.kind !== 'open'))
    return { code: 'MILLRACE_INVALID_TRANSACTION_STATE', offset }
  const expected = row.epoch > epoch ? 0 : nextSequence(batches)
  if (row.sequence !== expected) return { code: 'MILLRACE_OUT_OF_ORDER_SEQUENCE', offset }
  return { offset }
}

test('a partition knows of its producers what a list of its batches says', () => {
  const seen: Record<string, number> = {}
  fc.assert(
    fc.property(fc.array(command, { maxLength: 45, size: 'max' }), fc.nat(2), (commands, delay) => {
      const world = new World(delay, seen)
      for (const each of commands) {
        if (each.kind === 'append') world.append(each.wishes)
        else if (each.kind === 'settle') world.sys.time.settle()
        else if (each.kind === 'rest') world.rest()
        else if (each.kind === 'close') world.close()
        else if (each.kind === 'crash') world.crash()
        else if (each.kind === 'cut') world.cut(each.partition, each.at)
        else if (each.kind === 'full') {
          // What is on its way ends first, so that only appends meet the full disk.
          world.rest()
          world.sys.disk.diskFull(each.bytes)
          world.append([{ partition: 0, producer: 11, kind: 'open', records: 3, sequence: 0, raise: 0 }])
          world.append([{ partition: 1, producer: 12, kind: 'abort', records: 1, sequence: 0, raise: 0 }])
          world.append([{ partition: 0, producer: 11, kind: 'open', records: 3, sequence: 1, raise: 0 }])
          world.sys.time.runUntilIdle()
          world.sys.disk.diskFull(Number.POSITIVE_INFINITY)
          if (world.log.failure !== undefined) world.crash()
        }
        world.check()
      }
      world.rest()
      world.check()
      world.checkReads()
      world.close()
      world.checkReads()
      const verifier = new LogVerifier(world.log)
      while (verifier.step());
      // After a crash the other indexes may wait for their first use.
      const findings = verifier.report().findings.filter(({ file }) => !/[.](index|timeindex)$/.test(file))
      expect(findings).toEqual([])
    }),
    { numRuns: 150 },
  )
  for (const what of [
    'duplicate',
    'disk',
    'crash',
    'aborted',
    'MILLRACE_FENCED',
    'MILLRACE_OUT_OF_ORDER_SEQUENCE',
    'MILLRACE_INVALID_TRANSACTION_STATE',
  ])
    expect(seen[what] ?? 0, what).toBeGreaterThan(2)
})
