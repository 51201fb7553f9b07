import { resolve } from 'node:path'
import { answered } from '../base/answered.ts'
import { MillraceError } from '../base/errors.ts'
import { openLog } from '../log/open.ts'
import { LogVerifier, type VerifyReport } from '../log/verify.ts'
import { openPlace } from '../run/place.ts'
import { type Format, formatFor, type Output, printRow, printRows } from './output.ts'

interface CheckOptions {
  readonly at: string
  readonly format?: Format
}

/** How often a person is told how far it is. */
const NOTE_MS = 1_000

/** `millrace check`: reads every byte of a directory that nobody holds. Findings make it fail. */
export async function check(options: CheckOptions, output: Output): Promise<void> {
  const { folder, sys } = openPlace(options.at, resolve('.'))
  if (folder === undefined || !sys.disk.exists(`${folder}/log`)) {
    const problem = `there is no data directory at ${options.at}`
    throw new MillraceError('MILLRACE_FILE', `${problem}: give its place with --at file:FOLDER`)
  }
  const log = openLog(sys, `${folder}/log`)
  for (const { file, from, to, why } of log.recovery.tailsCut) {
    output.note(`${file}: bytes ${from} to ${to} were cut when it was opened: ${why}\n`)
  }
  const verifier = new LogVerifier(log)
  let noted = sys.clock.monotonic()
  while (verifier.step()) {
    if (sys.clock.monotonic() - noted < NOTE_MS) continue
    noted = sys.clock.monotonic()
    const { bytesDone, bytesTotal } = verifier.progress
    output.note(`${megabytes(bytesDone)} of ${megabytes(bytesTotal)} read\n`)
    await new Promise<void>((answer) => sys.timers.soon(answer))
  }
  const report = verifier.report()
  await answered<void>((answer) => log.close(answer))
  printReport(report, output, formatFor(output, options.format))
}

function printReport(report: VerifyReport, output: Output, format: Format): void {
  const { findings, partitions, batches, records, bytes } = report
  if (findings.length === 0) {
    if (format !== 'table') printRow(output, report, format)
    const size = `${records.toLocaleString('en')} records in ${batches.toLocaleString('en')} batches`
    output.note(`${partitions} partitions, ${size}, ${megabytes(bytes)}: every byte is good\n`)
    return
  }
  printRows(
    output,
    findings.map((finding) => ({ ...finding })),
    format,
  )
  const damage = `${findings.length} finding${findings.length === 1 ? '' : 's'} in ${damaged(report)}`
  throw new MillraceError('MILLRACE_CORRUPT', `${damage}: restore the directory from a copy`)
}

function damaged(report: VerifyReport): string {
  return [...new Set(report.findings.map(({ partition }) => partition))].join(', ')
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
