import type { HousekeepingKind } from '../housekeeper.ts'
import type { Answer } from '../log.ts'
import type { Partition } from '../partition.ts'
import { type CompactionHost, CompactionJob } from './compaction-job.ts'
import { cleanableSection, isDue, mustRoll } from './dirty-section.ts'

export interface CompactionKindHost extends CompactionHost {
  /** Begins a new segment behind what was appended; answers when that is durable. */
  readonly roll: (partition: Partition, answer: Answer<void>) => void
}

/**
 * Compaction keeps the latest record of each key, with its offset. Only of closed segments of which all is stable; so
 * the active one is closed first where its records have waited for `maxCompactionLagMs`.
 */
export function compactionKind(host: CompactionKindHost): HousekeepingKind {
  return {
    what: 'compaction',
    due(partition, now) {
      if (partition.topic.settings.cleanup === 'delete') return undefined
      if (mustRoll(partition, now)) host.roll(partition, () => {})
      const section = cleanableSection(partition, now)
      if (section === undefined || !isDue(partition, section, now)) return undefined
      return new CompactionJob(host, partition, section)
    },
  }
}
