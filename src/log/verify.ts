import { assert } from '../base/assert.ts'
import type { Offset } from '../base/brands.ts'
import { BATCH_HEADER_BYTES, batchRecordCount, verifyBatch } from '../record/batch-header.ts'
import type { Log, LogPartition } from './log.ts'
import { Partition } from './partition.ts'
import type { Segment } from './segment.ts'
import { TransactionVerifier } from './verify-transactions.ts'

export interface VerifyProgress {
  readonly bytesDone: number
  readonly bytesTotal: number
}

export interface Finding {
  /** `topic-partition`. */
  readonly partition: string
  readonly file: string
  readonly position: number
  readonly what: string
}

export interface VerifyReport {
  readonly partitions: number
  readonly batches: number
  readonly records: number
  readonly bytes: number
  readonly findings: readonly Finding[]
}

const CHUNK_BYTES = 1024 * 1024

/**
 * Reads every byte of a log: checksums of batches, offsets without gaps from segment to segment, and indexes that say
 * what the batches say. Changes nothing. In slices: the caller gives the event loop its turn between them.
 */
export class LogVerifier {
  readonly #work: { readonly partition: Partition; readonly segment: Segment }[] = []
  readonly #findings: Finding[] = []
  readonly #partitions: number
  #at = 0
  #position = 0
  /** Of the partition that is looked at. */
  #transactions = new TransactionVerifier()
  #expected: Offset = -1
  #batches = 0
  #records = 0
  #bytes = 0
  readonly #bytesTotal: number

  constructor(log: Log) {
    const partitions = log.topics().flatMap((topic) => topic.partitions.map(local))
    this.#partitions = partitions.length
    for (const partition of partitions) {
      for (const segment of partition.segments) this.#work.push({ partition, segment })
    }
    this.#bytesTotal = this.#work.reduce((sum, { segment }) => sum + segment.sizeBytes, 0)
  }

  get progress(): VerifyProgress {
    return { bytesDone: this.#bytes, bytesTotal: this.#bytesTotal }
  }

  report(): VerifyReport {
    return {
      partitions: this.#partitions,
      batches: this.#batches,
      records: this.#records,
      bytes: this.#bytes,
      findings: this.#findings,
    }
  }

  /** Looks at about one MiB more; false when all was looked at. */
  step(): boolean {
    const work = this.#work[this.#at]
    if (work === undefined) return false
    const { partition, segment } = work
    const limit = segment.sizeBytes
    if (this.#position < limit) this.#readChunk(partition, segment, limit)
    if (this.#position < limit) return true
    this.#checkIndexes(partition, segment)
    const next = this.#work[this.#at + 1]
    if (next !== undefined && next.partition === partition && next.segment.base !== segment.next) {
      this.#find(
        partition,
        segment.file,
        limit,
        `it ends with offset ${segment.next}, the next segment begins with ${next.segment.base}`,
      )
    }
    if (next?.partition !== partition) this.#transactions = new TransactionVerifier()
    this.#at += 1
    this.#position = 0
    this.#expected = -1
    return true
  }

  #readChunk(partition: Partition, segment: Segment, limit: number): void {
    const start = this.#position
    let bytes: Uint8Array = new Uint8Array(Math.min(CHUNK_BYTES, limit - start))
    try {
      segment.read(bytes, start)
      let used = 0
      while (used < bytes.length) {
        if (bytes.length - used < BATCH_HEADER_BYTES && start + bytes.length < limit) break
        const expected = this.#expected >= 0 ? this.#expected : segment.base
        const batch = segment.head(bytes, used, start + used, limit, expected)
        if (used + batch.sizeBytes > bytes.length) {
          if (used > 0) break
          bytes = new Uint8Array(batch.sizeBytes)
          segment.read(bytes, start)
        }
        partition.checkEpoch(segment, batch)
        const wrong = verifyBatch(bytes, used, bytes.length)
        if (wrong !== undefined) this.#find(partition, segment.file, start + used, wrong)
        else this.#transactions.note(bytes, used, batch.first)
        this.#batches += 1
        this.#records += batchRecordCount(bytes, used)
        this.#expected = batch.last + 1
        used += batch.sizeBytes
      }
      this.#position = start + used
      this.#bytes += used
    } catch (error) {
      // Behind damage to a head no batch can be found: the rest of the segment is left out.
      this.#find(partition, segment.file, start, error instanceof Error ? error.message : String(error))
      this.#bytes += limit - start
      this.#position = limit
    }
  }

  #checkIndexes(partition: Partition, segment: Segment): void {
    // In any case: it takes note of the segment's end.
    const transactions = this.#transactions.faultOf(segment)
    if (this.#findings.some(({ file }) => file === segment.file)) return
    const wrong = segment.indexFault() ?? transactions
    if (wrong !== undefined) this.#find(partition, wrong.file, wrong.position, wrong.what)
  }

  #find(partition: Partition, file: string, position: number, what: string): void {
    this.#findings.push({ partition: partition.name, file, position, what })
  }
}

function local(partition: LogPartition): Partition {
  assert(partition instanceof Partition, 'a log that is verified was opened by openLog')
  return partition
}
