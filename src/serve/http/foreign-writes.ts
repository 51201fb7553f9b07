import type { TopicId } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import type { PartitionBatch } from '../../broker/broker.ts'
import type { FullBroker } from '../../broker/full-broker.ts'
import { COORDINATOR_TOPICS } from '../../broker/local/coordinator-runtime.ts'
import { batchSizeBytes, verifyBatch } from '../../record/batch-header.ts'

/** Names of internal topics by id, undefined for the others. An id never gets another topic. */
const internal = new WeakMap<FullBroker, Map<TopicId, string | undefined>>()

/**
 * What another process wants to be appended must have arrived whole, and go to nobody's own topics.
 * @throws MillraceError MILLRACE_INVALID_ARGUMENT.
 */
export function checkAppend(broker: FullBroker, batches: readonly PartitionBatch[]): void {
  for (const batch of batches) {
    const name = internalName(broker, batch.topic)
    if (name !== undefined) throw notTheirs(name)
    checkWhole(batch)
  }
}

/**
 * An engine writes the topics that it keeps for itself, but never those of the coordinators.
 * @throws MillraceError MILLRACE_INVALID_ARGUMENT.
 */
export function checkCommit(broker: FullBroker, batches: readonly PartitionBatch[]): void {
  for (const batch of batches) {
    checkNotCoordinators(broker, batch.topic)
    checkWhole(batch)
  }
}

/** @throws MillraceError MILLRACE_INVALID_ARGUMENT. */
export function checkNotCoordinators(broker: FullBroker, topic: TopicId): void {
  const name = internalName(broker, topic)
  if (name !== undefined && COORDINATOR_TOPICS.includes(name)) throw notTheirs(name)
}

function internalName(broker: FullBroker, topic: TopicId): string | undefined {
  let names = internal.get(broker)
  if (names?.has(topic) !== true) {
    names = new Map(broker.topics().map((one) => [one.id, one.internal ? one.name : undefined]))
    internal.set(broker, names)
  }
  return names.get(topic)
}

function checkWhole({ topic, partition, bytes }: PartitionBatch): void {
  for (let at = 0; at < bytes.length; at += batchSizeBytes(bytes, at)) {
    const problem = verifyBatch(bytes, at, bytes.length)
    if (problem === undefined) continue
    const where = `the batch at byte ${at} for partition ${partition} of the topic with the id ${topic}`
    throw new MillraceError('MILLRACE_INVALID_ARGUMENT', `${where} did not arrive whole: ${problem}`)
  }
}

function notTheirs(name: string): MillraceError {
  const problem = `${name} is a topic that the app keeps for itself: nothing else may write to it`
  return new MillraceError('MILLRACE_INVALID_ARGUMENT', problem)
}
