import { randomUUID } from 'node:crypto'
import type { Disk } from '../disk.ts'
import type { Clock, Random, Sys, Timers } from '../sys.ts'
import { NodeDisk } from './node-disk.ts'
import { NodeLines, type NodeLinesOptions } from './node-lines.ts'

export interface NodeSysOptions {
  readonly lines?: NodeLinesOptions
  /** Instead of the real disk: a memory disk for `memory:` places. */
  readonly disk?: Disk
}

/** The real world. */
export function nodeSys(options: NodeSysOptions = {}): Sys {
  return {
    clock: CLOCK,
    timers: TIMERS,
    random: RANDOM,
    disk: options.disk ?? new NodeDisk(),
    lines: new NodeLines(options.lines),
  }
}

const CLOCK: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

/** What setTimeout can count; beyond it, it fires at once. */
const WAIT_MAX_MS = 0x7fff_ffff

const TIMERS: Timers = {
  after(ms, run, background = false) {
    let handle: NodeJS.Timeout
    // setTimeout rounds down and may fire up to 1 ms early; the port promises `ms` or more.
    const due = performance.now() + ms
    const wait = () => {
      const left = due - performance.now()
      if (left <= 0) run()
      else handle = start(Math.ceil(left))
    }
    const start = (waitMs: number) => {
      const started = setTimeout(wait, Math.min(waitMs, WAIT_MAX_MS))
      return background ? started.unref() : started
    }
    handle = start(Math.max(ms, 0))
    return { cancel: () => clearTimeout(handle) }
  },
  soon(run) {
    setImmediate(run)
  },
}

const RANDOM: Random = { next: () => Math.random(), uuid: () => randomUUID() }
