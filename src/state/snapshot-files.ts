import { isMillraceError } from '../base/errors.ts'
import type { Disk } from '../sys/disk.ts'
import { SnapshotFileReader, type SnapshotHead } from './snapshot-format.ts'

/** How many snapshots of a store are kept: the changelog is cut at the older one, so a damaged newest loses nothing. */
export const SNAPSHOTS_KEPT = 2
const NAME = /^snapshot-(\d{12})$/
const UNFINISHED = /^snapshot-\d{12}\.part$/

/** Paths of the finished snapshots in a folder, newest first. */
export function snapshotPaths(disk: Disk, folder: string): readonly string[] {
  return disk
    .list(folder)
    .filter((name) => NAME.test(name))
    .reverse()
    .map((name) => `${folder}/${name}`)
}

/** Where the next snapshot goes; its number is above any before it. */
export function nextSnapshotPath(disk: Disk, folder: string): string {
  const newest = NAME.exec(snapshotPaths(disk, folder)[0]?.slice(folder.length + 1) ?? '')?.[1] ?? '0'
  return `${folder}/snapshot-${String(Number(newest) + 1).padStart(12, '0')}`
}

/** Removes what a crash left half-written. */
export function removeUnfinished(disk: Disk, folder: string): void {
  for (const name of disk.list(folder)) if (UNFINISHED.test(name)) disk.remove(`${folder}/${name}`)
}

/** The first block of a snapshot; undefined if it is damaged or none. */
export function readSnapshotHead(disk: Disk, path: string): SnapshotHead | undefined {
  const file = disk.open(path, 'read')
  try {
    const block = new SnapshotFileReader(file).next()
    return block?.kind === 'head' ? block.head : undefined
  } catch (error) {
    if (isMillraceError(error) && error.remedy === 'repair') return undefined
    throw error
  } finally {
    file.close()
  }
}
