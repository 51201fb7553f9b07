/** Decides what of the unsynced state a power cut leaves: the seam between the memory disk and the simulator. */
export interface Survival {
  /** Whether an unsynced creation, renaming or removal at `path` is on the platter. Asked in the order of the paths. */
  entrySurvives(path: string): boolean
  /**
   * How many bytes from its begin of an unsynced piece of a write (it lies within one 4 KiB page) survive:
   * 0 lost, `length` kept, between them torn. Asked piece by piece, so later pages may survive without earlier ones.
   */
  bytesSurviving(length: number): number
  /** Whether an unsynced change of a file's length survives by itself (bytes never written there read as zeros). */
  lengthSurvives(): boolean
}

export const NOTHING_SURVIVES: Survival = {
  entrySurvives: () => false,
  bytesSurviving: () => 0,
  lengthSurvives: () => false,
}
