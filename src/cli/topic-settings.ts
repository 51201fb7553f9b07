import { ms } from '../base/duration.ts'
import { MillraceError } from '../base/errors.ts'
import type { TopicSettings } from '../record/topic-settings.ts'

const KINDS: Readonly<Record<string, 'word' | 'time' | 'number'>> = {
  durability: 'word',
  cleanup: 'word',
  timestampType: 'word',
  segmentMs: 'time',
  retentionMs: 'time',
  deleteRetentionMs: 'time',
  minCompactionLagMs: 'time',
  maxCompactionLagMs: 'time',
  segmentBytes: 'number',
  retentionBytes: 'number',
  recordBytesMax: 'number',
  minCleanableDirtyRatio: 'number',
}

export const SETTINGS_HELP = `
Settings (--set name=value, may be repeated):
  cleanup                 delete, compact, or compact,delete
  retentionMs             how long records stay, as 7d; none: for ever
  retentionBytes          how much a partition holds; none: no limit
  durability              fsync or os
  segmentMs, segmentBytes when a segment is closed
  deleteRetentionMs       how long compaction keeps a tombstone
  minCleanableDirtyRatio  compact when this part of a partition was not yet, 0 to 1
  minCompactionLagMs, maxCompactionLagMs
  recordBytesMax          larger records are refused
  timestampType           createTime or logAppendTime`

/** Settings as a person writes them: name=value, times as 7d, `none` where there may be none. */
export function parseSettings(texts: readonly string[]): Partial<TopicSettings> {
  const settings: Record<string, string | number | null> = {}
  for (const text of texts) {
    const at = text.indexOf('=')
    const [name, value] = at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
    const kind = KINDS[name]
    if (kind === undefined || value === '') {
      const known = Object.keys(KINDS).join(', ')
      const problem =
        kind === undefined ? `there is no setting ${JSON.stringify(name)}` : `${name} has no value`
      throw new MillraceError('MILLRACE_INVALID_ARGUMENT', `--set ${text}: ${problem}; known are ${known}`)
    }
    settings[name] =
      value === 'none' ? null : kind === 'word' ? value : kind === 'time' ? ms(value) : Number(value)
  }
  return settings
}
