/**
 * A file of the memory disk: what programs see, and what is durable of it.
 *
 * Durable state is `synced` plus, in order, the changes since. A sync that succeeds plays them into `synced`; a power
 * cut plays the survivors. A change keeps a copy of its bytes, as the writer may reuse its own.
 */
import { Pages } from './pages.ts'
import type { Survival } from './survival.ts'

/** What a real disk writes as one: a write is split at its borders, and each part has its own fate. */
export const FATE_PAGE_BYTES = 4096

interface Change {
  /** Undefined: the length became `position`. */
  readonly bytes: Uint8Array | undefined
  readonly position: number
}

export interface SyncInProgress {
  succeed(): void
  /**
   * The system drops the pages that it could not write and calls them clean: what did not survive is never written by
   * a later sync, though programs still see it.
   */
  fail(survival: Survival): void
}

export class MemoryFile {
  readonly pages: Pages
  readonly #synced: Pages | undefined
  #changes: Change[] = []
  /** How many changes have left the list since the file was made. */
  #taken = 0

  constructor(tracked: boolean, pages = new Pages()) {
    this.pages = pages
    this.#synced = tracked ? pages.copy() : undefined
  }

  write(bytes: Uint8Array, position: number): void {
    this.pages.write(bytes, position)
    if (this.#synced !== undefined && bytes.length > 0) this.#changes.push({ bytes: bytes.slice(), position })
  }

  truncate(size: number): void {
    this.pages.truncate(size)
    if (this.#synced !== undefined) this.#changes.push({ bytes: undefined, position: size })
  }

  sync(): void {
    this.#take(this.#changes.length)
  }

  /** Covers the changes until now. A sync that ends after a later one has nothing left to do. */
  beginSync(): SyncInProgress {
    const target = this.#taken + this.#changes.length
    return {
      succeed: () => this.#take(target - this.#taken),
      fail: (survival) => this.#take(target - this.#taken, survival),
    }
  }

  /** Plays changes into the durable view: all of them, or what survives. */
  #take(count: number, survival?: Survival): void {
    const synced = this.#synced
    if (synced === undefined || count <= 0) return
    this.#taken += count
    for (const change of this.#changes.splice(0, count)) {
      if (survival !== undefined) playSurvivors(synced, change, survival)
      else if (change.bytes === undefined) synced.truncate(change.position)
      else synced.write(change.bytes, change.position)
    }
  }

  afterCrash(survival: Survival): MemoryFile {
    const left = (this.#synced ?? new Pages()).copy()
    for (const change of this.#changes) playSurvivors(left, change, survival)
    return new MemoryFile(true, left)
  }
}

function playSurvivors(left: Pages, { bytes, position }: Change, survival: Survival): void {
  if (bytes === undefined) {
    if (survival.lengthSurvives()) left.truncate(position)
    return
  }
  // The length is the file system's, the bytes are the platter's: either may survive without the other.
  const end = position + bytes.length
  if (end > left.size && survival.lengthSurvives()) left.truncate(end)
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(bytes.length - done, FATE_PAGE_BYTES - ((position + done) % FATE_PAGE_BYTES))
    const kept = survival.bytesSurviving(length)
    if (kept > 0) left.write(bytes.subarray(done, done + kept), position + done)
    done += length
  }
}
