import type { PlanNode } from '../graph/plan.ts'
import { holdOf, inputsOf, type Topology } from '../graph/topology.ts'
import type { TimedOperator } from '../operators/timed-operator.ts'
import type { TimeOutput } from '../time/time-edges.ts'
import type { SourceLane } from './source-lane.ts'

/**
 * Lays the edges of time: to every operator that fires something, from each source partition and each windowed task
 * whose records can reach it, through all the steps that keep no time. Holds (SEMANTICS 1.14) are fixed here.
 */
export function connectTime(
  topology: Topology,
  lanes: ReadonlyMap<PlanNode, readonly SourceLane[]>,
  timed: ReadonlyMap<PlanNode, readonly TimedOperator[]>,
): void {
  for (const { node } of topology.nodes) {
    for (const [partition, operator] of (timed.get(node) ?? []).entries()) {
      const makers = new Map<TimeOutput, number>()
      for (const input of inputsOf(node)) collect(input, node, partition, makers)
      for (const [maker, hold] of makers) maker.connect(operator.time, hold)
    }
  }

  /** The makers of time in front of `node`, as its task `partition` or the user's behind it sees them. */
  function collect(node: PlanNode, user: PlanNode, partition: number, makers: Map<TimeOutput, number>): void {
    const { partitions } = topology.of(node)
    const consumer = topology.of(node).consumers.find((candidate) => candidate.node === user)
    const crosses = consumer?.shuffle === true || sendsByKey(user)
    const from = crosses ? Array.from({ length: partitions }, (_, index) => index) : [partition]
    for (const task of from) if (task < partitions) collectTask(node, user, task, makers)
  }

  function collectTask(node: PlanNode, user: PlanNode, task: number, makers: Map<TimeOutput, number>): void {
    const lane = lanes.get(node)?.[task]
    const operator = timed.get(node)?.[task]
    const maker = lane?.time ?? operator?.output
    if (maker !== undefined) {
      // The highest hold wins where a step is reached on several ways.
      makers.set(maker, Math.max(makers.get(maker) ?? 0, operator === undefined ? 0 : holdOf(node, user)))
      return
    }
    for (const input of inputsOf(node)) collect(input, node, task, makers)
  }
}

function sendsByKey(user: PlanNode): boolean {
  return user.kind === 'keyBy' || user.kind === 'groupTable' || user.kind === 'groupWindow'
}
