import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { batchPositions, readBatchHeader, verifyBatch } from '../record/batch-header.ts'
import { type SimSys, simSys } from '../sim/sim-sys.ts'
import type { Log, LogPartition, LogTopic } from './log.ts'
import { openLog } from './open.ts'
import { LogVerifier } from './verify.ts'

/** A partition as it should be: one row a batch. */
interface Model {
  start: number
  readonly batches: { readonly first: number; readonly next: number; readonly maxTimestamp: number }[]
}

type Command =
  | {
      readonly kind: 'append'
      readonly parts: readonly (readonly [partition: number, records: number, time: number])[]
    }
  | { readonly kind: 'read'; readonly partition: number; readonly at: number; readonly bytesMax: number }
  | { readonly kind: 'time'; readonly partition: number; readonly timestamp: number }
  | { readonly kind: 'cut'; readonly partition: number; readonly at: number }
  | { readonly kind: 'deleteRecords'; readonly partition: number; readonly at: number }
  /** Everything before a time goes. */
  | { readonly kind: 'retention'; readonly before: number }
  | { readonly kind: 'grow' }
  /** And is made again. */
  | { readonly kind: 'deleteTopic' }
  | { readonly kind: 'rest' }
  | { readonly kind: 'reopen' }

const partition = fc.nat(2)
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      parts: fc.array(fc.tuple(partition, fc.integer({ min: 1, max: 5 }), fc.nat(50)), {
        minLength: 1,
        maxLength: 4,
      }),
    }),
  },
  fc.record({ kind: fc.constant('read' as const), partition, at: fc.nat(100), bytesMax: fc.nat(3000) }),
  fc.record({ kind: fc.constant('time' as const), partition, timestamp: fc.nat(55) }),
  fc.record({ kind: fc.constant('cut' as const), partition, at: fc.nat(100) }),
  fc.record({ kind: fc.constant('deleteRecords' as const), partition, at: fc.nat(100) }),
  fc.record({ kind: fc.constant('retention' as const), before: fc.nat(50) }),
  fc.constant<Command>({ kind: 'grow' }),
  fc.constant<Command>({ kind: 'deleteTopic' }),
  { weight: 2, arbitrary: fc.constant<Command>({ kind: 'rest' }) },
  fc.constant<Command>({ kind: 'reopen' }),
)

const OPTIONS = { journalBytesMax: 5000, segmentFirstBytes: 700, openFilesMax: 4, verifyReads: true }

/** When it begins: later than all records. */
const NOW = 1000

function open(sys: SimSys): { log: Log; topic: LogTopic } {
  const log = openLog(sys, '/log', OPTIONS)
  return { log, topic: log.topic('t') ?? create(log, sys) }
}

function create(log: Log, sys: SimSys): LogTopic {
  log.createTopic('t', { partitions: 3, segmentBytes: 2000 }, (error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
  return log.topic('t') as LogTopic
}

/** All that went is older than `before`; what stays begins with a segment that has something that is not. */
function retain(sys: SimSys, log: Log, topic: LogTopic, models: Model[], before: number): void {
  const retentionMs = sys.clock.now() - before
  log.alterTopic('t', { retentionMs }, () => {})
  sys.time.runUntilIdle()
  log.housekeeping.runOnce((error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
  log.alterTopic('t', { retentionMs: null }, () => {})
  sys.time.runUntilIdle()
  // Syncs take their time.
  const latest = sys.clock.now() - retentionMs
  for (const { index, start, end } of topic.partitions) {
    const model = models[index] as Model
    const isOlder = (than: number) => (batch: Model['batches'][number]) => batch.maxTimestamp < than
    expect(start).toBeGreaterThanOrEqual(model.start)
    const gone = model.batches.filter(({ first, next }) => next > model.start && first < start)
    if (start > model.start) expect(gone.every(isOlder(latest))).toBe(true)
    if (start < end && model.batches.every(isOlder(before)))
      throw new Error(`${start} to ${end} of ${index} stayed`)
    model.start = start
  }
}

function batchOf(records: number, time: number): Uint8Array {
  const builder = new BatchBuilder(256)
  for (let index = 0; index < records; index += 1)
    builder.appendText(time - index, null, 'x'.repeat(20 * records))
  return builder.build()
}

function nextOf(model: Model): number {
  return model.batches.at(-1)?.next ?? 0
}

function checkRead(real: LogPartition, model: Model, at: number, bytesMax: number): void {
  const end = real.end
  const from = model.start + (end === model.start ? 0 : at % (end - model.start + 1))
  const read = real.read(from, bytesMax)
  if (from === end) {
    expect(read).toBeUndefined()
    return
  }
  if (read === undefined) throw new Error(`nothing at ${from} of ${end}`)
  const heads = [...batchPositions(read.bytes)].map((position) => {
    expect(verifyBatch(read.bytes, position, read.bytes.length)).toBeUndefined()
    return readBatchHeader(read.bytes, position)
  })
  const begin = model.batches.findIndex((batch) => batch.next > from)
  expect(heads.map(({ baseOffset, lastOffset }) => [baseOffset, lastOffset + 1])).toEqual(
    model.batches.slice(begin, begin + heads.length).map(({ first, next }) => [first, next]),
  )
  expect([read.from, read.next]).toEqual([heads[0]?.baseOffset, (heads.at(-1)?.lastOffset ?? 0) + 1])
  expect(heads.length === 1 || read.bytes.length <= Math.max(bytesMax, 61)).toBe(true)
  expect(read.next).toBeLessThanOrEqual(end)
}

test('every answer is that of a list of batches', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), fc.nat(3), (commands, delay) => {
      const sys = simSys(1, { now: NOW })
      sys.disk.delaySync(delay)
      let { log, topic } = open(sys)
      const newModels = (): Model[] => [0, 1, 2].map(() => ({ start: 0, batches: [] }))
      let models = newModels()
      const of = (index: number) => ({
        real: topic.partitions[index] as LogPartition,
        model: models[index] as Model,
      })
      let waiting = 0
      for (const each of commands) {
        if (each.kind === 'append') {
          const batches = each.parts.map(([index, records, time]) => ({
            topic: topic.id,
            partition: index,
            bytes: batchOf(records, time),
          }))
          const expected = each.parts.map(([index, records, time]) => {
            const { model } = of(index)
            const first = nextOf(model)
            model.batches.push({ first, next: first + records, maxTimestamp: time })
            return first
          })
          waiting += 1
          const offsets = log.append(batches, (error, given) => {
            expect(error).toBeUndefined()
            expect(given).toEqual(expected)
            waiting -= 1
          })
          expect(offsets).toEqual(expected)
        } else if (each.kind === 'read') {
          const { real, model } = of(each.partition)
          checkRead(real, model, each.at, each.bytesMax)
        } else if (each.kind === 'cut') {
          const { real, model } = of(each.partition)
          model.start = Math.max(model.start, each.at % (real.end + 1))
          real.cutBefore(model.start)
        } else if (each.kind === 'deleteRecords') {
          const { real, model } = of(each.partition)
          model.start = Math.max(model.start, each.at % (real.end + 1))
          const expected = model.start
          waiting += 1
          real.cutBefore(each.at % (real.end + 1), (error, start) => {
            expect([error, start]).toEqual([undefined, expected])
            waiting -= 1
          })
        } else if (each.kind === 'retention') {
          sys.time.runUntilIdle()
          retain(sys, log, topic, models, each.before)
        } else if (each.kind === 'grow') {
          log.alterTopic('t', { partitions: topic.partitions.length + 1 }, () => {})
          sys.time.runUntilIdle()
          models.push({ start: 0, batches: [] })
          expect(topic.partitions).toHaveLength(models.length)
        } else if (each.kind === 'deleteTopic') {
          const old = topic.partitions[0] as LogPartition
          log.deleteTopic('t', (error) => expect(error).toBeUndefined())
          expect(() => old.read(0, 1)).toThrow(/was deleted/)
          topic = create(log, sys)
          models = newModels()
        } else if (each.kind === 'time') {
          const { real, model } = of(each.partition)
          const found = model.batches.find(
            ({ next, maxTimestamp }) =>
              next > model.start && next <= real.end && maxTimestamp >= each.timestamp,
          )
          const expected = found === undefined ? real.end : Math.max(found.first, model.start)
          expect(real.offsetForTime(each.timestamp)).toBe(expected)
        } else if (each.kind === 'rest') {
          sys.time.runUntilIdle()
          expect(waiting).toBe(0)
        } else {
          log.close((error) => expect(error).toBeUndefined())
          sys.time.runUntilIdle()
          ;({ log, topic } = open(sys))
          expect(log.recovery.clean).toBe(true)
        }
        for (const [index, model] of models.entries()) {
          const { real } = of(index)
          expect([real.start, real.appended]).toEqual([model.start, nextOf(model)])
        }
      }
      sys.time.runUntilIdle()
      for (const [index, model] of models.entries()) {
        expect(of(index).real.end).toBe(nextOf(model))
        for (let at = 0; at <= nextOf(model) - model.start; at += 1) checkRead(of(index).real, model, at, 500)
      }
      const verifier = new LogVerifier(log)
      while (verifier.step());
      expect(verifier.report().findings).toEqual([])
    }),
    { numRuns: 150 },
  )
})
