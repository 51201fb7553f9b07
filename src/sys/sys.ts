import type { DurationMs, Timestamp } from '../base/brands.ts'
import type { Disk } from './disk.ts'

/**
 * The outside world as one value (STYLE 26). `sys/node` is the real one; `sim` holds its simulated twin. Code outside
 * these two folders reaches clock, timers, randomness, disk and log lines only through here.
 */
export interface Sys {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly disk: Disk
  readonly lines: Lines
}

export interface Clock {
  /** Wall clock: ms since the epoch. May jump. */
  now(): Timestamp
  /** Ms with fractions since some moment; never goes back. For durations only. */
  monotonic(): number
}

export interface Timers {
  /**
   * Calls `run` once, `ms` or more from now, never before this call returns. With `background` it keeps no process
   * alive: a process that has nothing else to do ends before.
   */
  after(ms: DurationMs, run: () => void, background?: boolean): Timer
  /** Calls `run` as soon as pending input and output had their turn, never before this call returns. */
  soon(run: () => void): void
}

export interface Timer {
  /** The function is not called any more. Idempotent. */
  cancel(): void
}

export interface Random {
  /** A float in [0, 1). */
  next(): number
  /** A random UUID, version 4, in its usual text form. */
  uuid(): string
}

export type Level = 'debug' | 'info' | 'warn' | 'error'

/** Log lines: a short message for people and flat fields for machines. */
export interface Lines {
  write(level: Level, message: string, fields?: Readonly<Record<string, string | number | boolean>>): void
}
