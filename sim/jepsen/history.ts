import type { Command, Place, Stored, TopicName, Write } from './message.ts'

export interface Operation {
  readonly command: Command
  outcome: 'waiting' | 'done' | 'failed' | 'unknown'
  places: readonly Place[]
}

/** Invocations and answers, as the parent saw them. */
export class OperationHistory {
  readonly operations: Operation[] = []
  /** Values that a reader of the group had in hand. */
  readonly read = new Set<string>()

  invoke(command: Command): Operation {
    const operation: Operation = { command, outcome: 'waiting', places: [] }
    this.operations.push(operation)
    return operation
  }

  /** The process is dead: nobody will say what became of what it was asked. */
  killed(): void {
    for (const operation of this.operations)
      if (operation.outcome === 'waiting') operation.outcome = 'unknown'
  }

  count(outcome: Operation['outcome']): number {
    return this.operations.filter((operation) => operation.outcome === outcome).length
  }
}

/** What of a history cannot be, given what is in the log in the end. Empty: all is well. */
export function faultsOf({ operations, read }: OperationHistory, stored: readonly Stored[]): string[] {
  const faults: string[] = []
  const found = new Map<TopicName, Map<string, Stored>>()
  for (const record of stored) {
    const { topic, partition, offset, value } = record
    const values = found.get(topic) ?? new Map<string, Stored>()
    found.set(topic, values)
    if (value === 'begin') continue
    const other = values.get(value)
    if (other !== undefined)
      faults.push(
        `duplicated: ${topic} has ${value} at ${other.partition}@${other.offset} and ${partition}@${offset}`,
      )
    values.set(value, record)
  }
  const at = ({ topic, value }: Write): Stored | undefined => found.get(topic)?.get(value)
  const sent = new Set<string>()
  for (const operation of operations) {
    const { command } = operation
    if (command.kind === 'send') {
      sent.add(`${command.write.topic} ${command.write.value}`)
      faults.push(...sendFaults(operation, command.write, at(command.write)))
    } else if (command.kind === 'whole' || command.kind === 'markers') {
      for (const { topic, value } of command.writes) sent.add(`${topic} ${value}`)
      faults.push(...transactionFaults(operation, command.writes, at))
    }
  }
  for (const [topic, values] of found) {
    for (const value of values.keys()) {
      if (topic !== 'out' && !sent.has(`${topic} ${value}`)) faults.push(`phantom: ${topic} has ${value}`)
    }
  }
  return [...faults, ...orderFaults(operations, at), ...groupFaults(found, read)]
}

function sendFaults(
  { outcome, places }: Operation,
  { topic, value }: Write,
  there: Stored | undefined,
): string[] {
  if (outcome !== 'done') return []
  const [place] = places
  if (there === undefined)
    return [`lost: ${topic} ${value} was acknowledged at ${place?.partition}@${place?.offset}`]
  if (there.partition === place?.partition && there.offset === place.offset) return []
  return [`moved: ${topic} ${value} was acknowledged at ${place?.partition}@${place?.offset}`]
}

function transactionFaults(
  { command, outcome }: Operation,
  writes: readonly Write[],
  at: (write: Write) => Stored | undefined,
): string[] {
  const count = writes.filter((write) => at(write) !== undefined).length
  const what = `transaction ${command.id} (${count} of ${writes.length} records)`
  const aborted = command.kind === 'markers' && command.end === 'abort'
  if (aborted && count > 0) return [`aborted read: ${what}`]
  if (count > 0 && count < writes.length) return [`torn: ${what}`]
  if (outcome === 'done' && !aborted && count === 0) return [`lost: ${what}`]
  return []
}

/** Single sends go by one producer after the other, in the order of their numbers. */
function orderFaults(operations: readonly Operation[], at: (write: Write) => Stored | undefined): string[] {
  const faults: string[] = []
  const last = new Map<string, Stored>()
  for (const { command } of operations) {
    const there = command.kind === 'send' ? at(command.write) : undefined
    if (there === undefined) continue
    const place = `${there.topic}-${there.partition}`
    const before = last.get(place)
    if (before !== undefined && before.offset > there.offset)
      faults.push(
        `reordered: ${place} has ${before.value} at ${before.offset} and ${there.value} at ${there.offset}`,
      )
    last.set(place, there)
  }
  return faults
}

function groupFaults(
  found: ReadonlyMap<TopicName, ReadonlyMap<string, Stored>>,
  read: ReadonlySet<string>,
): string[] {
  const faults: string[] = []
  const copies = found.get('out') ?? new Map<string, Stored>()
  const originals = found.get('in') ?? new Map<string, Stored>()
  for (const value of originals.keys()) {
    if (!copies.has(value)) faults.push(`not copied: ${value}`)
    if (!read.has(value)) faults.push(`not read by the group: ${value}`)
  }
  for (const value of copies.keys()) if (!originals.has(value)) faults.push(`copied from nowhere: ${value}`)
  return faults
}
