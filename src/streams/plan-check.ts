import { unreachable } from '../base/assert.ts'
import { MillraceError } from '../base/errors.ts'
import type { Plan, PlanNode, TopicSpec } from '../flow/graph/plan.ts'

/**
 * What can only be seen when the whole plan is there: names that are used twice. State and internal topics derive
 * from the names of steps, so two steps of one name would share them.
 *
 * Cost: every node is visited once, however many paths lead to it.
 */
export function checkPlan(plan: Plan): void {
  const seen = new Set<PlanNode>()
  const steps = new Map<string, PlanNode>()
  const topics = new Map<string, TopicSpec>()
  const waiting: PlanNode[] = [...plan.leaves]
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (seen.has(node)) continue
    seen.add(node)
    checkStep(plan, steps, node)
    if (node.kind === 'topicSource') checkTopic(plan, topics, node.topic)
    if (node.kind === 'output' && node.to.kind === 'topic') checkTopic(plan, topics, node.to.topic)
    waiting.push(...inputsOf(node))
  }
}

/** The nodes that a node takes from, in the order of the plan. */
export function inputsOf(node: PlanNode): readonly PlanNode[] {
  switch (node.kind) {
    case 'topicSource':
    case 'connectorSource':
      return []
    case 'merge':
      return node.inputs
    case 'branchOutput':
      return [node.branch]
    case 'joinTable':
      return [node.input, node.table]
    case 'final':
    case 'updates':
    case 'late':
      return [node.window]
    case 'tableChanges':
      return [node.table]
    case 'filter':
    case 'map':
    case 'flatMap':
    case 'tap':
    case 'branch':
    case 'keyBy':
    case 'toTable':
    case 'aggregate':
    case 'reduce':
    case 'groupTable':
    case 'window':
    case 'groupWindow':
    case 'output':
    case 'view':
      return [node.input]
    default:
      return unreachable(node)
  }
}

function checkStep(plan: Plan, steps: Map<string, PlanNode>, node: PlanNode): void {
  if (node.kind === 'output' || node.kind === 'view' || !('name' in node)) return
  const other = steps.get(node.name)
  if (other === undefined) {
    steps.set(node.name, node)
    return
  }
  const reason = `two steps of the app ${plan.name} are called '${node.name}' (${other.kind} and ${node.kind})`
  throw new MillraceError(
    'MILLRACE_INVALID_PLAN',
    `${reason}: state is found by a step's name, so give one another`,
  )
}

function checkTopic(plan: Plan, topics: Map<string, TopicSpec>, topic: TopicSpec): void {
  const other = topics.get(topic.name)
  if (other === undefined) topics.set(topic.name, topic)
  else if (other !== topic) {
    const reason = `the app ${plan.name} has two topics called '${topic.name}'`
    throw new MillraceError(
      'MILLRACE_INVALID_PLAN',
      `${reason}: describe a topic once and import it where it is used`,
    )
  }
}
