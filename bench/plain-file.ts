import { closeSync, fdatasync, openSync, writeSync } from 'node:fs'

/** The limit of durable appends: a plain loop that writes the same bytes to one file and syncs as often. */
export interface PlainFile {
  /** Writes all of `pieces` one after the other, then syncs. */
  append(pieces: readonly Uint8Array[]): Promise<void>
  close(): void
}

export function openPlainFile(path: string): PlainFile {
  const descriptor = openSync(path, 'w')
  let position = 0
  return {
    append(pieces) {
      for (const piece of pieces) position += writeSync(descriptor, piece, 0, piece.length, position)
      return new Promise((resolve, reject) =>
        fdatasync(descriptor, (error) => (error === null ? resolve() : reject(error))),
      )
    },
    close: () => closeSync(descriptor),
  }
}
