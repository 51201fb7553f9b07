import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const WRITE_BYTES = 128 * 1024

/**
 * Has the machine hold memory for so many bytes of page cache. A virtual machine that gives free memory back to its
 * host (free page reporting, DAMON) pays for each page that it takes anew, up to ten times what writing it costs; one
 * that is in use all the time, as those with apps are, does not.
 */
export function warmMemory(folder: string, bytes: number): void {
  const path = join(folder, 'warm')
  const file = openSync(path, 'wx')
  const part = Buffer.alloc(WRITE_BYTES, 1)
  for (let at = 0; at < bytes; at += WRITE_BYTES) writeSync(file, part, 0, WRITE_BYTES, at)
  closeSync(file)
  unlinkSync(path)
}
