import { posix } from 'node:path'
import type { DurationMs } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import { openLog } from '../log/open.ts'
import { MemoryDisk } from '../sys/memory/memory-disk.ts'
import type { Sys } from '../sys/sys.ts'
import type { HousekeepingOptions } from './admin.ts'
import type { FullBroker } from './full-broker.ts'
import { LocalBroker } from './local/local-broker.ts'

const MEMORY_FOLDER = '/memory'

export interface OpenBrokerOptions {
  /** Retention and compaction run in the background. Default: only when they are asked for. */
  readonly housekeeping?: HousekeepingOptions
  /** See LocalBrokerOptions. */
  readonly positionsRetentionMs?: DurationMs | undefined
}

/**
 * The broker at a place: `memory:` (gone with the process), or `file:FOLDER`, where a relative folder begins at
 * `baseFolder`. The log lies in `FOLDER/log`.
 *
 * @throws MillraceError MILLRACE_LOCKED, MILLRACE_CORRUPT, MILLRACE_NEWER_FORMAT, MILLRACE_DISK; MILLRACE_UNSUPPORTED and
 * MILLRACE_INVALID_ARGUMENT for other places.
 */
export function openBroker(
  sys: Sys,
  place: string,
  baseFolder = '/',
  options: OpenBrokerOptions = {},
): FullBroker {
  const { housekeeping, positionsRetentionMs } = options
  const positions = positionsRetentionMs === undefined ? {} : { positionsRetentionMs }
  if (place === 'memory:') {
    const world: Sys = { ...sys, disk: new MemoryDisk() }
    return new LocalBroker(world, openLog(world, MEMORY_FOLDER, { housekeeping }), positions)
  }
  // Nobody above verifies again what it decodes: a flipped bit must end here, with file and position.
  const folder = `${folderOf(place, baseFolder)}/log`
  return new LocalBroker(sys, openLog(sys, folder, { verifyReads: true, housekeeping }), positions)
}

/** The absolute folder of a `file:` place. */
export function folderOf(place: string, baseFolder: string): string {
  const kind = place.slice(0, place.indexOf(':') + 1)
  if (kind === 'kafka:') {
    throw new MillraceError(
      'MILLRACE_UNSUPPORTED',
      `${place}: this version of millrace does not connect to Kafka; use memory: or file:FOLDER`,
    )
  }
  // Of the three forms a URL may take, file://host/folder has no meaning here.
  const path = place.slice(kind.length).replace(/^\/\/(?=\/)/, '')
  if (kind !== 'file:' || path === '' || path.startsWith('//')) {
    throw new MillraceError(
      'MILLRACE_INVALID_ARGUMENT',
      `${JSON.stringify(place)} is no place for data; use memory: or file:FOLDER, as in file:./data`,
    )
  }
  return posix.resolve(baseFolder, path)
}
