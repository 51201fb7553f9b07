/**
 * A lock on a folder that dies with its holder. Node has no file locks of its own, but SQLite takes them from the
 * operating system: an exclusive transaction on an empty database file `lock` is held until it ends or its process
 * does, however that happens. The file itself means nothing and may stay.
 */
import { createRequire } from 'node:module'
import type { DatabaseSync } from 'node:sqlite'
import type { DiskLock } from '../disk.ts'

/** SQLITE_BUSY: another holds the lock. */
const BUSY = 5

/** Undefined if another holder lives. The folder must exist. */
export function lockFolder(folder: string): DiskLock | undefined {
  const database = openDatabase(`${folder}/lock`)
  try {
    // The journal stays in memory: a transaction that never writes needs no second file.
    database.exec('PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if ((error as { readonly errcode?: number }).errcode === BUSY) return undefined
    throw error
  }
  let held = true
  return {
    release() {
      if (held) database.close()
      held = false
    },
  }
}

/** Loaded at the first lock: the module warns that it is experimental, which is no news for a user at each start. */
function openDatabase(path: string): DatabaseSync {
  // oxlint-disable-next-line typescript/unbound-method -- it is put back, not called
  const warn = process.emitWarning
  process.emitWarning = () => {}
  try {
    const sqlite = createRequire(import.meta.url)('node:sqlite') as { DatabaseSync: typeof DatabaseSync }
    return new sqlite.DatabaseSync(path, { timeout: 0 })
  } finally {
    process.emitWarning = warn
  }
}
