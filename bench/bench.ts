import { mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** What a bench gets: a folder on a real disk, and how long it may take. */
export interface BenchContext {
  /** An empty folder that is removed afterwards. */
  folder(name: string): string
  /** Scales a number of rounds by `--seconds` (10 is 1). */
  rounds(normal: number): number
  readonly seconds: number
  /** Where the folders are made. */
  readonly baseFolder: string
  /** Whether the case was asked for: all, or those whose names contain the text of `--case`. */
  wants(name: string): boolean
  /** The script that runs a real Apache Kafka, if one was named: `--kafka`, or MILLRACE_KAFKA_SH. */
  readonly kafka: string | undefined
}

export interface BenchSettings {
  readonly seconds: number
  readonly baseFolder: string
  readonly caseText: string
  readonly kafka: string | undefined
}

export function benchContext({
  seconds,
  baseFolder,
  caseText,
  kafka,
}: BenchSettings): BenchContext & { clean(): void } {
  const folders: string[] = []
  return {
    seconds,
    baseFolder,
    kafka,
    wants: (name) => name.includes(caseText),
    rounds: (normal) => Math.max(1, Math.round((normal * seconds) / 10)),
    folder(name) {
      const folder = mkdtempSync(join(resolve(baseFolder), `millrace-bench-${name}-`))
      folders.push(folder)
      return folder
    },
    clean() {
      for (const folder of folders) rmSync(folder, { recursive: true, force: true })
    },
  }
}
