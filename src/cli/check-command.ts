import { answered } from '../base/answered.ts'
import { MillraceError } from '../base/errors.ts'
import type { Repair } from '../log/mender.ts'
import { openLog } from '../log/open.ts'
import { repairLog } from '../log/repair.ts'
import { type Finding, LogVerifier, type VerifyReport } from '../log/verify.ts'
import type { Sys } from '../sys/sys.ts'
import { type Format, formatFor, type Output, printRow, printRows } from './output.ts'
import { existingPlace } from './target.ts'

interface CheckOptions {
  readonly at: string
  readonly format?: Format
  readonly repair?: boolean
}

/** How often a person is told how far it is. */
const NOTE_MS = 1_000

/**
 * `millrace check`: reads every byte of a directory that nobody holds. Findings make it fail; with `repair` what is
 * damaged is cut out first, kept in files beside, and listed.
 */
export async function check(options: CheckOptions, output: Output): Promise<void> {
  const { folder, sys } = existingPlace(options.at)
  if (folder === undefined) {
    const problem = `${options.at} is no directory: give the place of one with --at file:FOLDER`
    throw new MillraceError('MILLRACE_INVALID_ARGUMENT', problem)
  }
  const log = `${folder}/log`
  const format = formatFor(output, options.format)
  if (options.repair !== true) {
    printReport(await verify(sys, log, output), output, format)
    return
  }
  const repairs = [...repairLog(sys, log)]
  const report = await verify(sys, log, output)
  const [indexes, findings] = split(report.findings)
  for (const { file, position, what } of indexes) {
    sys.disk.remove(file)
    repairs.push({ file, from: position, to: position, offsets: undefined, what, kept: undefined })
  }
  // One list: what was done, or else what could not be.
  if (repairs.length > 0 && findings.length === 0) printRepairs(repairs, output, format)
  else printReport({ ...report, findings }, output, format)
}

async function verify(sys: Sys, folder: string, output: Output): Promise<VerifyReport> {
  const log = openLog(sys, folder)
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
  return report
}

/** An index is made again from its segment: its file only has to go. */
function split(findings: readonly Finding[]): [indexes: Finding[], others: Finding[]] {
  const isIndex = ({ file }: Finding) => file.endsWith('index')
  return [findings.filter(isIndex), findings.filter((finding) => !isIndex(finding))]
}

function printRepairs(repairs: readonly Repair[], output: Output, format: Format): void {
  const rows = repairs.map(({ file, from, to, offsets, what, kept }) => {
    const range = offsets === undefined ? '' : `${offsets[0]} to ${offsets[1] - 1}`
    return { file, from, to, offsets: range, what, kept: kept ?? '' }
  })
  printRows(output, rows, format)
  const lost = repairs.filter(({ kept }) => kept !== undefined).length
  output.note(`${repairs.length} repaired; ${lost} of them kept what was cut out in a file beside\n`)
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
  throw new MillraceError(
    'MILLRACE_CORRUPT',
    `${damage}: restore the directory from a copy, or cut the damage out with millrace check --repair`,
  )
}

function damaged(report: VerifyReport): string {
  return [...new Set(report.findings.map(({ partition }) => partition))].join(', ')
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
