import { MillraceError } from '../../base/errors.ts'

/**
 * What one group of inputs notes in a commit (SEMANTICS 1.5): the places at which it did what the data alone do not
 * tell, so that who takes the same inputs again from their beginning comes to the same order and the same watermarks.
 */
export interface CommitMarks {
  /** Topic, partition and position of every input of the group, where the first mark stands. */
  readonly inputs: readonly (readonly [topic: string, partition: number, position: number])[]
  readonly marks: readonly Mark[]
}

/** All of a mark happened at the same positions. Inputs are named by their place in `inputs`. */
export interface Mark {
  /** Positions that are others than those of the mark before it. */
  readonly moved: readonly (readonly [input: number, position: number])[]
  /** Inputs whose record at that position was taken no sooner than here, because it was not there before. */
  readonly held: readonly number[]
  /** Lanes that became idle here. */
  readonly idle: readonly (readonly [input: number, lane: string])[]
}

const VERSION = 1

export function marksText(marks: CommitMarks): string {
  return JSON.stringify({ version: VERSION, ...marks })
}

/** @throws MillraceError MILLRACE_CORRUPT for what is no mark, or one of a later version. */
export function parseMarks(text: string, where: string): CommitMarks | undefined {
  let stored: Partial<CommitMarks> & { readonly version?: unknown }
  try {
    stored = JSON.parse(text) as typeof stored
  } catch (error) {
    throw new MillraceError('MILLRACE_CORRUPT', `${where} is no mark of an input, it is no JSON`, {
      cause: error,
    })
  }
  // Marks of before had no version, and said too little to go by.
  if (stored.version === undefined) return undefined
  if (stored.version !== VERSION || stored.inputs === undefined || stored.marks === undefined) {
    throw new MillraceError(
      'MILLRACE_CORRUPT',
      `${where} is a mark of version ${JSON.stringify(stored.version)}, this millrace knows ${VERSION}: use the one that wrote it`,
    )
  }
  return { inputs: stored.inputs, marks: stored.marks }
}
