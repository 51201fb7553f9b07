import { resolve } from 'node:path'
import { MillraceError } from '../base/errors.ts'
import { nodeSys } from '../sys/node/node-sys.ts'
import type { Sys } from '../sys/sys.ts'

/** Where data lives: a URL, and nothing else says so. An `http:` one is of the app that holds the data. */
export type Place = 'memory:' | `file:${string}` | `http://${string}`

/** Literals are checked, texts that come at run time are taken. */
export type Checked<A extends string> = A extends Place ? A : string extends A ? A : Place

/** A place that was understood. */
export interface OpenPlace {
  readonly sys: Sys
  /** As a broker takes it: an absolute `file:` or `memory:`. */
  readonly url: 'memory:' | `file:${string}`
  /** Folder of a `file:` place, absolute. */
  readonly folder: string | undefined
  /** Where local snapshots of the stores lie. */
  readonly stateFolder: string | undefined
}

/** @throws MillraceError MILLRACE_INVALID_ARGUMENT for anything that is no place. */
export function openPlace(at: string, baseFolder: string): OpenPlace {
  if (at === 'memory:') {
    // Only the log lies in memory (the broker sees to that): files that an app reads and writes are files.
    return { sys: nodeSys(), url: at, folder: undefined, stateFolder: undefined }
  }
  const path = at.startsWith('file:') ? at.slice('file:'.length).replace(/^\/\/(?=\/)/, '') : ''
  if (path === '') {
    const problem = `${JSON.stringify(at)} is no place: expected memory: or file:FOLDER, as file:./data${hintFor(at)}`
    throw new MillraceError('MILLRACE_INVALID_ARGUMENT', problem)
  }
  const folder = resolve(baseFolder, path)
  return {
    sys: nodeSys(),
    url: `file:${folder}`,
    folder,
    stateFolder: `${folder}/state`,
  }
}

function hintFor(at: string): string {
  if (at.startsWith('kafka:')) return '; this version has no Kafka adapter yet'
  const way = "open('http://...') reaches its log, and its topics are read there"
  return /^https?:/.test(at) ? `; the data of a running app is that app's: ${way}` : ''
}
