import fs from 'node:fs'
import type { Level, Lines } from '../sys.ts'

const RANK: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 }
const STANDARD_ERROR = 2

export interface NodeLinesOptions {
  /** Lines below it are not written; `info` by default. */
  readonly level?: Level
  /** Where a finished line goes; standard error by default, as standard output belongs to results. */
  readonly print?: (line: string) => void
}

/** `message  key=value key="two words"`, with the level in front only where it is not `info`. */
export class NodeLines implements Lines {
  readonly #least: number
  readonly #print: (line: string) => void

  constructor(options: NodeLinesOptions = {}) {
    this.#least = RANK[options.level ?? 'info']
    this.#print = options.print ?? printToStandardError
  }

  write(level: Level, message: string, fields?: Readonly<Record<string, string | number | boolean>>): void {
    if (RANK[level] < this.#least) return
    const pairs = Object.entries(fields ?? {}).map(([name, value]) => `${name}=${shown(value)}`)
    const text = level === 'info' ? message : `${level}: ${message}`
    this.#print(`${pairs.length === 0 ? text : `${text}  ${pairs.join(' ')}`}\n`)
  }
}

function shown(value: string | number | boolean): string {
  return typeof value === 'string' && !/^[^\s"=\\]+$/.test(value) ? JSON.stringify(value) : String(value)
}

/** Synchronous, so that the last line before an exit is not lost. A closed or full pipe is no reason to stop. */
function printToStandardError(line: string): void {
  try {
    fs.writeSync(STANDARD_ERROR, line)
  } catch (error) {
    const code = (error as { readonly code?: unknown }).code
    if (code !== 'EPIPE' && code !== 'EAGAIN') throw error
  }
}
