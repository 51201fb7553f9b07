import type { PlanNode } from './plan.ts'

/**
 * By how much a step holds the watermark back for one that uses it (SEMANTICS 1.14): `final` by the lateness of its
 * window, and so for windows that are grouped again.
 */
export function holdOf(node: PlanNode, user: PlanNode): number {
  if (node.kind !== 'window') return 0
  return user.kind === 'final' || user.kind === 'groupWindow' ? node.allowedLatenessMs : 0
}
