import type { DiskFile } from '../sys/disk.ts'
import type { SyncTarget } from './sync-round.ts'

/** How a large write is cut, and who is told of each piece but the last. */
export interface WritePieces {
  readonly count: number
  /** The piece is written and can be synced, while the next one is written. */
  readonly written: (piece: SyncTarget) => void
}

/**
 * Writes the chunks one after the other in pieces of about the same size, which need not end where chunks end.
 *
 * A disk that gets a first piece while the second one is copied to the page cache is busy all the time; and two syncs
 * of one file side by side bring its bytes to the disk much faster than one (13 MB: 9 to 11 ms instead of 28 to 35).
 */
export function writeInPieces(
  file: DiskFile,
  chunks: readonly Uint8Array[],
  position: number,
  sizeBytes: number,
  { count, written }: WritePieces,
): void {
  const pieceBytes = Math.ceil(sizeBytes / count)
  const end = position + sizeBytes
  let at = position
  let piece: Uint8Array[] = []
  let filled = 0
  for (const chunk of chunks) {
    for (let from = 0; from < chunk.length; ) {
      const bytes = chunk.subarray(from, from + pieceBytes - filled)
      piece.push(bytes)
      from += bytes.length
      filled += bytes.length
      if (filled < pieceBytes && at + filled < end) continue
      file.writeAll(piece, at)
      at += filled
      piece = []
      filled = 0
      // A target of its own each time: what was written later than the start of a sync is not covered by it.
      if (at < end) written({ sync: (done) => file.sync(done) })
    }
  }
}
