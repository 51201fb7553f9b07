import { MillraceError } from '../base/errors.ts'
import type { Disk } from '../sys/disk.ts'

/**
 * Raised when a program of the version before could misread the directory.
 * 1: millrace 0.1. 2: topics have settings, are altered and deleted.
 */
export const DIRECTORY_FORMAT = 2

/** The version of the log in this folder; undefined if there is none yet. Refuses a newer one. */
export function readDirectoryFormat(disk: Disk, log: string): number | undefined {
  const path = formatPath(log)
  const sizeBytes = disk.size(path)
  if (sizeBytes === undefined) return undefined
  const bytes = new Uint8Array(sizeBytes)
  const file = disk.open(path, 'read')
  try {
    file.read(bytes, 0)
  } finally {
    file.close()
  }
  const version = versionIn(bytes)
  if (version === undefined) {
    throw new MillraceError(
      'MILLRACE_CORRUPT',
      `${path}:0 does not say which format the log has; expected {"format":"millrace-log","version":${DIRECTORY_FORMAT}}: restore the file`,
    )
  }
  if (version > DIRECTORY_FORMAT) {
    throw new MillraceError(
      'MILLRACE_NEWER_FORMAT',
      `${path}:0 says log format ${version}; this program knows up to ${DIRECTORY_FORMAT}: use a newer one`,
    )
  }
  return version
}

/**
 * The last step of making a log: before it, the folder holds none. The first step of taking over one of an older format:
 * what comes after it, older programs do not see, and this one reads all that they wrote.
 */
export function writeDirectoryFormat(disk: Disk, log: string): void {
  const fresh = `${formatPath(log)}.fresh`
  disk.remove(fresh)
  const file = disk.open(fresh, 'create')
  try {
    file.write(Buffer.from(`${JSON.stringify({ format: 'millrace-log', version: DIRECTORY_FORMAT })}\n`), 0)
    file.syncNow()
  } finally {
    file.close()
  }
  disk.rename(fresh, formatPath(log))
  disk.syncFolder(log)
}

function formatPath(log: string): string {
  return `${log}/format.json`
}

function versionIn(bytes: Uint8Array): number | undefined {
  try {
    const content = JSON.parse(Buffer.from(bytes).toString('utf8')) as { format?: unknown; version?: unknown }
    const { format, version } = content
    return format === 'millrace-log' && Number.isSafeInteger(version) ? (version as number) : undefined
  } catch {
    return undefined
  }
}
