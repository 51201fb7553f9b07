import { isMillraceError } from '../base/errors.ts'
import { type AbortedEntry, AbortedIndex, type AbortedSummary, decodeAborted } from './aborted-index.ts'
import type { OpenFiles } from './open-files.ts'

/** A checkpoint's word for an index that is to be made again from the batches. */
export const UNKNOWN_COUNT = -1

/** An object with four numbers. */
const ENTRY_MEMORY_BYTES = 64

/** The transaction index of a segment and its file, which is read when someone asks and there is something in it. */
export class SegmentTransactions {
  readonly #files: OpenFiles
  readonly #path: string
  /** What the file should hold; undefined when the index is in memory, or empty. */
  #expected: AbortedSummary | undefined
  #index: AbortedIndex | undefined

  constructor(files: OpenFiles, path: string) {
    this.#files = files
    this.#path = path
  }

  get file(): string {
    return `${this.#path}.txnindex`
  }

  /** False: no transaction was aborted in the segment. */
  get any(): boolean {
    return this.#index !== undefined || this.#expected !== undefined
  }

  expect(summary: AbortedSummary): void {
    this.#expected = summary
  }

  /** Undefined: the file does not hold what it should; `replace` them. */
  entries(): readonly AbortedEntry[] | undefined {
    return this.any ? this.#load()?.entries : []
  }

  /** Of an abort marker behind all others. Undefined index: `replace` first. */
  add(entry: AbortedEntry): void {
    if (!this.any) this.#index = new AbortedIndex()
    // A file that does not hold is made again as a whole, from the batches: the new marker is one of them.
    this.#load()?.add(entry)
  }

  /** Why the file is not believed; undefined while it is, or if that was known when the log was opened. */
  fault(): string | undefined {
    const expected = this.#expected
    if (expected === undefined || expected.count === UNKNOWN_COUNT || this.#load() !== undefined)
      return undefined
    return `it does not hold the ${expected.count} entries that the last checkpoint names; it is made again`
  }

  replace(entries: readonly AbortedEntry[]): void {
    this.#expected = undefined
    this.#index = entries.length === 0 ? undefined : new AbortedIndex([...entries])
  }

  /** For a checkpoint; undefined if there is none. */
  summary(): AbortedSummary | undefined {
    return this.#expected ?? this.#index?.summary()
  }

  /** About. */
  get memoryBytes(): number {
    return (this.#index?.entries.length ?? 0) * ENTRY_MEMORY_BYTES
  }

  /** Lets the index go if its file has it. */
  release(): void {
    if (this.#index === undefined || this.#index.unsaved) return
    this.#expected = this.#index.summary()
    this.#index = undefined
  }

  get unsaved(): boolean {
    return this.#index?.unsaved === true
  }

  /** Appends to the file what it lacks. It is not synced: it can be made again. */
  save(): void {
    const index = this.#index
    if (index === undefined || !index.unsaved) return
    const { bytes, position } = index.unsavedBytes()
    const file = position < 0 ? this.#files.create(this.file) : this.#files.use(this.file)
    file.write(bytes, Math.max(0, position))
    index.markSaved()
  }

  #load(): AbortedIndex | undefined {
    const expected = this.#expected
    if (expected === undefined) return this.#index
    if (expected.count === UNKNOWN_COUNT) return undefined
    this.#index = decodeAborted(this.#read(), expected)
    if (this.#index === undefined) this.#expected = { count: UNKNOWN_COUNT, crc: 0 }
    else this.#expected = undefined
    return this.#index
  }

  #read(): Uint8Array {
    try {
      const file = this.#files.use(this.file)
      const bytes = new Uint8Array(file.size())
      file.read(bytes, 0)
      return bytes
    } catch (error) {
      if (isMillraceError(error) && error.code === 'MILLRACE_FILE') return new Uint8Array(0)
      throw error
    }
  }
}
