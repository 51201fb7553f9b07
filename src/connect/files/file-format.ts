import type { FrameBatch } from './frame-reader.ts'
import type { Framing } from './framing.ts'

/** What a format makes of a record: its value, or why it has none. Undefined: nothing, a blank line. */
export type Decoded = { readonly value: unknown } | { readonly error: Error } | undefined

/** How the records of a file are cut and read. Holds nothing: one value serves any number of files. */
export interface FileFormat {
  /** 'lines', 'jsonl', 'csv'. */
  readonly name: string
  readonly framing: Framing
  /** True: the first record names the columns and is none itself. */
  readonly header: boolean
  /** Makes the decoder of one file. `header` are the bytes of its first record, where there is one. */
  decoder(header: Buffer | undefined, path: string): FileDecoder
}

/** Decodes the records of a batch, one answer each, in their order. What it gives must not hold on to the bytes. */
export type FileDecoder = (batch: FrameBatch) => readonly Decoded[]
