import type { Chunk, ConsumerChunks } from './consumer-chunks.ts'

type Result<R> = IteratorResult<R, void>

/**
 * Gives out the records of chunks one by one. Asking for the next one says that the one before is done; leaving the loop
 * by `break`, `return` or an error leaves it undone.
 *
 * An async generator would do the same, at three times the cost for a record: here a record that is there already costs
 * one settled promise.
 */
export class ConsumerIterator<R> implements AsyncGenerator<R, void, undefined> {
  readonly #chunks: ConsumerChunks
  /** Called before the first record. Throws when the consumer was iterated or run already. */
  readonly #beginOnce: () => void
  #begun = false
  #chunk: Chunk | undefined
  /** The next record of the chunk is in somebody's hands. */
  #given = false
  /** The call of `next` or `return` that waits; later ones wait for it. */
  #pending: Promise<Result<R>> | undefined
  #over = false

  constructor(chunks: ConsumerChunks, beginOnce: () => void) {
    this.#chunks = chunks
    this.#beginOnce = beginOnce
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Result<R>> {
    const chunk = this.#chunk
    if (chunk === undefined || this.#pending !== undefined) return this.#inLine(() => this.#nextOfNextChunk())
    this.#passed(chunk)
    const way = this.#chunks.giveWay()
    if (way !== undefined) return this.#inLine(() => way.then(() => this.#nextOfNextChunk()))
    const result = this.#resultOf(chunk)
    return result === undefined ? this.#inLine(() => this.#nextOfNextChunk()) : Promise.resolve(result)
  }

  return(): Promise<Result<R>> {
    return this.#inLine(() => this.#end())
  }

  async throw(error: unknown): Promise<Result<R>> {
    await this.return()
    throw error
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  /** Behind the calls that wait already. */
  #inLine(call: () => Promise<Result<R>>): Promise<Result<R>> {
    const before = this.#pending
    const mine: Promise<Result<R>> = (before === undefined ? call() : before.then(call, call)).finally(() => {
      if (this.#pending === mine) this.#pending = undefined
    })
    this.#pending = mine
    return mine
  }

  async #nextOfNextChunk(): Promise<Result<R>> {
    if (this.#over) return { value: undefined, done: true }
    try {
      if (!this.#begun) this.#beginOnce()
      this.#begun = true
    } catch (error) {
      // It is another's: nothing of it may be ended here.
      this.#over = true
      throw error
    }
    // Calls that waited in line come here with the record of the call before.
    if (this.#chunk !== undefined) this.#passed(this.#chunk)
    try {
      for (;;) {
        const result = this.#chunk === undefined ? undefined : this.#resultOf(this.#chunk)
        if (result !== undefined) return result
        this.#chunk = await this.#chunks.next()
        if (this.#chunk === undefined) return await this.#end()
        this.#chunks.watch(this.#chunk)
      }
    } catch (error) {
      await this.#end()
      throw error
    }
  }

  /** The next record of the chunk; undefined, and the chunk is let go of, when it has none or is somebody else's. */
  #resultOf(chunk: Chunk): Result<R> | undefined {
    if (this.#chunks.goesOn(chunk)) {
      this.#given = true
      // The topics' serdes give exactly the types that their `topic(...)` was declared with.
      return { value: chunk.records[chunk.done] as R, done: false }
    }
    this.#chunk = undefined
    this.#given = false
    this.#chunks.release(chunk)
    return undefined
  }

  /** The record that was given out last is done. */
  #passed(chunk: Chunk): void {
    if (!this.#given) return
    this.#given = false
    chunk.feed.progress(chunk, chunk.done + 1)
  }

  async #end(): Promise<Result<R>> {
    if (!this.#over) {
      this.#over = true
      if (this.#chunk !== undefined) this.#chunks.release(this.#chunk)
      this.#chunk = undefined
      if (this.#begun) await this.#chunks.end()
    }
    return { value: undefined, done: true }
  }
}
