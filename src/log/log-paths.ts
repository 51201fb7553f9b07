import type { Offset, PartitionId, TopicId } from '../base/brands.ts'

/*
 * <log>/format.json              version of the directory's format
 * <log>/journal/<number>.journal twenty digits: the number of its first entry
 * <log>/topics/<id>-<partition>/ twenty digits: a segment's base offset, with .log, .index, .timeindex
 */

export function journalFolder(log: string): string {
  return `${log}/journal`
}

export function topicsFolder(log: string): string {
  return `${log}/topics`
}

export function partitionFolder(log: string, topic: TopicId, partition: PartitionId): string {
  return `${log}/topics/${topic}-${partition}`
}

/** The topic by the name of a partition's folder. */
export function topicOfFolder(name: string): TopicId {
  return name.slice(0, name.lastIndexOf('-'))
}

export function journalFile(log: string, first: number): string {
  return `${log}/journal/${twentyDigits(first)}.journal`
}

/** The base offset of a segment by its file's name; undefined for another file. */
export function segmentBase(name: string): Offset | undefined {
  const match = /^([0-9]{20})[.]log$/.exec(name)
  return match === null ? undefined : Number(match[1])
}

/** Where a repair keeps bytes `from` to `to` of the file that it cut out. */
export function cutAwayPath(file: string, from: number, to: number): string {
  return `${file}.cut-${from}-${to}`
}

export function isCutAway(name: string): boolean {
  return /[.]cut-[0-9]+-[0-9]+$/.test(name)
}

/** The number of the first entry of a journal file by its name; undefined for another file. */
export function journalNumber(name: string): number | undefined {
  const match = /^([0-9]{20})[.]journal$/.exec(name)
  return match === null ? undefined : Number(match[1])
}

/** Without its suffix. */
export function segmentPath(folder: string, base: Offset): string {
  return `${folder}/${twentyDigits(base)}`
}

function twentyDigits(value: number): string {
  return String(value).padStart(20, '0')
}
