import type { Chunk, ConsumerChunks } from './consumer-chunks.ts'
import type { WorkContext } from './consumer-options.ts'

export interface InOrderHost {
  readonly chunks: ConsumerChunks
  handle(record: Chunk['records'][number], context: WorkContext): Promise<void> | void
  signalOf(chunk: Chunk): AbortSignal
  failed(chunk: Chunk, error: unknown, signal: AbortSignal): void
}

/**
 * Gives one record after the other to a handler, without a promise for those that it handles without one.
 * @param abandoned aborted when a handler that does not end is not waited for any longer.
 */
export async function runInOrder(host: InOrderHost, abandoned: AbortSignal): Promise<void> {
  const { chunks } = host
  for (let chunk = await chunks.next(); chunk !== undefined; chunk = await chunks.next()) {
    const context = { signal: host.signalOf(chunk) }
    chunks.watch(chunk)
    try {
      while (chunks.goesOn(chunk)) {
        const work = host.handle(chunk.records[chunk.done] as Chunk['records'][number], context)
        if (isPromise(work) && !(await endedOf(work, abandoned))) return
        chunk.feed.progress(chunk, chunk.done + 1)
        const way = chunks.giveWay()
        if (way !== undefined) await way
      }
    } catch (error) {
      host.failed(chunk, error, context.signal)
    } finally {
      chunks.release(chunk)
    }
  }
}

/** A handler may return anything: only what can be waited for is. */
function isPromise(work: unknown): work is Promise<void> {
  return typeof (work as { then?: unknown } | undefined | null)?.then === 'function'
}

/** True when the work ends, false when it is abandoned before. Leaves nothing behind at the signal. */
function endedOf(work: Promise<void>, abandoned: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => resolve(false)
    abandoned.addEventListener('abort', giveUp)
    Promise.resolve(work)
      .finally(() => abandoned.removeEventListener('abort', giveUp))
      .then(() => resolve(true), reject)
  })
}
