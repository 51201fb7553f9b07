import type { PlanNode } from '../graph/plan.ts'
import { isTable, type Topology } from '../graph/topology.ts'
import type { SourceLane } from '../task/source-lane.ts'

/** The lanes that read one partition of one topic or source. */
export interface LaneGroup {
  readonly lanes: readonly SourceLane[]
  /** Lower ones first at equal timestamps. */
  readonly rank: number
  readonly checksKeys: boolean
}

/** Above every step's place in the plan: streams come behind all tables. */
const STREAMS = 1_000_000

/** The inputs of an app, grouped so that those whose records can meet in a task are together (SEMANTICS 1.7). */
export function groupLanes(
  topology: Topology,
  lanes: readonly SourceLane[],
): readonly (readonly LaneGroup[])[] {
  const components = componentsOf(topology)
  const byComponent = new Map<number, Map<string, SourceLane[]>>()
  // A topic that two components read is still one input: it binds them together.
  const merged = new Map<number, number>()
  const find = (component: number): number => {
    const parent = merged.get(component)
    return parent === undefined ? component : find(parent)
  }
  const componentOfInput = new Map<string, number>()
  for (const { node } of lanes) {
    const component = find(components.get(node) as number)
    const known = componentOfInput.get(inputName(node))
    if (known === undefined) componentOfInput.set(inputName(node), component)
    else if (find(known) !== component) merged.set(component, find(known))
  }
  for (const lane of lanes) {
    const component = find(components.get(lane.node) as number)
    let inputs = byComponent.get(component)
    if (inputs === undefined) {
      inputs = new Map()
      byComponent.set(component, inputs)
    }
    const id = `${inputName(lane.node)}/${lane.partition}`
    const shared = inputs.get(id)
    if (shared === undefined) inputs.set(id, [lane])
    else shared.push(lane)
  }
  return [...byComponent.values()].map((inputs) =>
    [...inputs.values()].map((shared) => {
      const nodes = shared.map(({ node }) => node)
      const table = nodes.some((node) => feedsTable(node, topology))
      const index = Math.min(...nodes.map((node) => topology.of(node).index))
      return {
        lanes: shared,
        rank: table ? index : STREAMS + index,
        checksKeys: nodes.some((node) => reliesOnKeys(node, topology)),
      }
    }),
  )
}

export function inputName(node: SourceLane['node']): string {
  return node.kind === 'topicSource' ? `topic:${node.topic.name}` : `source:${node.source.id}`
}

/** Steps that are connected by the plan, not by a topic between them. */
export function componentsOf(topology: Topology): ReadonlyMap<PlanNode, number> {
  const components = new Map<PlanNode, number>()
  let next = 0
  const mark = (node: PlanNode, component: number): void => {
    if (components.has(node)) return
    components.set(node, component)
    for (const { node: user } of topology.of(node).consumers) mark(user, component)
    for (const { node: other, consumers } of topology.nodes) {
      if (!components.has(other) && consumers.some((consumer) => consumer.node === node))
        mark(other, component)
    }
  }
  for (const { node } of topology.nodes) {
    if (!components.has(node)) mark(node, next)
    next += 1
  }
  return components
}

/** The source of a table: all its ways lead to tables that are looked up. */
function feedsTable(node: PlanNode, topology: Topology): boolean {
  const { consumers } = topology.of(node)
  return (
    consumers.length > 0 &&
    consumers.every(({ node: user }) => isTable(user) || (isPlain(user) && feedsTable(user, topology)))
  )
}

/** A table or a join takes the records where they lie: their keys must belong there. */
function reliesOnKeys(node: PlanNode, topology: Topology): boolean {
  if (!topology.of(node).scheme.startsWith('key/')) return false
  return topology
    .of(node)
    .consumers.some(
      ({ node: user, shuffle }) =>
        !shuffle &&
        (isTable(user) || user.kind === 'joinTable' || (isPlain(user) && reliesOnKeys(user, topology))),
    )
}

function isPlain({ kind }: PlanNode): boolean {
  return kind === 'filter' || kind === 'map' || kind === 'flatMap' || kind === 'tap' || kind === 'merge'
}
