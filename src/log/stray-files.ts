import type { TopicId } from '../base/brands.ts'
import type { Disk } from '../sys/disk.ts'
import type { TailCut } from './log.ts'
import { isCutAway, topicOfFolder, topicsFolder } from './log-paths.ts'
import type { OpenFiles } from './open-files.ts'
import type { MutableTopic } from './recovery-state.ts'
import { belongsToSwap } from './segment-swap.ts'

/**
 * Files that no entry knows: their creation was on the platter, the entry that names them was not. A log that was
 * closed has only folders of deleted topics whose removal was not finished.
 *
 * @param deleted topics whose end is in the journal: nobody misses what is left of them.
 * @returns segments with content, for a report.
 */
export function removeStrayFiles(
  disk: Disk,
  files: OpenFiles,
  log: string,
  topics: readonly MutableTopic[],
  options: {
    readonly clean: boolean
    readonly deleted: ReadonlySet<TopicId>
    /** Called before such a segment is removed. */
    readonly keep: ((cut: TailCut) => void) | undefined
  },
): TailCut[] {
  const partitions = topics.flatMap((topic) => topic.partitions)
  const known = new Map(partitions.map((partition) => [partition.folder, partition]))
  const reported: TailCut[] = []
  for (const name of disk.list(topicsFolder(log))) {
    const folder = `${topicsFolder(log)}/${name}`
    const partition = known.get(folder)
    if (options.clean && partition !== undefined) continue
    const bases = new Set((partition?.segments ?? []).map((segment) => segment.path))
    for (const file of disk.list(folder)) {
      const path = `${folder}/${file}`
      const swap = partition?.record.swap
      if (swap !== undefined && belongsToSwap(path, folder, swap)) continue
      if (bases.has(path.slice(0, path.lastIndexOf('.')))) continue
      // What a repair kept is for people; it goes with its topic.
      if (partition !== undefined && isCutAway(file)) continue
      if (!options.clean && !options.deleted.has(topicOfFolder(name))) {
        const cuts = report(disk, path)
        if (options.keep !== undefined) cuts.forEach(options.keep)
        reported.push(...cuts)
      }
      files.forget(path)
      disk.remove(path)
    }
    if (partition === undefined) disk.remove(folder)
  }
  return reported
}

function report(disk: Disk, path: string): TailCut[] {
  const to = disk.size(path) ?? 0
  if (!path.endsWith('.log') || to === 0) return []
  return [{ file: path, from: 0, to, why: 'no durable journal entry knows this segment' }]
}
