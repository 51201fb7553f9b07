import { timeMs } from '../base/duration.ts'
import { MillraceError } from '../base/errors.ts'
import { type GroupLag, Groups, type ResetTo } from '../run/groups.ts'
import { type Format, formatFor, type Output, printRow, printRows } from './output.ts'
import { openTarget } from './target.ts'

interface GroupOptions {
  readonly at: string
  readonly format?: Format
}

/** `millrace groups` */
export async function listGroups(options: GroupOptions, output: Output): Promise<void> {
  await using target = await openTarget(options.at)
  const groups = new Groups(target.broker)
  const rows = groups.list().map(({ group, state, protocolType, members }) => {
    const lags = groups.describe(group)?.positions ?? []
    const lag = lags.reduce((total, each) => total + each.lag, 0)
    return { group, state, type: protocolType, members, partitions: lags.length, lag }
  })
  printRows(output, rows, formatFor(output, options.format))
}

/** `millrace group describe NAME` */
export async function describeGroup(name: string, options: GroupOptions, output: Output): Promise<void> {
  await using target = await openTarget(options.at)
  const group = new Groups(target.broker).describe(name)
  if (group === undefined) throw unknownGroup(name, new Groups(target.broker))
  const format = formatFor(output, options.format)
  if (format !== 'table') {
    printRow(output, group, format)
    return
  }
  const { state, generation, members } = group
  output.write(`${name}: ${state}, generation ${generation}, ${members.length} members\n\n`)
  for (const { member, client, host, partitions } of members) {
    const read = partitions?.map(({ topic, partition }) => `${topic}-${partition}`).join(' ') ?? ''
    output.write(`${client} ${member}${host === '' ? '' : ` at ${host}`}: ${read}\n`)
  }
  if (members.length > 0) output.write('\n')
  printRows(output, group.positions.map(lagRow), format)
}

interface ResetOptions extends GroupOptions {
  readonly to: string
  readonly topic?: string
  readonly partition?: number
}

/** `millrace group reset NAME --to WHERE` */
export async function resetGroup(name: string, options: ResetOptions, output: Output): Promise<void> {
  await using target = await openTarget(options.at)
  const { topic, partition } = options
  if (partition !== undefined && topic === undefined)
    throw new MillraceError('MILLRACE_INVALID_ARGUMENT', '--partition is of a topic: give --topic too')
  const group = await new Groups(target.broker).reset(name, {
    to: parseResetTo(options.to),
    ...(topic === undefined ? {} : { topic }),
    ...(partition === undefined ? {} : { partition }),
  })
  printRows(output, group.positions.map(lagRow), formatFor(output, options.format))
}

/** `millrace group delete NAME` */
export async function deleteGroup(name: string, options: GroupOptions, output: Output): Promise<void> {
  await using target = await openTarget(options.at)
  await new Groups(target.broker).delete(name)
  output.note(`deleted group ${name} and its positions\n`)
}

/** earliest, latest, an offset, +N or -N records from where it is, or a time. */
export function parseResetTo(text: string): ResetTo {
  if (text === 'earliest' || text === 'latest') return text
  if (/^[+-]\d+$/.test(text)) return { shift: Number(text) }
  if (/^\d+$/.test(text)) return { offset: Number(text) }
  return { time: timeMs(text, '--to') }
}

function lagRow({ topic, partition, offset, end, lag, committedAt, metadata }: GroupLag) {
  // What an application commits is for it alone, and long.
  const note = metadata.length > 40 ? `${metadata.slice(0, 37)}...` : metadata
  return {
    topic,
    partition,
    offset,
    end,
    lag,
    committed: new Date(committedAt).toISOString(),
    metadata: note,
  }
}

function unknownGroup(name: string, groups: Groups): MillraceError {
  const names = groups.list().map(({ group }) => group)
  const problem = `there is no group ${name}; there is: ${names.join(', ') || 'none'}`
  return new MillraceError('MILLRACE_UNKNOWN_GROUP', problem)
}
