import type { DurationMs, Offset, PartitionId } from '../base/brands.ts'
import { isMillraceError, MillraceError, messageOf } from '../base/errors.ts'
import type { Sys } from '../sys/sys.ts'
import { parsePosition } from './position.ts'

/** How far the app that fills the views has come. Given by whoever runs the engine. */
export interface Progress {
  /** The committed position of an input: everything below it is visible. Undefined: none yet, or no such input. */
  committed(topic: string, partition: PartitionId): Offset | undefined
  /** Calls the listener after each commit became visible; returns how to stop. */
  onCommit(listener: () => void): () => void
}

/**
 * Resolves when the record at a position is visible in the views, at once when it already is.
 *
 * @param timeoutMs undefined: as long as the app runs.
 * @param ended aborted when the app ends; its reason is the error to give, if it is one.
 * @throws MillraceError MILLRACE_TIMEOUT after `timeoutMs`, saying how far the app has come; MILLRACE_CLOSED.
 */
export function caughtUp(
  sys: Sys,
  progress: Progress,
  position: string,
  timeoutMs: DurationMs | undefined,
  ended: AbortSignal,
): Promise<void> {
  const { name, partition, offset } = parsePosition(position)
  const state = (): string => {
    const have = progress.committed(name, partition)
    return have === undefined ? 'nothing of that partition is committed' : `it is at offset ${have}`
  }
  const reached = (): boolean => (progress.committed(name, partition) ?? 0) > offset
  if (reached()) return Promise.resolve()
  if (ended.aborted) return Promise.reject(closed(position, state(), ended.reason))
  return new Promise((resolve, reject) => {
    const settle = (failure: Error | undefined): void => {
      stop()
      timer?.cancel()
      ended.removeEventListener('abort', end)
      if (failure === undefined) resolve()
      else reject(failure)
    }
    const end = (): void => settle(reached() ? undefined : closed(position, state(), ended.reason))
    const late = (): void => {
      const problem = `the views did not reach ${position} within ${timeoutMs} ms (${state()})`
      const way = `wait longer, or check that the app reads ${name} and keeps up`
      settle(new MillraceError('MILLRACE_TIMEOUT', `${problem}: ${way}`))
    }
    const stop = progress.onCommit(() => {
      if (reached()) settle(undefined)
    })
    const timer = timeoutMs === undefined ? undefined : sys.timers.after(timeoutMs, late)
    ended.addEventListener('abort', end)
  })
}

function closed(position: string, state: string, cause: unknown): MillraceError {
  const why = isMillraceError(cause) ? `: ${messageOf(cause)}` : ''
  const problem = `the app ended before its views reached ${position} (${state})${why}`
  return new MillraceError('MILLRACE_CLOSED', `${problem}; run it again, nothing is lost`, { cause })
}
