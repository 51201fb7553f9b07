import { MillraceError } from '../base/errors.ts'
import { shownValue } from '../base/shown-value.ts'
import type { TopicSettings } from '../record/topic-settings.ts'

/*
 * What a topic may be called and how it may be set, with Kafka's meanings and, where it makes sense for a log of one
 * node, its defaults. Everything is checked here, once, before it is journaled; what a journal holds is trusted.
 */

export type CompleteSettings = Required<TopicSettings>

const MIB = 1024 * 1024
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

export const DEFAULT_SETTINGS: Omit<CompleteSettings, 'partitions'> = Object.freeze({
  durability: 'fsync',
  internal: false,
  segmentBytes: 64 * MIB,
  segmentMs: 7 * DAY_MS,
  cleanup: 'delete',
  retentionMs: null,
  retentionBytes: null,
  deleteRetentionMs: DAY_MS,
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: null,
  recordBytesMax: 1_048_588,
  timestampType: 'createTime',
})

const SEGMENT_BYTES_MIN = 1024
/** Positions in index files are signed 32-bit numbers. */
const INT32_MAX = 0x7fff_ffff
const PARTITIONS_MAX = 100_000

/** The settings of a new topic. Throws MILLRACE_INVALID_ARGUMENT for a bad name or setting. */
export function checkedSettings(name: string, settings: TopicSettings): CompleteSettings {
  checkName(name)
  return checked(name, completeSettings(settings))
}

/** The settings of a topic after a change of some. Throws MILLRACE_INVALID_ARGUMENT. */
export function changedSettings(
  name: string,
  present: CompleteSettings,
  changes: Partial<TopicSettings>,
): CompleteSettings {
  const wanted = checked(name, { ...present, ...defined(changes) })
  if (wanted.internal !== present.internal)
    throw invalid(name, `internal is ${present.internal} and cannot be changed`)
  if (wanted.partitions < present.partitions) {
    throw invalid(
      name,
      `partitions is ${present.partitions} and can only grow, not to ${wanted.partitions}: records would lose their place; make a new topic and copy`,
    )
  }
  return wanted
}

/** What is not said is the default; also for topics that a version with fewer settings made. */
export function completeSettings(settings: TopicSettings): CompleteSettings {
  const internal = settings.internal ?? false
  // State that one key holds may be larger than what a user may send.
  const recordBytesMax = internal ? INT32_MAX : DEFAULT_SETTINGS.recordBytesMax
  const given = defined(settings) as TopicSettings
  return { ...DEFAULT_SETTINGS, recordBytesMax, ...given }
}

/** Kafka's rule, so that a topic can move there and its name is a name of files. */
function checkName(name: string): void {
  if (/^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== '.' && name !== '..') return
  throw new MillraceError(
    'MILLRACE_INVALID_ARGUMENT',
    `${JSON.stringify(name)} is no name for a topic: it has 1 to 249 letters, digits, dots, underscores and hyphens, and is neither "." nor ".."`,
  )
}

function checked(name: string, settings: CompleteSettings): CompleteSettings {
  for (const key of Object.keys(settings)) {
    if (key !== 'partitions' && !(key in DEFAULT_SETTINGS)) {
      const known = ['partitions', ...Object.keys(DEFAULT_SETTINGS)].join(', ')
      throw invalid(name, `there is no setting ${JSON.stringify(key)}; known are ${known}`)
    }
  }
  const integer = (key: keyof CompleteSettings, from: number, to = Number.MAX_SAFE_INTEGER) => {
    const value = settings[key]
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= from && value <= to) return
    throw invalid(name, `${key} is ${String(value)}; expected an integer from ${from} to ${to}`)
  }
  const orNull = (key: keyof CompleteSettings, from: number) => {
    if (settings[key] !== null) integer(key, from)
  }
  const oneOf = (key: keyof CompleteSettings, ...values: readonly unknown[]) => {
    const value = settings[key]
    if (values.includes(value)) return
    throw invalid(name, `${key} is ${shownValue(value)}; expected ${values.join(' or ')}`)
  }
  integer('partitions', 1, PARTITIONS_MAX)
  oneOf('durability', 'fsync', 'os')
  oneOf('internal', true, false)
  integer('segmentBytes', SEGMENT_BYTES_MIN, INT32_MAX)
  integer('segmentMs', 1)
  oneOf('cleanup', 'delete', 'compact', 'compact,delete')
  orNull('retentionMs', 0)
  orNull('retentionBytes', 0)
  integer('deleteRetentionMs', 0)
  integer('minCompactionLagMs', 0)
  orNull('maxCompactionLagMs', 1)
  integer('recordBytesMax', 1, INT32_MAX)
  oneOf('timestampType', 'createTime', 'logAppendTime')
  const { minCleanableDirtyRatio: ratio, minCompactionLagMs, maxCompactionLagMs } = settings
  // A text compares like a number.
  if (typeof ratio !== 'number' || !(ratio >= 0 && ratio <= 1))
    throw invalid(name, `minCleanableDirtyRatio is ${shownValue(ratio)}; expected a number from 0 to 1`)
  if (maxCompactionLagMs !== null && maxCompactionLagMs < minCompactionLagMs) {
    throw invalid(
      name,
      `maxCompactionLagMs is ${maxCompactionLagMs}, less than minCompactionLagMs, which is ${minCompactionLagMs}`,
    )
  }
  return settings
}

/** Without the keys that are there with the value undefined. */
function defined(settings: Partial<TopicSettings>): Partial<TopicSettings> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
}

function invalid(name: string, what: string): MillraceError {
  return new MillraceError('MILLRACE_INVALID_ARGUMENT', `topic ${name}: ${what}`)
}
