import type { Timestamp } from '../base/brands.ts'
import { durationMs, timeMs } from '../base/duration.ts'
import type { GroupConsumerOptions } from '../clients/group-consumer.ts'
import type { StartFrom } from '../clients/start-offset.ts'
import {
  checkChoice,
  checkOptionalText,
  checkOptions,
  checkPlace,
  checkSignal,
  checkText,
  wrong,
} from './argument-checks.ts'
import type {
  BatchOptions,
  CommitMode,
  ConsumedTopic,
  ConsumerOptions,
  WorkOptions,
} from './consumer-options.ts'

const FETCH_BYTES = 256 * 1024
const HEARTBEATS_PER_SESSION = 10
/** A heartbeat tells of a rebalance as well: nobody should wait long for the partitions that others must let go. */
const HEARTBEAT_MS_MAX = 500
const FALLBACKS = ['earliest', 'latest', 'fail']
const BATCH_RECORDS = 500
const BATCH_BYTES = 1024 * 1024

/** @throws MillraceError MILLRACE_INVALID_ARGUMENT. */
export function checkConsumerOptions(options: ConsumerOptions<ConsumedTopic, CommitMode>): void {
  checkText(options.group, 'the group of a consumer', 'billing')
  if (!Array.isArray(options.topics) || options.topics.length === 0)
    throw wrong('topics', options.topics, 'at least one topic: topics: [orders]')
  const { from } = options
  if (from !== undefined) checkPlace(from, 'from', ['committed', 'earliest', 'latest'], ['time', 'offset'])
  if (typeof from === 'object' && 'offset' in from && !Number.isSafeInteger(from.offset))
    throw wrong('from.offset', from.offset, 'a whole number')
  // A typing error would be taken for the default, or for the choice that is not named.
  checkChoice(options.commit, 'commit', ['auto', 'manual'])
  checkChoice(options.delivery, 'delivery', ['at-least-once', 'at-most-once'])
  checkChoice(options.isolation, 'isolation', ['read_committed', 'read_uncommitted'])
  checkChoice(options.ifNone, 'ifNone', FALLBACKS)
  checkChoice(options.ifOutOfRange, 'ifOutOfRange', FALLBACKS)
  checkOptionalText(options.instance, 'instance', 'billing-1')
  checkOptionalText(options.client, 'client', 'billing')
  checkSignal(options.signal)
}

/** The core's options for the user's. @throws MillraceError MILLRACE_INVALID_ARGUMENT. */
export function coreOptions(
  options: ConsumerOptions<ConsumedTopic, CommitMode>,
  topics: readonly string[],
): GroupConsumerOptions {
  const sessionTimeoutMs = durationMs(options.sessionTimeout ?? '45s', 'sessionTimeout')
  const drainMs = durationMs(options.drainTimeout ?? '30s', 'drainTimeout')
  // 'at-most-once' commits what it gives out, before it does.
  const manual = options.commit === 'manual' || options.delivery === 'at-most-once'
  return {
    group: options.group,
    topics,
    instance: options.instance ?? null,
    client: options.client ?? 'millrace',
    host: '',
    sessionTimeoutMs,
    heartbeatMs: Math.max(
      1,
      Math.min(Math.floor(sessionTimeoutMs / HEARTBEATS_PER_SESSION), HEARTBEAT_MS_MAX),
    ),
    rebalanceTimeoutMs: drainMs * 2,
    drainMs,
    from: startFrom(options.from),
    ifNone: options.ifNone ?? 'earliest',
    ifOutOfRange: options.ifOutOfRange ?? 'fail',
    commitIntervalMs: manual ? undefined : durationMs(options.commitInterval ?? '1s', 'commitInterval'),
    commitFinished: !manual,
    fetchBytesMax: FETCH_BYTES,
    isolation: options.isolation ?? 'read_committed',
  }
}

function startFrom(from: ConsumerOptions<ConsumedTopic, CommitMode>['from']): StartFrom {
  if (typeof from !== 'object') return from ?? 'committed'
  if ('offset' in from) return from
  const time: Timestamp = timeMs(from.time, 'from.time')
  return { time }
}

export function concurrencyOf(options: WorkOptions): { by: 'partition' | 'key'; limit: number } {
  checkOptions(options, 'the options of run')
  const { concurrency = 1 } = options
  const chosen =
    typeof concurrency === 'number' ? { by: 'partition' as const, limit: concurrency } : concurrency
  if (typeof chosen !== 'object' || chosen === null)
    throw wrong('concurrency', chosen, "a whole number from 1 on, or { by: 'key', limit: 8 }")
  checkChoice(chosen.by ?? null, 'concurrency.by', ['partition', 'key'])
  if (Number.isSafeInteger(chosen.limit) && chosen.limit > 0) return chosen
  throw wrong('concurrency', chosen.limit, 'a whole number from 1 on')
}

/** @throws MillraceError MILLRACE_INVALID_ARGUMENT. */
export function batchLimits(options: BatchOptions): { records: number; bytes: number; withinMs: number } {
  checkOptions(options, 'the options of batches')
  const { records = BATCH_RECORDS, bytes = BATCH_BYTES, within } = options
  for (const [name, value] of Object.entries({ records, bytes })) {
    if (Number.isSafeInteger(value) && value > 0) continue
    throw wrong(`${name} of a batch`, value, 'a whole number from 1 on')
  }
  return { records, bytes, withinMs: within === undefined ? 0 : durationMs(within, 'within') }
}
