import { isMillraceError, MillraceError, messageOf } from '../../base/errors.ts'
import type { RecordHeader } from '../../record/record.ts'
import type { PlanNode } from '../graph/plan.ts'
import { stepLabel, type Topology } from '../graph/topology.ts'
import type { Counters } from '../operators/operator.ts'
import type { TopicWriters } from '../output/topic-writer.ts'
import type { FollowedRecord } from '../task/current-record.ts'

/** Faults of a program, not of a record: no policy may pass over them. */
const FATAL = new Set(['MILLRACE_ASSERTION', 'MILLRACE_CORRUPT', 'MILLRACE_DISK', 'MILLRACE_NEWER_FORMAT'])
const text = new TextEncoder()

/**
 * Treats a record that failed in a step as the step's policy says (SEMANTICS 9): counts it, writes it as it came into
 * the dead letter topic in the same commit as the input's position, or stops the engine by throwing.
 */
export function treatFailure(
  node: PlanNode,
  error: unknown,
  parts: {
    readonly topology: Topology
    readonly current: FollowedRecord
    readonly counters: Counters
    readonly writers: TopicWriters
    readonly skipped: (reason: string) => void
  },
): void {
  const { policy } = parts.topology.of(node)
  const { current, counters } = parts
  if (policy.kind === 'stop' || (isMillraceError(error) && FATAL.has(error.code)))
    throw stopped(node, error, current)
  if (policy.kind === 'skip') {
    counters.skipped += 1
    parts.skipped(policy.reason)
    return
  }
  counters.deadLetters += 1
  const raw = current.origin?.raw() ?? { key: null, value: null }
  const headers: RecordHeader[] = [
    ...(current.origin?.headers() ?? []),
    header('error', messageOf(error)),
    header('stack', error instanceof Error ? usersStack(error.stack ?? '') : ''),
    header('topic', current.topic),
    header('partition', String(current.partition)),
    header('offset', String(current.offset)),
    ...(current.origin?.line === undefined ? [] : [header('line', String(current.origin.line))]),
    header('timestamp', String(current.timestamp)),
    header('attempts', '1'),
  ]
  parts.writers.writer(policy.topic, 0).append(current.timestamp, raw.key, raw.value, headers)
}

/** Frames of the engine: how a record came to a step differs from run to run, and says nothing of the failure. */
const ENGINE_FRAME = /[\\/]flow[\\/](operators|runtime|task)[\\/]/

/** A stack up to where the engine called: the same for the same record, whatever happened before. */
function usersStack(stack: string): string {
  const lines = stack.split('\n')
  const engine = lines.findIndex((line) => /^\s+at /.test(line) && ENGINE_FRAME.test(line))
  return engine < 0 ? stack : lines.slice(0, engine).join('\n')
}

function header(key: string, value: string): RecordHeader {
  return { key, value: text.encode(value) }
}

function stopped(node: PlanNode, error: unknown, current: FollowedRecord): MillraceError {
  const where = current.origin?.where() ?? 'no record'
  const step = stepLabel(node)
  const code = isMillraceError(error) ? error.code : 'MILLRACE_USER_FUNCTION'
  return new MillraceError(
    code,
    `${step}: the record ${where} failed: ${messageOf(error)}\nCorrect the step and run again (nothing was committed), ` +
      `or put .onError(skip('reason')) or .onError(deadLetter('topic')) behind the step`,
    { cause: error },
  )
}
