import type { DurationMs, PartitionId, Timestamp } from '../base/brands.ts'

/** What a log does for itself beside the appends: old records go, and later values replace earlier ones. */
export interface Housekeeping {
  /** Of every partition that has or had such work since the log was opened. */
  status(): readonly HousekeepingStatus[]
  /** Does everything that is due now, without the budget, and answers with what was done. */
  runOnce(answer: (error: Error | undefined, report: HousekeepingReport | undefined) => void): void
}

export interface HousekeepingOptions {
  /** How long after the end of a round the next one begins. Default 30 s. */
  readonly intervalMs?: DurationMs
  /** What may be read, written and removed in a second. Default 32 MiB. */
  readonly bytesPerSecond?: number
}

export type HousekeepingWhat = 'retention' | 'compaction'

export interface HousekeepingStatus {
  readonly topic: string
  readonly partition: PartitionId
  readonly what: HousekeepingWhat
  readonly running: boolean
  /** Of the work that runs, else of the last one. */
  readonly bytesDone: number
  readonly bytesTotal: number
  /** When work ended last; undefined: not yet. */
  readonly lastRun: Timestamp | undefined
  /** Why the last one did not succeed; it is tried again in the next round. */
  readonly error: string | undefined
}

export interface HousekeepingReport {
  /** One row for each work, in the order in which they were done. */
  readonly work: readonly Pick<
    HousekeepingStatus,
    'topic' | 'partition' | 'what' | 'bytesDone' | 'bytesTotal' | 'error'
  >[]
}
