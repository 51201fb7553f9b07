import type { OperatorTime } from '../operators/timed-operator.ts'
import type { Input } from './input.ts'

/**
 * Operator time is committed with everything else (SEMANTICS 1.11): that of a topic beside its position, as metadata;
 * that of operators and of sources of the outside in a store of the engine's own, by these keys.
 */
export function timeKey(step: string, partition: number): string {
  return `time:${step}/${partition}`
}

export function sourceKey(id: string, partition: number): string {
  return `source:${id}/${partition}`
}

export function sinkKey(id: string, partition: number): string {
  return `sink:${id}/${partition}`
}

/** The marks before this offset are behind all inputs (SEMANTICS 1.5). */
export const MARKS_KEY = 'marks'

/** A value of that store. */
export interface EngineEntry {
  /** Of a source: the number of its records that were processed; of marks: an offset of their topic. Else 0. */
  readonly offset: number
  readonly text: string
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
export function sourceMetadata(text: string): string {
  return (JSON.parse(text) as StoredInput).source ?? ''
}

export function restoreLanes(input: Input, text: string | undefined): void {
  if (text === undefined || text === '') return
  const { lanes } = JSON.parse(text) as StoredInput
  for (const [index, lane] of input.lanes.entries()) {
    const stored = lanes[laneName(input, index)]
    if (stored !== undefined) lane.restore(stored.max, stored.idle === true)
  }
}

/** Steps that read one topic into the same step are told apart by their order. */
export function laneName(input: Input, index: number): string {
  const { timeName } = input.lanes[index] as Input['lanes'][number]
  const before = input.lanes.slice(0, index).filter((lane) => lane.timeName === timeName).length
  return before === 0 ? timeName : `${timeName}#${before}`
}

export function operatorTimeText({ reached, fired, cursor }: OperatorTime): string {
  return JSON.stringify(cursor === undefined ? { reached, fired } : { reached, fired, cursor })
}

export function parseOperatorTime(text: string | undefined): OperatorTime | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as OperatorTime)
}
