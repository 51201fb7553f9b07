import type { Timestamp } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import type { Answer, Log, LogBatch, LogPartition } from '../../log/log.ts'
import { BatchBuilder } from '../../record/batch-builder.ts'
import { batchSizeBytes, verifyBatch } from '../../record/batch-header.ts'
import { BatchReader } from '../../record/batch-reader.ts'
import type { CoordinatorMachine, CoordinatorRecord } from '../coordinators/coordinator.ts'

const READ_BYTES = 1024 * 1024
const SEGMENT_BYTES = 8 * 1024 * 1024
/** A snapshot is written as batches of about this size. */
const BATCH_BYTES = 512 * 1024

/**
 * The internal topic of one coordinator: records in, records out. It is kept small by writing the whole state anew when
 * it has grown by as much, and cutting what was before. Power fails between the two: the topic is longer, replay ends
 * the same.
 */
export class CoordinatorTopic {
  readonly machine: CoordinatorMachine
  readonly #log: Log
  readonly #name: string
  readonly #builder = new BatchBuilder()
  readonly #rewriteBytes: number
  /** Bytes since the last rewrite, and how many of them that one had. */
  #grown = 0
  #wholeBytes = 0
  /** Calls that wait until the topic is there. */
  #creating: ((error: Error | undefined) => void)[] | undefined

  constructor(log: Log, name: string, machine: CoordinatorMachine, rewriteBytes: number) {
    this.#log = log
    this.#name = name
    this.machine = machine
    this.#rewriteBytes = rewriteBytes
  }

  get partition(): LogPartition | undefined {
    return this.#log.topic(this.#name)?.partitions[0]
  }

  /**
   * Applies what the topic holds, over `earlier` of another topic that it takes the place of.
   * @throws MillraceError MILLRACE_CORRUPT, MILLRACE_NEWER_FORMAT.
   */
  replay(earlier: readonly CoordinatorRecord[]): void {
    const { partition } = this
    for (const record of earlier) this.machine.apply(record)
    if (partition !== undefined) eachRecord(partition, (record) => this.machine.apply(record))
  }

  /** Answers when the topic is there; in the order of the calls. */
  create(answer: (error: Error | undefined) => void): void {
    if (this.#creating !== undefined) {
      this.#creating.push(answer)
      return
    }
    this.#creating = [answer]
    const settings = { partitions: 1, internal: true, segmentBytes: SEGMENT_BYTES }
    this.#log.createTopic(this.#name, settings, (error) => {
      const waiting = this.#creating ?? []
      this.#creating = undefined
      for (const call of waiting) call(error)
    })
  }

  /** The records as bytes for the topic. It must be there. */
  batch(records: Iterable<CoordinatorRecord>, now: Timestamp): LogBatch {
    const { topic, index } = this.partition as LogPartition
    const bytes = this.#encode(records, now)
    this.#grown += bytes.length
    return { topic: topic.id, partition: index, bytes }
  }

  get isDue(): boolean {
    return this.#grown >= Math.max(this.#rewriteBytes, this.#wholeBytes)
  }

  /** Everything that the machine knows must have been appended: a snapshot must not come behind a record that it does not know. */
  rewrite(now: Timestamp, answer: Answer<void>): void {
    const partition = this.partition as LogPartition
    const batch = this.batch(this.machine.snapshot(), now)
    this.#wholeBytes = batch.bytes.length
    this.#grown = 0
    if (batch.bytes.length === 0) {
      partition.cutBefore(partition.end)
      answer(undefined, undefined)
      return
    }
    this.#log.append([batch], (error, offsets) => {
      const base = offsets?.[0]
      // A full disk is no harm here: it is tried again after the next growth.
      if (error === undefined && base !== undefined) partition.cutBefore(base)
      answer(error, undefined)
    })
  }

  #encode(records: Iterable<CoordinatorRecord>, now: Timestamp): Uint8Array {
    const builder = this.#builder
    const batches: Uint8Array[] = []
    builder.reset()
    for (const { key, value } of records) {
      builder.appendText(now, key, value)
      if (builder.sizeBytes < BATCH_BYTES) continue
      batches.push(builder.build())
      builder.reset()
    }
    if (builder.count > 0) batches.push(builder.build())
    const [first] = batches
    return first !== undefined && batches.length === 1 ? first : Buffer.concat(batches)
  }
}

/** @throws MillraceError MILLRACE_CORRUPT with the place; what `each` throws. */
export function eachRecord(
  partition: LogPartition,
  each: (record: CoordinatorRecord, reader: BatchReader) => void,
): void {
  const reader = new BatchReader()
  const name = `${partition.topic.name}-${partition.index}`
  for (let from = partition.start; from < partition.end; ) {
    const read = partition.read(from, READ_BYTES)
    if (read === undefined) break
    for (let at = 0; at < read.bytes.length; at += batchSizeBytes(read.bytes, at)) {
      const fault = verifyBatch(read.bytes, at, read.bytes.length)
      if (fault !== undefined) {
        throw new MillraceError('MILLRACE_CORRUPT', `${name}@${from} is damaged: ${fault}`)
      }
      reader.open(read.bytes, at)
      while (reader.next()) {
        if (reader.offset < from) continue
        const key = reader.text(reader.keyStart, reader.keyEnd)
        const value = reader.valueStart < 0 ? null : reader.text(reader.valueStart, reader.valueEnd)
        each({ key, value }, reader)
      }
    }
    from = read.next
  }
}
