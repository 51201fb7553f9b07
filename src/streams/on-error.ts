import { MillraceError } from '../base/errors.ts'
import type { ErrorPolicy, StreamNode } from '../flow/graph/plan.ts'
import { checkName } from './names.ts'

/**
 * Drops records that fail, and counts them under a reason.
 *
 * @param reason why that is right here; it is shown with the count.
 * @example
 * stream(lines).map(parse).onError(skip('lines that are no requests'))
 */
export function skip(reason: string): ErrorPolicy {
  if (typeof reason === 'string' && reason.trim() !== '') return Object.freeze({ kind: 'skip', reason })
  throw invalid('skip(reason) takes a text that says why records may be dropped')
}

/**
 * Writes records that fail to a topic, in the commit that covers their input, with headers that say what failed,
 * where and why. The topic is made when it is missing.
 *
 * @param topic name of the topic.
 * @throws MillraceError MILLRACE_INVALID_PLAN when that is no name for a topic.
 * @example
 * stream(lines).map(parse).onError(deadLetter('unparsable'))
 */
export function deadLetter(topic: string): ErrorPolicy {
  return Object.freeze({ kind: 'deadLetter', topic: checkName('topic', topic) })
}

/**
 * Stops the app at a record that fails: nothing of its commit happens. That is the default; it is there to be said
 * where steps further down have another policy.
 *
 * @example
 * stream(payments).map(parse).onError(stop()).map(enrich).onError(skip('no rate yet'))
 */
export function stop(): ErrorPolicy {
  return STOP
}

const STOP: ErrorPolicy = Object.freeze({ kind: 'stop' })

/**
 * The step with a policy behind it. Only this step says so; the engine finds from it how far back the policy reaches.
 * So the steps before it stay the nodes that they are, and a source that several streams share is read once.
 */
export function withPolicy(node: StreamNode, policy: ErrorPolicy): StreamNode {
  if (typeof policy !== 'object' || policy === null || !('kind' in policy)) {
    throw invalid('.onError takes skip(reason), deadLetter(topic) or stop()')
  }
  if (node.onError !== undefined)
    throw invalid('two .onError stand behind one step: the second has nothing to decide')
  return Object.freeze({ ...node, onError: policy })
}

function invalid(message: string): MillraceError {
  return new MillraceError('MILLRACE_INVALID_PLAN', message)
}
