/** The content of a file from its first byte on, decompressed where it is compressed. Synchronous and bounded. */
export interface ByteSource {
  /** Reads into `target`, as much as is there; 0: the end, for now. Throws MILLRACE_CORRUPT. */
  read(target: Uint8Array): number
  /** Skips up to `bytes`, perhaps fewer to keep the call short; returns how many; 0: the end. */
  skip(bytes: number): number
  /** Bytes of the file on disk, read and in all. */
  progress(): { readonly done: number; readonly total: number }
  close(): void
}
