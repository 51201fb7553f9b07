/** How a listing is printed: for people, or for pipes. */
export type Format = 'table' | 'json' | 'jsonl'

export const FORMATS: readonly Format[] = ['table', 'json', 'jsonl']

/** Where a command writes, so that tests can read it. */
export interface Output {
  readonly isTerminal: boolean
  /** Aborted when whoever read the results has gone, as `head` goes: there is no use in going on. */
  readonly gone: AbortSignal
  /** `taken` hears whether the text arrived. */
  write(text: string, taken?: (error?: Error | null) => void): void
  /** Notes for people, which never mix with results. */
  note(text: string): void
}

export function processOutput(): Output {
  const { stdout, stderr } = process
  const gone = new AbortController()
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      gone.abort()
      return
    }
    stderr.write(`millrace: cannot write the results: ${error.message} [MILLRACE_FILE]\n`)
    process.exit(1)
  })
  // Without a reader of notes, results are still wanted.
  stderr.on('error', () => undefined)
  return {
    isTerminal: stdout.isTTY,
    gone: gone.signal,
    write: (text, taken) => stdout.write(text, taken),
    note: (text) => stderr.write(text),
  }
}

/** Resolves when the text was taken. */
export function written(output: Output, text: string): Promise<void> {
  return new Promise((resolve, reject) =>
    output.write(text, (error) => (error instanceof Error ? reject(error) : resolve())),
  )
}

/** A key with a line feed must not break the table, nor one with an escape sequence the terminal. */
const CONTROLS = /\p{Cc}/gu

export type Row = Readonly<Record<string, unknown>>

/** Chosen by itself: a table where a person reads, JSON lines where a program does. */
export function formatFor(output: Output, wanted: Format | undefined): Format {
  return wanted ?? (output.isTerminal ? 'table' : 'jsonl')
}

export function printRows(output: Output, rows: readonly Row[], format: Format): void {
  if (format === 'json') output.write(`${JSON.stringify(rows, null, 2)}\n`)
  else if (format === 'jsonl') for (const row of rows) output.write(`${JSON.stringify(row)}\n`)
  else output.write(table(rows))
}

export function printRow(output: Output, row: unknown, format: Format): void {
  output.write(`${JSON.stringify(row, null, format === 'jsonl' ? undefined : 2)}\n`)
}

function table(rows: readonly Row[]): string {
  const [first] = rows
  if (first === undefined) return '(none)\n'
  const columns = Object.keys(first)
  const cells = rows.map((row) => columns.map((column) => cell(row[column])))
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...cells.map((line) => line[index]?.length ?? 0)),
  )
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, index) =>
        isNumeric(rows, columns[index]) ? text.padStart(widths[index] ?? 0) : text.padEnd(widths[index] ?? 0),
      )
      .join('  ')
      .trimEnd()
  return `${[columns, ...cells].map(line).join('\n')}\n`
}

function isNumeric(rows: readonly Row[], column: string | undefined): boolean {
  return column !== undefined && rows.every((row) => typeof row[column] === 'number')
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.replace(CONTROLS, (control) => {
    return `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
