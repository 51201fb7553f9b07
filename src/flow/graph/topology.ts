import { unreachable } from '../../base/assert.ts'
import { MillraceError } from '../../base/errors.ts'
import type { ErrorPolicy, Plan, PlanNode, StreamNode, TableNode } from './plan.ts'

/**
 * A plan in the order in which it runs: every node once, inputs before those who use them, with its partitions.
 *
 * A node's `scheme` says how its records are spread: two inputs whose schemes are equal have a key in the same
 * partition. `key/4`: by the canonical key over 4; `text`-keyed topics have it too. `none/4`: by something else.
 */
export interface Topology {
  readonly nodes: readonly TopologyNode[]
  of(node: PlanNode): TopologyNode
}

export interface TopologyNode {
  readonly node: PlanNode
  readonly index: number
  readonly partitions: number
  readonly scheme: string
  /** The nodes that use this one, in the order of the plan. */
  readonly consumers: readonly Consumer[]
  readonly policy: ErrorPolicy
}

export interface Consumer {
  readonly node: PlanNode
  /** Records must be sent to the partition of their key on the way. */
  readonly shuffle: boolean
  /** The consumer's table side. */
  readonly table: boolean
}

const STOP: ErrorPolicy = { kind: 'stop' }

export function topologyOf(plan: Plan): Topology {
  const order: PlanNode[] = []
  const seen = new Set<PlanNode>()
  const visit = (node: PlanNode): void => {
    if (seen.has(node)) return
    seen.add(node)
    for (const input of inputsOf(node)) visit(input)
    order.push(node)
  }
  for (const leaf of plan.leaves) visit(leaf)

  const entries = new Map<
    PlanNode,
    { -readonly [K in keyof TopologyNode]: TopologyNode[K] } & { consumers: Consumer[] }
  >()
  const of = (node: PlanNode): TopologyNode => entries.get(node) as TopologyNode
  for (const [index, node] of order.entries()) {
    const scheme = schemeOf(node, of)
    entries.set(node, { node, index, partitions: partitionsOf(scheme), scheme, consumers: [], policy: STOP })
    for (const input of inputsOf(node)) {
      const table = node.kind === 'joinTable' && input === node.table
      const shuffle = !table && mustShuffle(node, of(input).scheme, scheme)
      entries.get(input)?.consumers.push({ node, shuffle, table })
    }
  }
  for (const entry of entries.values()) entry.policy = policyOf(entry, of, new Set())
  return { nodes: order.map(of), of }
}

export function inputsOf(node: PlanNode): readonly PlanNode[] {
  switch (node.kind) {
    case 'topicSource':
    case 'connectorSource':
      return []
    case 'merge':
      return node.inputs
    case 'branchOutput':
      return [node.branch]
    case 'final':
    case 'updates':
    case 'late':
      return [node.window]
    case 'joinTable':
      return [node.table, node.input]
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

export function isTable(node: PlanNode): node is TableNode {
  const { kind } = node
  return (
    kind === 'toTable' ||
    kind === 'aggregate' ||
    kind === 'reduce' ||
    kind === 'groupTable' ||
    kind === 'updates'
  )
}

/** Whether some `updates()` stands behind a windowed step grouped again: then every change has to reach it. */
export function showsUpdates(entry: TopologyNode, topology: Topology): boolean {
  return entry.consumers.some(
    ({ node }) =>
      node.kind === 'updates' || (node.kind === 'groupWindow' && showsUpdates(topology.of(node), topology)),
  )
}

/** What people call a step: its kind and, where it has one, its name. */
export function stepLabel(node: PlanNode): string {
  if (node.kind === 'topicSource') return `stream of topic ${node.topic.name}`
  if (node.kind === 'connectorSource') return `stream of ${node.source.id}`
  return 'name' in node && node.name !== '' ? `${node.kind} '${node.name}'` : node.kind
}

function schemeOf(node: PlanNode, of: (node: PlanNode) => TopologyNode): string {
  switch (node.kind) {
    case 'topicSource': {
      const format = node.topic.keySerde?.format
      const by =
        format === undefined ? 'none' : format === 'key' || format === 'text' ? 'key' : `serde:${format}`
      return `${by}/${node.topic.partitions}`
    }
    case 'connectorSource':
      return `none/${node.source.partitions}`
    case 'keyBy':
    case 'groupTable':
    case 'groupWindow':
      return `key/${of(node.input).partitions}`
    case 'merge':
      return mergedScheme(node.inputs, of)
    case 'joinTable':
      return of(node.table).scheme
    case 'updates':
      // Keyed [key, window start], but lying where the key lies.
      return `window/${of(node.window).partitions}`
    default:
      return of(inputsOf(node)[0] as PlanNode).scheme
  }
}

function mergedScheme(inputs: readonly StreamNode[], of: (node: PlanNode) => TopologyNode): string {
  const schemes = inputs.map((input) => of(input).scheme)
  const first = schemes[0] as string
  if (schemes.every((scheme) => scheme === first)) return first
  const partitions = Math.max(...schemes.map(partitionsOf))
  return schemes.some((scheme) => scheme.startsWith('none/')) ? `none/${partitions}` : `key/${partitions}`
}

function mustShuffle(node: PlanNode, from: string, to: string): boolean {
  if (node.kind === 'joinTable' || node.kind === 'merge') return from !== to && !to.startsWith('none/')
  return false
}

function partitionsOf(scheme: string): number {
  return Number(scheme.slice(scheme.lastIndexOf('/') + 1))
}

/** The policy of the first `.onError` behind a step, up to the next keyBy. */
function policyOf(
  entry: TopologyNode,
  of: (node: PlanNode) => TopologyNode,
  seen: Set<PlanNode>,
): ErrorPolicy {
  if (entry.node.onError !== undefined) return entry.node.onError
  for (const { node } of entry.consumers) {
    if (node.kind === 'keyBy' || seen.has(node)) continue
    seen.add(node)
    const policy = policyOf(of(node), of, seen)
    if (policy !== STOP) return policy
  }
  return STOP
}

/** The steps that keep state, and the leaves: what has a name and may not share it. */
export function namedSteps(topology: Topology): readonly (PlanNode & { readonly name: string })[] {
  const named: (PlanNode & { readonly name: string })[] = []
  for (const { node } of topology.nodes) {
    if ('name' in node) named.push(node)
  }
  return named
}

export function invalidPlan(message: string): MillraceError {
  return new MillraceError('MILLRACE_INVALID_PLAN', message)
}

/** `final` holds back the lateness of its window, and so do windows that are grouped again. */
export function holdOf(node: PlanNode, user: PlanNode): number {
  if (node.kind !== 'window') return 0
  return user.kind === 'final' || user.kind === 'groupWindow' ? node.allowedLatenessMs : 0
}
