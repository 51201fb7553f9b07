import type { Timestamp } from '../base/brands.ts'
import { durationMs, timeMs } from '../base/duration.ts'
import { MillraceError } from '../base/errors.ts'
import type { GroupConsumerOptions } from '../clients/group-consumer.ts'
import type { StartFrom } from '../clients/start-offset.ts'
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
const BATCH_RECORDS = 500
const BATCH_BYTES = 1024 * 1024

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

export function concurrencyOf({ concurrency = 1 }: WorkOptions): { by: 'partition' | 'key'; limit: number } {
  const chosen =
    typeof concurrency === 'number' ? { by: 'partition' as const, limit: concurrency } : concurrency
  if (Number.isSafeInteger(chosen.limit) && chosen.limit > 0) return chosen
  throw new MillraceError(
    'MILLRACE_INVALID_ARGUMENT',
    `concurrency is ${chosen.limit}, expected a whole number from 1 on`,
  )
}

/** @throws MillraceError MILLRACE_INVALID_ARGUMENT. */
export function batchLimits(options: BatchOptions): { records: number; bytes: number; withinMs: number } {
  const { records = BATCH_RECORDS, bytes = BATCH_BYTES, within } = options
  for (const [name, value] of Object.entries({ records, bytes })) {
    if (Number.isSafeInteger(value) && value > 0) continue
    throw new MillraceError(
      'MILLRACE_INVALID_ARGUMENT',
      `${name} of a batch is ${value}, expected a whole number from 1 on`,
    )
  }
  return { records, bytes, withinMs: within === undefined ? 0 : durationMs(within, 'within') }
}
