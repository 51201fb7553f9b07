import type { CommittedPosition } from '../../broker/broker.ts'
import type { OperatorTime } from '../operators/timed-operator.ts'
import type { StatefulTimed } from '../task/build-tasks.ts'
import type { Input } from './input.ts'

/**
 * Operator time is committed as the metadata of positions (SEMANTICS 1.11): that of a source beside its position, that
 * of an operator under a topic of its own, `time:<step>`, whose offset means nothing.
 */
export function timeTopic(name: string): string {
  return `time:${name}`
}

interface StoredLane {
  readonly max: number
  readonly idle?: true
}

interface StoredInput {
  readonly lanes: Readonly<Record<string, StoredLane>>
  /** The source's own text. */
  readonly source?: string
}

export function inputMetadata(input: Input): string {
  const lanes: Record<string, StoredLane> = {}
  for (const [index, lane] of input.lanes.entries()) {
    lanes[laneName(input, index)] = lane.idle
      ? { max: lane.maxTimestamp, idle: true }
      : { max: lane.maxTimestamp }
  }
  const stored: StoredInput = input.metadata === undefined ? { lanes } : { lanes, source: input.metadata }
  return JSON.stringify(stored)
}

/** The text of the source itself. */
export function sourceMetadata(position: CommittedPosition): string {
  return (JSON.parse(position.metadata) as StoredInput).source ?? ''
}

export function restoreLanes(input: Input, position: CommittedPosition | undefined): void {
  if (position === undefined) return
  const { lanes } = JSON.parse(position.metadata) as StoredInput
  for (const [index, lane] of input.lanes.entries()) {
    const stored = lanes[laneName(input, index)]
    if (stored !== undefined) lane.restore(stored.max, stored.idle === true)
  }
}

/** Steps that read one topic into the same step are told apart by their order. */
function laneName(input: Input, index: number): string {
  const { timeName } = input.lanes[index] as Input['lanes'][number]
  const before = input.lanes.slice(0, index).filter((lane) => lane.timeName === timeName).length
  return before === 0 ? timeName : `${timeName}#${before}`
}

export function operatorMetadata(operator: StatefulTimed): string {
  const { reached, fired, cursor } = operator.stored
  return JSON.stringify(cursor === undefined ? { reached, fired } : { reached, fired, cursor })
}

export function parseOperatorTime(position: CommittedPosition | undefined): OperatorTime | undefined {
  return position === undefined ? undefined : (JSON.parse(position.metadata) as OperatorTime)
}
