import type { Aggregates, Plan, PlanNode } from './plan.ts'
import { invalidPlan, namedSteps, stepLabel, type Topology, topologyOf } from './topology.ts'

const NAME = /^[a-zA-Z0-9._-]{1,249}$/

/**
 * What the types of a builder cannot see, checked before anything runs.
 *
 * @throws MillraceError MILLRACE_INVALID_PLAN, naming the step and what to do.
 */
export function checkPlan(plan: Plan): Topology {
  checkName('the app', plan.name)
  if (plan.leaves.length === 0) {
    throw invalidPlan(`the app ${plan.name} has no leaves: give it at least one view or output`)
  }
  const topology = topologyOf(plan)
  checkNames(topology)
  checkTopics(topology)
  for (const { node } of topology.nodes) checkNode(node, topology)
  return topology
}

function checkNames(topology: Topology): void {
  const steps = new Map<string, PlanNode>()
  const leaves = new Map<string, PlanNode>()
  for (const node of namedSteps(topology)) {
    const leaf = node.kind === 'output' || node.kind === 'view'
    checkName(leaf ? 'a leaf' : `the step ${node.kind}`, node.name)
    const known = leaf ? leaves : steps
    const other = known.get(node.name)
    if (other !== undefined) {
      throw invalidPlan(
        `two ${leaf ? 'leaves' : 'steps'} are named '${node.name}' (${other.kind} and ${node.kind}): ` +
          'their state would be one; give one of them another name',
      )
    }
    known.set(node.name, node)
  }
}

function checkTopics(topology: Topology): void {
  const partitions = new Map<string, number>()
  for (const { node } of topology.nodes) {
    const topic = node.kind === 'topicSource' ? node.topic : undefined
    const target = node.kind === 'output' && node.to.kind === 'topic' ? node.to.topic : topic
    if (target === undefined) continue
    checkName('a topic', target.name)
    if (!Number.isSafeInteger(target.partitions) || target.partitions < 1) {
      throw invalidPlan(
        `topic ${target.name} has ${target.partitions} partitions: a whole number above 0 is needed`,
      )
    }
    const known = partitions.get(target.name)
    if (known !== undefined && known !== target.partitions) {
      throw invalidPlan(
        `topic ${target.name} is described with ${known} and with ${target.partitions} partitions`,
      )
    }
    partitions.set(target.name, target.partitions)
  }
}

function checkNode(node: PlanNode, topology: Topology): void {
  if (node.onError?.kind === 'deadLetter') checkName('a dead letter topic', node.onError.topic)
  if (node.kind === 'groupTable') checkSubtract(stepLabel(node), node.aggregates)
  if (
    node.kind === 'groupWindow' &&
    topology.of(node).consumers.some(({ node: user }) => user.kind === 'updates')
  ) {
    checkSubtract(stepLabel(node), node.aggregates)
  }
  if (node.kind === 'window') checkWindow(node.name, node.window)
  if (node.kind === 'joinTable') {
    if (node.table.kind === 'updates') {
      throw invalidPlan(
        'a join with the rows of updates() is not possible: their key is [key, window start]; join a table',
      )
    }
    const table = topology.of(node.table).scheme
    const stream = topology.of(node.input).scheme
    if (table !== stream && !table.startsWith('key/') && table !== 'none/1') {
      throw invalidPlan(
        `a join needs both sides in the same partitions, but the table's topic is spread as ${table} and the stream as ` +
          `${stream}: give both topics the same key serde, or put .keyBy((value, record) => record.key) before the table`,
      )
    }
  }
}

function checkSubtract(step: string, aggregates: Aggregates): void {
  for (const [field, aggregate] of Object.entries(aggregates)) {
    if (aggregate.subtract !== undefined || aggregate.elements?.subtract !== undefined) continue
    throw invalidPlan(
      `${step}: '${field}' (${aggregate.kind}) cannot take a row out again, which is needed when a row changes; ` +
        'give the aggregate a `subtract`',
    )
  }
}

function checkWindow(
  name: string,
  window: { readonly kind: string } & Readonly<Record<string, unknown>>,
): void {
  for (const field of ['sizeMs', 'everyMs', 'gapMs']) {
    const value = window[field] as number | undefined
    if (value === undefined) continue
    if (!Number.isSafeInteger(value) || value < 1) {
      throw invalidPlan(
        `window '${name}': ${field} is ${value}; a whole number of milliseconds above 0 is needed`,
      )
    }
  }
}

function checkName(what: string, name: string): void {
  if (NAME.test(name) && name !== '.' && name !== '..') return
  throw invalidPlan(
    `${JSON.stringify(name)} is no name for ${what}: use 1 to 249 letters, digits, dots, dashes or underscores`,
  )
}
