import { unreachable } from '../base/assert.ts'
import { MillraceError } from '../base/errors.ts'
import type { BranchNode, ErrorPolicy, StreamNode } from '../flow/graph/plan.ts'
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
  throw new MillraceError(
    'MILLRACE_INVALID_PLAN',
    'skip(reason) takes a text that says why records may be dropped',
  )
}

/**
 * Writes records that fail to a topic, in the commit that covers their input, with headers that say what failed,
 * where and why. The topic is made when it is missing.
 *
 * @param topic name of the topic.
 * @throws MillraceError MILLRACE_INVALID_PLAN when that is no name for a topic.
 */
export function deadLetter(topic: string): ErrorPolicy {
  return Object.freeze({ kind: 'deadLetter', topic: checkName('topic', topic) })
}

/** Stops the app at a record that fails: nothing of its commit happens. The default. */
export function stop(): ErrorPolicy {
  return STOP
}

const STOP: ErrorPolicy = Object.freeze({ kind: 'stop' })

/*
 * `.onError` stands behind steps that are frozen already, so they are made again with the policy, back to the topic,
 * the keyBy, the state or the onError before. The same step under the same policy is made once: two branches of one
 * stream that both end with `deadLetter('failed')` still share their source. A step that is also used without the
 * policy is there twice, each with what its own user asked for.
 */
const remade = new WeakMap<StreamNode | BranchNode, Map<string, StreamNode | BranchNode>>()

/** The stream with a policy on the steps that the policy reaches. */
export function withPolicy(node: StreamNode, policy: ErrorPolicy): StreamNode {
  checkPolicy(policy)
  if (node.onError !== undefined) return node
  return remake(node, policy, () => remadeStream(node, policy))
}

function remadeStream(node: StreamNode, onError: ErrorPolicy): StreamNode {
  switch (node.kind) {
    case 'filter':
    case 'map':
    case 'flatMap':
    case 'tap':
    case 'joinTable':
      return Object.freeze({ ...node, input: withPolicy(node.input, onError), onError })
    case 'merge':
      return Object.freeze({
        ...node,
        inputs: Object.freeze(node.inputs.map((input) => withPolicy(input, onError))),
        onError,
      })
    case 'branchOutput':
      return Object.freeze({ ...node, branch: branchWithPolicy(node.branch, onError), onError })
    // Here a policy ends: the steps before it have their own.
    case 'topicSource':
    case 'connectorSource':
    case 'keyBy':
      return Object.freeze({ ...node, onError })
    // Nothing of these can fail by itself, and a copy would mean a second state.
    case 'final':
    case 'late':
    case 'tableChanges':
      return node
    default:
      return unreachable(node)
  }
}

function branchWithPolicy(node: BranchNode, onError: ErrorPolicy): BranchNode {
  if (node.onError !== undefined) return node
  return remake(node, onError, () =>
    Object.freeze({ ...node, input: withPolicy(node.input, onError), onError }),
  )
}

function remake<N extends StreamNode | BranchNode>(node: N, policy: ErrorPolicy, make: () => N): N {
  let byPolicy = remade.get(node)
  if (byPolicy === undefined) remade.set(node, (byPolicy = new Map()))
  const id = JSON.stringify(policy)
  let copy = byPolicy.get(id)
  if (copy === undefined) byPolicy.set(id, (copy = make()))
  // What is kept for a node is always made of that node.
  return copy as N
}

function checkPolicy(policy: ErrorPolicy): void {
  if (typeof policy === 'object' && policy !== null && 'kind' in policy) return
  throw new MillraceError('MILLRACE_INVALID_PLAN', '.onError takes skip(reason), deadLetter(topic) or stop()')
}
