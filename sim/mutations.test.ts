import { afterEach, expect, test, vi } from 'vitest'
import { MillraceError } from '../src/base/errors.ts'
import { GroupMachine } from '../src/broker/coordinators/groups/group-machine.ts'
import { positionRecord } from '../src/broker/coordinators/groups/group-record.ts'
import type { LocalBroker } from '../src/broker/local/local-broker.ts'
import { LocalGroups } from '../src/broker/local/local-groups.ts'
import { UnfinishedOffsets } from '../src/clients/unfinished-offsets.ts'
import { BatchCleaner } from '../src/log/compaction/batch-cleaner.ts'
import { KeyOffsetMap } from '../src/log/compaction/key-offset-map.ts'
import type { Log, LogBatch } from '../src/log/log.ts'
import { Partition } from '../src/log/partition.ts'
import { PartitionTransactions } from '../src/log/partition-transactions.ts'
import { ProducerStates } from '../src/log/producer-states.ts'
import { Segment } from '../src/log/segment.ts'
import {
  batchAttributes,
  batchPositions,
  batchProducerEpoch,
  batchProducerId,
  batchSizeBytes,
  CONTROL_BIT,
} from '../src/record/batch-header.ts'
import { decodeRecords } from '../src/record/batch-reader.ts'
import { controlBatch, readEndMarker } from '../src/record/control-batch.ts'
import type { SimSys } from '../src/sim/sim-sys.ts'
import { simulate } from './run.ts'
import type { Breakage } from './world.ts'

/*
 * Each invariant is shown to bite: the program is broken on purpose, and the checker of that name, asked alone, must see
 * it within a few worlds; the rarest thing comes about in one of fifteen. A world that just falls over does not count.
 */
const SEEDS_MAX = 200
vi.setConfig({ testTimeout: 150_000 })
const restores: (() => void)[] = []
afterEach(() => {
  for (const restore of restores.splice(0)) restore()
})

/** Replaces a method or getter of a class until the end of the test. */
function replace(target: object, name: string, make: (original: never) => PropertyDescriptor): void {
  const before = Object.getOwnPropertyDescriptor(target, name)
  if (before === undefined) throw new Error(`there is no ${name} to break`)
  const broken = make((before.value ?? before.get) as never)
  Object.defineProperty(target, name, { configurable: true, ...broken })
  restores.push(() => Object.defineProperty(target, name, before))
}

function expectCaught(checker: string, breakage: Breakage = {}): void {
  const others = new Set<string>()
  for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
    const { failure } = simulate({ seed, breakage, checkers: [checker] })
    if (failure?.checker === checker) {
      console.log(`${checker}: seed ${seed}, step ${failure.step}: ${failure.problem}`)
      return
    }
    if (failure !== undefined) others.add(failure.problem)
  }
  expect.unreachable(
    `${checker} saw nothing in ${SEEDS_MAX} worlds; they ended by: ${[...others].slice(0, 3).join('; ')}`,
  )
}

/** Breaks appends to the log. */
function appending(change: (append: Log['append'], sys: SimSys) => Log['append']): Breakage {
  return {
    opened: (log, _, sys) => {
      log.append = change(log.append.bind(log), sys)
    },
  }
}

test('acknowledged-is-readable: appends are answered before they are durable', () => {
  const early = appending((append) => (batches, answer) => {
    let thrown = false
    const offsets = append(batches, (error) => {
      thrown ||= error !== undefined
    })
    answer(thrown ? new MillraceError('MILLRACE_DISK', 'refused') : undefined, thrown ? undefined : offsets)
    return offsets
  })
  expectCaught('acknowledged-is-readable', early)
})

test('acknowledged-is-readable: a sync says that it is done before it is', () => {
  const lying: Breakage = {
    opened: (_log, _broker, { disk, timers }) => {
      disk.finishSync = (file, _blocking, done) => {
        disk.operation()
        const sync = file.beginSync()
        timers.after(200, () => sync.succeed())
        done(undefined)
      }
    },
  }
  expectCaught('acknowledged-is-readable', lying)
})

test('what-was-read-stays: readers see what is not durable', () => {
  replace(Partition.prototype, 'lastStable', () => ({
    get(this: Partition) {
      return this.end
    },
  }))
  expectCaught('what-was-read-stays')
})

test('order-is-kept: some appends are held up', () => {
  let count = 0
  const late = appending((append, sys) => (batches, answer) => {
    count += 1
    if (count % 4 !== 0) return append(batches, answer)
    sys.time.after(3, () => append(batches, answer))
    return []
  })
  expectCaught('order-is-kept', late)
})

test('no-duplicate-from-idempotent-producer: a batch that is there is written again', () => {
  replace(ProducerStates.prototype, 'append', (append: ProducerStates['append']) => ({
    value(this: ProducerStates, ...args: Parameters<ProducerStates['append']>) {
      append.apply(this, args)
      return args[2]
    },
  }))
  expectCaught('no-duplicate-from-idempotent-producer')
})

test('no-gap: a read leaves a batch out', () => {
  replace(Partition.prototype, 'read', (read: Partition['read']) => ({
    value(this: Partition, ...args: Parameters<Partition['read']>) {
      const found = read.apply(this, args)
      if (found === undefined || this.topic.settings.internal) return found
      const [first, second, third] = [...batchPositions(found.bytes)]
      if (first === undefined || second === undefined || third === undefined) return found
      const bytes = Buffer.concat([found.bytes.subarray(0, second), found.bytes.subarray(third)])
      return { ...found, bytes }
    },
  }))
  expectCaught('no-gap')
})

test('no-gap: the numbers of producers are not looked at', () => {
  replace(ProducerStates.prototype, 'append', (append: ProducerStates['append']) => ({
    value(this: ProducerStates, ...args: Parameters<ProducerStates['append']>) {
      try {
        return append.apply(this, args)
      } catch (error) {
        if ((error as MillraceError).code === 'MILLRACE_OUT_OF_ORDER_SEQUENCE') return args[2]
        throw error
      }
    },
  }))
  // One in three of those that follow closely never arrives.
  let count = 0
  const lossy: Breakage = {
    opened: (_, broker) => {
      const { transactions } = broker
      const append = transactions.append.bind(transactions)
      transactions.append = (request, answer) => {
        count += 1
        if (count % 3 === 0) answer(new MillraceError('MILLRACE_DISK', 'lost'), undefined)
        else append(request, answer)
      }
    },
  }
  expectCaught('no-gap', lossy)
})

/** A group of the log is written in parts. */
const torn = appending((append) => (batches, answer) => {
  if (batches.length < 2) return append(batches, answer)
  const offsets: number[] = []
  let left = batches.length
  for (const [index, batch] of batches.entries()) {
    append([batch], (error, found) => {
      offsets[index] = found?.[0] ?? -1
      left -= 1
      if (left === 0) answer(error, error === undefined ? offsets : undefined)
    })
  }
  return offsets
})

test('transactions-are-atomic: a group of the log is written in parts', () => {
  expectCaught('transactions-are-atomic', torn)
})

test('only-an-end-is-lost: a group of the log is written in parts', () => {
  expectCaught('only-an-end-is-lost', torn)
})

test('only-an-end-is-lost: readers are not told', () => {
  const quiet: Breakage = {
    opened: (_, broker) => {
      const bounds = broker.bounds.bind(broker)
      broker.bounds = (...args) => ({ ...bounds(...args), leaderEpoch: 1 })
    },
  }
  expectCaught('only-an-end-is-lost', quiet)
})

test('nothing-aborted-is-read: an abort writes the marker of a commit', () => {
  const wrong = appending((append) => (batches, answer) => append(batches.map(committing), answer))
  expectCaught('nothing-aborted-is-read', wrong)
})

test('nothing-aborted-is-read: a fetch does not say what was aborted', () => {
  replace(Partition.prototype, 'aborted', () => ({ value: () => [] }))
  expectCaught('nothing-aborted-is-read')
})

test('nothing-aborted-is-read: readers pass the last stable offset', () => {
  replace(PartitionTransactions.prototype, 'lastStable', () => ({ value: (_: number, end: number) => end }))
  expectCaught('nothing-aborted-is-read')
})

test('positions-never-go-back: a commit is taken from whoever comes', () => {
  replace(GroupMachine.prototype, 'commit', () => ({
    value(...[request, step]: Parameters<GroupMachine['commit']>) {
      const records = request.positions.map((position) => {
        const { topic, partition } = position
        return positionRecord(
          { group: request.group, topic, partition },
          { ...position, committedAt: step.now.wall },
        )
      })
      return { records, response: undefined }
    },
  }))
  expectCaught('positions-never-go-back')
})

test('nothing-is-skipped: the position passes what is not finished', () => {
  replace(UnfinishedOffsets.prototype, 'position', (position: (this: UnfinishedOffsets) => number) => ({
    get(this: UnfinishedOffsets) {
      return position.call(this) + (this.count > 0 ? 1 : 0)
    },
  }))
  expectCaught('nothing-is-skipped')
})

test('each-record-is-processed-once: who fetches positions is not told of open transactions', () => {
  replace(LocalGroups.prototype, 'positions', (positions: LocalGroups['positions']) => ({
    value(this: LocalGroups, ...[group, answer]: Parameters<LocalGroups['positions']>) {
      positions.call(this, group, (error, found) =>
        answer(error, found === undefined ? undefined : { ...found, pending: [] }),
      )
    },
  }))
  expectCaught('each-record-is-processed-once')
})

test('compaction-keeps-the-last-value: it keeps the first', () => {
  replace(KeyOffsetMap.prototype, 'put', (put: KeyOffsetMap['put']) => ({
    value(this: KeyOffsetMap, ...args: Parameters<KeyOffsetMap['put']>) {
      if (this.get(args[0], args[1]) < 0) put.apply(this, args)
      else put.call(this, args[0], args[1], this.get(args[0], args[1]) + 1e6)
    },
  }))
  expectCaught('compaction-keeps-the-last-value')
})

test('compaction-keeps-the-last-value: tombstones go at their first cleaning', () => {
  replace(BatchCleaner.prototype, 'clean', (clean: BatchCleaner['clean']) => ({
    value(this: BatchCleaner, ...args: Parameters<BatchCleaner['clean']>) {
      const [bytes, at, batch] = args
      const cleaned = clean.apply(this, args)
      if ((batch.attributes & CONTROL_BIT) !== 0) return cleaned
      const records = decodeRecords(bytes.slice(at, at + batch.sizeBytes))
      return records.length > 0 && records.every(({ value }) => value === null) ? 'gone' : cleaned
    },
  }))
  expectCaught('compaction-keeps-the-last-value')
})

test('nothing-phantom: what was written is said to be refused', () => {
  let count = 0
  const lying = appending(
    (append) => (batches, answer) =>
      append(batches, (error, offsets) => {
        count += 1
        if (count % 10 === 0) answer(new MillraceError('MILLRACE_DISK', 'no room'), undefined)
        else answer(error, offsets)
      }),
  )
  expectCaught('nothing-phantom', lying)
})

test('one-owner-per-partition-and-generation: every member gets what the leader has', () => {
  const first = new Map<string, Uint8Array>()
  const generous: Breakage = {
    opened: (_, { groups }: LocalBroker) => {
      const sync = groups.sync.bind(groups)
      groups.sync = (request, answer) =>
        sync(request, (error, synced) => {
          const key = `${request.group} ${request.generation}`
          if (synced !== undefined && !first.has(key)) first.set(key, synced.assignment)
          const assignment = first.get(key) ?? new Uint8Array()
          answer(error, synced === undefined ? undefined : { ...synced, assignment })
        })
    },
  }
  expectCaught('one-owner-per-partition-and-generation', generous)
})

test('last-stable-offset-never-goes-back: young transactions are overlooked', () => {
  replace(PartitionTransactions.prototype, 'lastStable', (original: PartitionTransactions['lastStable']) => ({
    value(this: PartitionTransactions, start: number, end: number) {
      const stable = original.call(this, start, end)
      return end - stable < 4 ? end : stable
    },
  }))
  expectCaught('last-stable-offset-never-goes-back')
})

test('only-what-is-due-is-deleted: retention takes segments for older than they are', () => {
  replace(Segment.prototype, 'maxTimestamp', (original: (this: Segment) => number) => ({
    get(this: Segment) {
      return original.call(this) - 3000
    },
  }))
  expectCaught('only-what-is-due-is-deleted')
})

test('only-what-is-due-is-deleted: retention takes cleaned segments for older than they are', () => {
  const cleaned = new WeakSet<Segment>()
  replace(Partition.prototype, 'swapDone', (done: Partition['swapDone']) => ({
    value(this: Partition, ...args: Parameters<Partition['swapDone']>) {
      cleaned.add(args[1])
      done.apply(this, args)
    },
  }))
  replace(Segment.prototype, 'maxTimestamp', (original: (this: Segment) => number) => ({
    get(this: Segment) {
      return original.call(this) - (cleaned.has(this) ? 10_000 : 0)
    },
  }))
  expectCaught('only-what-is-due-is-deleted')
})

test('topics-are-as-acknowledged: a deletion is answered and not done', () => {
  const lazy: Breakage = {
    opened: (log) => {
      log.deleteTopic = (_, answer) => answer(undefined, undefined)
    },
  }
  expectCaught('topics-are-as-acknowledged', lazy)
})

test('damage-is-detected: nobody looks at checksums', () => {
  expectCaught('damage-is-detected', { unverified: true })
})

function committing(batch: LogBatch): LogBatch {
  const { bytes } = batch
  if ((batchAttributes(bytes, 0) & CONTROL_BIT) === 0 || batchSizeBytes(bytes, 0) !== bytes.length)
    return batch
  const marker = readEndMarker(bytes, 0)
  if (marker?.kind !== 'abort') return batch
  const [id, epoch] = [batchProducerId(bytes, 0), batchProducerEpoch(bytes, 0)]
  return { ...batch, bytes: controlBatch(id, epoch, 'commit', marker.coordinatorEpoch, 1_700_000_000_000) }
}
