import type { Timestamp } from '../base/brands.ts'
import type { Level, Lines, Sys } from '../sys/sys.ts'
import { SeededRandom } from './seeded-random.ts'
import { SimDisk } from './sim-disk.ts'
import { VirtualTime } from './virtual-time.ts'

export interface SimSys extends Sys {
  readonly seed: number
  readonly time: VirtualTime
  readonly disk: SimDisk
  readonly random: SeededRandom
  readonly lines: RecordedLines
}

/** A world of its own from one seed. */
export function simSys(
  seed: number,
  options: { readonly now?: Timestamp; readonly disk?: SimDisk } = {},
): SimSys {
  const random = new SeededRandom(seed)
  const time = new VirtualTime(options.now ?? 0)
  const disk = options.disk ?? new SimDisk(random.fork('disk').uint32(), { timers: time })
  return {
    seed,
    time,
    clock: time,
    timers: time,
    disk,
    random: random.fork('program'),
    lines: new RecordedLines(),
  }
}

/** The world after a power cut of `before`: the disk as it is left, a fresh clock that goes on from there. */
export function restartSys(before: SimSys, seed: number): SimSys {
  const time = new VirtualTime(before.time.now())
  before.time.clear()
  const disk = before.disk.restart(new SeededRandom(seed).fork('restart').uint32(), time)
  const random = new SeededRandom(seed).fork('program')
  return { seed, time, clock: time, timers: time, disk, random, lines: new RecordedLines() }
}

/** Log lines, kept for a test to look at. */
export class RecordedLines implements Lines {
  readonly all: {
    level: Level
    message: string
    fields: Readonly<Record<string, string | number | boolean>>
  }[] = []

  write(
    level: Level,
    message: string,
    fields: Readonly<Record<string, string | number | boolean>> = {},
  ): void {
    this.all.push({ level, message, fields })
  }
}
