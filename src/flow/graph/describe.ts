import { keepsElements } from './aggregate.ts'
import { checkPlan } from './check-plan.ts'
import { engineTopic, marksTopic, planTopic, storeChangelog, viewChangelog } from './internal-topics.ts'
import type { Aggregates, Plan, PlanNode } from './plan.ts'
import { holdOf, inputsOf, showsUpdates, stepLabel, type Topology, type TopologyNode } from './topology.ts'

/** What an app does, for people (`millrace describe`) and for the comparison with the plan that ran before. */
export interface PlanDescription {
  readonly app: string
  readonly stages: readonly StageDescription[]
  readonly stores: readonly StoreDescription[]
  readonly topics: readonly TopicUse[]
}

/** Steps between two repartitions: what one task runs. */
export interface StageDescription {
  readonly id: number
  readonly partitions: number
  readonly steps: readonly StepDescription[]
}

export interface StepDescription {
  readonly id: number
  readonly kind: string
  readonly label: string
  readonly inputs: readonly number[]
  /** By how much this step holds the watermark back for those behind it (SEMANTICS 1.14). */
  readonly holdMs: number
}

/** State with a name. What it says must stay the same for a name, else the state would be misread. */
export interface StoreDescription {
  readonly name: string
  readonly kind: string
  readonly partitions: number
  readonly definition: string
  readonly changelogs: readonly string[]
}

export interface TopicUse {
  readonly name: string
  readonly partitions: number
  readonly use: 'input' | 'output' | 'changelog' | 'internal' | 'deadLetter'
}

export function describePlan(plan: Plan): PlanDescription {
  const topology = checkPlan(plan)
  return {
    app: plan.name,
    stages: stagesOf(topology),
    stores: storesOf(plan.name, topology),
    topics: topicsOf(plan.name, topology),
  }
}

function stagesOf(topology: Topology): StageDescription[] {
  const stageOf = new Map<PlanNode, number>()
  const stages: { id: number; partitions: number; steps: StepDescription[] }[] = []
  for (const entry of topology.nodes) {
    const inputs = inputsOf(entry.node)
    // A step that sends by key ends its stage: what stands behind it is the next one.
    const before = inputs.find((input) => !cuts(input, entry))
    let stage = before === undefined ? undefined : stageOf.get(before)
    if (stage === undefined) {
      stage = stages.length
      stages.push({ id: stage, partitions: entry.partitions, steps: [] })
    }
    stageOf.set(entry.node, stage)
    stages[stage]?.steps.push({
      id: entry.index,
      kind: entry.node.kind,
      label: stepLabel(entry.node),
      inputs: inputs.map((input) => topology.of(input).index),
      holdMs: Math.max(0, ...entry.consumers.map(({ node }) => holdOf(entry.node, node))),
    })
  }
  return stages
}

function cuts(input: PlanNode, entry: TopologyNode): boolean {
  return input.kind === 'keyBy' || entry.node.kind === 'groupTable' || entry.node.kind === 'groupWindow'
}

function storesOf(app: string, topology: Topology): StoreDescription[] {
  const stores: StoreDescription[] = []
  for (const { node, partitions } of topology.nodes) {
    const definition = definitionOf(node)
    if (definition === undefined || !('name' in node)) continue
    const changelogs =
      node.kind === 'view'
        ? [viewChangelog(app, node.name)]
        : [storeChangelog(app, node.name), ...elementLogs(app, node, topology)]
    stores.push({
      name: node.kind === 'view' ? `view ${node.name}` : node.name,
      kind: node.kind,
      partitions,
      definition,
      changelogs,
    })
  }
  return stores
}

function elementLogs(app: string, node: PlanNode & { readonly name: string }, topology: Topology): string[] {
  if (!('aggregates' in node)) return []
  const subtracts =
    node.kind === 'groupTable' || (node.kind === 'groupWindow' && showsUpdates(topology.of(node), topology))
  return Object.entries(node.aggregates)
    .filter(([, aggregate]) => keepsElements(aggregate, subtracts))
    .map(([field]) => storeChangelog(app, `${node.name}-${field}-elements`))
}

/** The part of a step that its stored state depends on; undefined: it has none. */
function definitionOf(node: PlanNode): string | undefined {
  switch (node.kind) {
    case 'toTable':
    case 'reduce':
      return 'latest value by key'
    case 'aggregate':
    case 'groupTable':
      return fieldsText(node.aggregates)
    case 'groupWindow':
      return fieldsText(node.aggregates)
    case 'window': {
      const { kind, ...times } = node.window
      const parts = Object.entries(times).map(([name, ms]) => `${name}=${ms}`)
      return `${kind} ${parts.join(' ')}: ${fieldsText(node.aggregates)}`
    }
    case 'view':
      return 'rows by key'
    default:
      return undefined
  }
}

function fieldsText(aggregates: Aggregates): string {
  return Object.entries(aggregates)
    .map(([name, { kind }]) => `${name}: ${kind}`)
    .join(', ')
}

function topicsOf(app: string, topology: Topology): TopicUse[] {
  const topics = new Map<string, TopicUse>()
  const add = (name: string, partitions: number, use: TopicUse['use']): void => {
    topics.set(`${use} ${name}`, { name, partitions, use })
  }
  for (const { node, policy } of topology.nodes) {
    if (policy.kind === 'deadLetter') add(policy.topic, 1, 'deadLetter')
    switch (node.kind) {
      case 'topicSource':
        add(node.topic.name, node.topic.partitions, 'input')
        break
      case 'output':
        if (node.to.kind === 'topic') add(node.to.topic.name, node.to.topic.partitions, 'output')
        break
      default:
        break
    }
  }
  for (const { changelogs, partitions } of storesOf(app, topology)) {
    for (const name of changelogs) add(name, partitions, 'changelog')
  }
  add(planTopic(app), 1, 'internal')
  add(marksTopic(app), 1, 'internal')
  add(engineTopic(app), 1, 'internal')
  return [...topics.values()]
}
