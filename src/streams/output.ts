import { MillraceError } from '../base/errors.ts'
import type { OutputNode, StreamNode, TableNode } from '../flow/graph/plan.ts'
import { carriedBy, carry } from './carried.ts'
import type { viewOutputOrTrigger } from './markers.ts'

/** What an app can run: a view, an output. */
export interface Leaf {
  readonly [viewOutputOrTrigger]: true
}

/** A stream or table on its way to a topic or a file: what `.to(...)` returns. */
export interface Output extends Leaf {}

/** The leaf that writes a stream or table to a destination. Its name comes from the app. */
export function outputOf(input: StreamNode | TableNode, keyed: boolean, destination: unknown): Output {
  const leaf: OutputNode = Object.freeze({
    kind: 'output',
    name: '',
    input,
    to: targetOf(destination, keyed),
  })
  return carry({}, { leaf }) as Output
}

function targetOf(destination: unknown, keyed: boolean): OutputNode['to'] {
  const { topic, connector } = carriedBy(destination)
  if (connector?.sink !== undefined) return Object.freeze({ kind: 'sink', sink: connector.sink })
  if (connector !== undefined)
    throw invalid('.to(destination): this file can only be read; write to jsonl(path)')
  if (topic === undefined) throw invalid('.to(destination) takes a topic(...) or a file such as jsonl(path)')
  if (topic.keySerde !== undefined && !keyed) {
    throw invalid(
      `.to(${topic.name}): the topic has a key and the stream has none; give it one with .keyBy(...)`,
    )
  }
  return Object.freeze({ kind: 'topic', topic })
}

function invalid(message: string): MillraceError {
  return new MillraceError('MILLRACE_INVALID_PLAN', message)
}
