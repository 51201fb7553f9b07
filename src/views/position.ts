import type { Offset, PartitionId } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'

/** A place in a partition of a topic, or in the changelog of a view: what an opaque position says. */
export interface PositionParts {
  /** The topic, or the view. */
  readonly name: string
  readonly partition: PartitionId
  readonly offset: Offset
  /** Which of the changes of one commit, from 0 on; a record of a topic is always the first. */
  readonly index: number
}

const POSITION = /^([^/@\s]+)\/(0|[1-9]\d{0,8})@(0|[1-9]\d{0,15})(?:\+([1-9]\d{0,8}))?$/

/** The text form of a position: 'clicks/3@17'; of a change that is not the first of its commit: 'totals/0@20+4'. */
export function positionText(name: string, partition: PartitionId, offset: Offset, index = 0): string {
  return index === 0 ? `${name}/${partition}@${offset}` : `${name}/${partition}@${offset}+${index}`
}

/** @throws MillraceError MILLRACE_INVALID_ARGUMENT for any other text. */
export function parsePosition(text: string): PositionParts {
  const match = typeof text === 'string' ? POSITION.exec(text) : null
  const offset = Number(match?.[3])
  if (match?.[1] === undefined || !Number.isSafeInteger(offset)) {
    throw new MillraceError(
      'MILLRACE_INVALID_ARGUMENT',
      `${JSON.stringify(text)} is no position: expected 'topic/partition@offset' such as 'clicks/3@17', ` +
        'as send() and changes() give it',
    )
  }
  return { name: match[1], partition: Number(match[2]), offset, index: Number(match[4] ?? 0) }
}
