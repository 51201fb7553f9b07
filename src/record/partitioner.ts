import { assert } from '../base/assert.ts'
import type { PartitionId } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import { murmur2, toPositive } from '../base/murmur2.ts'
import { shownValue } from '../base/shown-value.ts'

/** Where a key belongs, exactly as every Kafka client of the Java line says: murmur2 without its sign, modulo. */
export function partitionOf(
  bytes: Uint8Array,
  partitions: number,
  start = 0,
  end = bytes.length,
): PartitionId {
  assert(partitions > 0, () => `a topic has at least one partition, got ${partitions}`)
  return toPositive(murmur2(bytes, start, end)) % partitions
}

/** Why a partition that somebody asked for cannot be had; undefined: it is there. */
export function refusedPartition(
  topic: { readonly name: string; readonly partitions: number },
  wanted: number,
): MillraceError | undefined {
  if (Number.isInteger(wanted) && wanted >= 0 && wanted < topic.partitions) return undefined
  return new MillraceError(
    'MILLRACE_INVALID_ARGUMENT',
    `${topic.name} has no partition ${shownValue(wanted)}: it has partitions 0 to ${topic.partitions - 1}`,
  )
}

/**
 * Places records without a key: all into one partition until its batch is full, then the next one, so that batches
 * are large. Round robin from a first partition that the caller chooses (several producers should not march in step).
 */
export class StickyPartitioner {
  readonly #partitions: number
  #current: PartitionId

  constructor(partitions: number, first: PartitionId = 0) {
    assert(
      Number.isInteger(partitions) && partitions > 0 && Number.isInteger(first) && first >= 0,
      () => `a sticky partitioner needs partitions > 0 and a first >= 0, got ${partitions} and ${first}`,
    )
    this.#partitions = partitions
    this.#current = first % partitions
  }

  /** The partition of the batch that is being filled. */
  get current(): PartitionId {
    return this.#current
  }

  /** The batch was sent or is full: the next record begins one in the next partition. */
  nextBatch(): PartitionId {
    this.#current = (this.#current + 1) % this.#partitions
    return this.#current
  }
}
