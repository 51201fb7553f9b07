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

export class MemoryFile {
  readonly pages: Pages
  readonly #synced: Pages | undefined
  #changes: Change[] = []

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
    this.settle(this.mark())
  }

  /** How many changes there are now; for a sync that ends later and covers only what was before it. */
  mark(): number {
    return this.#changes.length
  }

  settle(mark: number): void {
    const synced = this.#synced
    if (synced === undefined) return
    for (const { bytes, position } of this.#changes.splice(0, mark)) {
      if (bytes === undefined) synced.truncate(position)
      else synced.write(bytes, position)
    }
  }

  afterCrash(survival: Survival): MemoryFile {
    const left = (this.#synced ?? new Pages()).copy()
    for (const { bytes, position } of this.#changes) {
      if (bytes !== undefined) playPieces(left, bytes, position, survival)
      else if (survival.lengthSurvives()) left.truncate(position)
    }
    return new MemoryFile(true, left)
  }
}

function playPieces(left: Pages, bytes: Uint8Array, position: number, survival: Survival): void {
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
