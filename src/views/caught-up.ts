import type { DurationMs, Offset, PartitionId } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import type { Sys } from '../sys/sys.ts'
import { parsePosition } from './position.ts'

/** How far the app that fills the views has come. Given by whoever runs the engine. */
export interface Progress {
  /** The committed position of an input: everything below it is visible. Undefined: none yet, or no such input. */
  committed(topic: string, partition: PartitionId): Offset | undefined
  /** Calls the listener after each commit became visible; returns how to stop. */
  onCommit(listener: () => void): () => void
}

/** How long a reader waits when it does not say. */
export const CAUGHT_UP_TIMEOUT_MS: DurationMs = 30_000

/**
 * Resolves when the record at a position is visible in the views, at once when it already is.
 *
 * @throws MillraceError MILLRACE_TIMEOUT after `timeoutMs`, saying how far the app has come.
 */
export function caughtUp(
  sys: Sys,
  progress: Progress,
  position: string,
  timeoutMs: DurationMs,
): Promise<void> {
  const { name, partition, offset } = parsePosition(position)
  const committed = (): number => progress.committed(name, partition) ?? 0
  if (committed() > offset) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const stop = progress.onCommit(() => {
      if (committed() <= offset) return
      stop()
      timer.cancel()
      resolve()
    })
    const timer = sys.timers.after(timeoutMs, () => {
      stop()
      const have = progress.committed(name, partition)
      const state = have === undefined ? 'nothing of that partition is committed' : `it is at offset ${have}`
      reject(
        new MillraceError(
          'MILLRACE_TIMEOUT',
          `the views did not reach ${position} within ${timeoutMs} ms (${state}): wait longer, or check that the app ` +
            `reads ${name} and keeps up`,
        ),
      )
    })
  })
}
