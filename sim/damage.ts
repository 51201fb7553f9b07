/**
 * A bit is flipped in a log that was closed, on a copy of its disk. Whoever opens it must be told, or read what was
 * there: nothing else may come out of it as data, and nothing may be missing without an error. Then the log is repaired:
 * it must open, and hold nothing but what was written.
 */
import { isMillraceError, messageOf } from '../src/base/errors.ts'
import { LocalBroker } from '../src/broker/local/local-broker.ts'
import { openLog } from '../src/log/open.ts'
import { repairLog } from '../src/log/repair.ts'
import { LogVerifier } from '../src/log/verify.ts'
import type { SimDisk } from '../src/sim/sim-disk.ts'
import { restartSys, type SimSys } from '../src/sim/sim-sys.ts'
import type { Model } from './model/model.ts'
import { differenceOf } from './model/sent-record.ts'
import { type PartitionView, viewOf } from './observation.ts'
import { FOLDER, type World } from './world.ts'

/** What comes out of a log, by place, and the positions of its groups. */
interface Content {
  readonly views: ReadonlyMap<string, PartitionView>
  readonly groups: ReadonlyMap<string, string>
}

/** For a world whose log is closed. @returns what came out of the damaged log that must not. */
export function damageProblem(world: World): string | undefined {
  const { random, sys, model } = world
  // What a power cut leaves is the same in every copy of it.
  const closed = restartSys(sys, random.uint32())
  const copy = (): SimSys => restartSys(closed, 1)
  const verifyReads = world.breakage.unverified !== true
  const before = contentOf(copy(), verifyReads)
  if (before instanceof Error) return `it does not open after a close: ${before.message}`
  const damaged = copy()
  const damage = flipSomeBit(world, damaged.disk)
  world.moveTo(copy())
  if (damage === undefined) return undefined
  const { path, position, bit } = damage
  const problem =
    servedWrong(before, contentOf(damaged, verifyReads), model) ?? repairedWrong(copy(), damage, model)
  return problem === undefined ? undefined : `${problem}, after bit ${bit} of ${path}:${position} was flipped`
}

interface Damage {
  readonly path: string
  readonly position: number
  readonly bit: number
}

function flipSomeBit(world: World, disk: SimDisk): Damage | undefined {
  const { random } = world
  const files = filesOf(disk, FOLDER).filter((path) => (disk.size(path) ?? 0) > 0)
  const path = files[random.below(files.length)]
  if (path === undefined) return undefined
  const damage = { path, position: random.below(disk.size(path) ?? 1), bit: random.below(8) }
  disk.flipBit(path, damage.position, damage.bit)
  world.note(`fault: bit ${damage.bit} of ${path}:${damage.position} is flipped in a copy`)
  return damage
}

function filesOf(disk: SimDisk, folder: string): string[] {
  return disk.list(folder).flatMap((name) => {
    const path = `${folder}/${name}`
    return disk.size(path) === undefined ? filesOf(disk, path) : [path]
  })
}

/** The error of the opening, if it tells about it in the way that it must. */
function contentOf(sys: SimSys, verifyReads: boolean): Content | Error {
  try {
    const broker = new LocalBroker(sys, openLog(sys, FOLDER, { verifyReads }))
    const views = broker
      .topics()
      .filter(({ internal }) => !internal)
      .flatMap(({ name, partitions }) =>
        Array.from({ length: partitions }, (_, partition) => viewOf(broker, name, partition, 2000)),
      )
    const groups = broker.groups.list().map(({ group }): [string, string] => {
      return [group, JSON.stringify(broker.groups.describe(group)?.positions)]
    })
    return { views: new Map(views.map((view) => [view.place, view])), groups: new Map(groups) }
  } catch (error) {
    if (!isMillraceError(error) || error.remedy === 'report') throw error
    return error
  }
}

function servedWrong(before: Content, after: Content | Error, model: Model): string | undefined {
  if (after instanceof Error) return undefined
  for (const [place, was] of before.views) {
    const is = after.views.get(place)
    if (is === undefined) return `${was.name} is gone, and nobody was told`
    const foreign = foreignRecord(is, model)
    if (foreign !== undefined) return foreign
    // Whoever reads there is told.
    if (is.error !== undefined) continue
    for (const { id, stored } of was.committed) {
      const found = is.committedAt.get(stored.offset)?.id
      if (found !== id)
        return `${was.name}@${stored.offset} is ${found ?? 'not there'} without an error, was ${id}`
    }
  }
  for (const [group, positions] of before.groups) {
    if (after.groups.get(group) !== positions)
      return `the positions of ${group} are ${after.groups.get(group)}, were ${positions}`
  }
  return undefined
}

function repairedWrong(sys: SimSys, { path, position, bit }: Damage, model: Model): string | undefined {
  sys.disk.flipBit(path, position, bit)
  try {
    repairLog(sys, FOLDER)
  } catch (error) {
    // A version that is not known yet is not repaired.
    if (isMillraceError(error) && error.code === 'MILLRACE_NEWER_FORMAT') return undefined
    throw error
  }
  const content = contentOf(sys, true)
  if (content instanceof Error) return `it does not open after its repair: ${content.message}`
  for (const view of content.views.values()) {
    // Nothing says any more that it was a topic of the system.
    if (view.name.startsWith('recovered-')) continue
    if (view.error !== undefined)
      return `${view.name} cannot be read after its repair: ${messageOf(view.error)}`
    const foreign = foreignRecord(view, model)
    if (foreign !== undefined) return `after its repair, ${foreign}`
  }
  const again = restartSys(sys, 1)
  const verifier = new LogVerifier(openLog(again, FOLDER))
  while (verifier.step());
  const finding = verifier.report().findings.find(({ file }) => !file.endsWith('index'))
  return finding === undefined
    ? undefined
    : `after its repair, ${finding.file}:${finding.position}: ${finding.what}`
}

/** A record that nobody wrote like that. */
function foreignRecord(view: PartitionView, { records }: Model): string | undefined {
  for (const { id, stored } of view.all) {
    const sent = records.get(id)
    const problem = sent === undefined ? 'it was never sent' : differenceOf(sent, stored)
    if (problem !== undefined) return `${view.name}@${stored.offset} is served as record ${id}: ${problem}`
  }
  return undefined
}
