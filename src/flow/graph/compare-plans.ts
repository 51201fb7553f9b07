import { MillraceError } from '../../base/errors.ts'
import type { PlanDescription, StoreDescription } from './describe.ts'

/**
 * Refuses a plan that would misread the state of the one before it (SEMANTICS 10). New steps are fine; a step that is
 * gone leaves its state behind, unread.
 *
 * @throws MillraceError MILLRACE_INCOMPATIBLE_PLAN with what differs and the ways out.
 */
export function comparePlans(stored: PlanDescription, plan: PlanDescription): void {
  const before = new Map(stored.stores.map((store) => [store.name, store]))
  const differences: string[] = []
  for (const store of plan.stores) {
    const known = before.get(store.name)
    if (known !== undefined) differences.push(...differencesOf(known, store))
  }
  if (differences.length === 0) return
  throw new MillraceError(
    'MILLRACE_INCOMPATIBLE_PLAN',
    `the app ${plan.app} has state that its steps of now cannot read:\n${differences.join('\n')}\n` +
      'Give each changed step a new name (it starts empty, the others keep their state), or run the app under a new ' +
      'name or in a new directory (all of it starts anew from the topics)',
  )
}

function differencesOf(before: StoreDescription, now: StoreDescription): string[] {
  const fields = ['kind', 'partitions', 'definition'] as const
  return fields
    .filter((field) => before[field] !== now[field])
    .map((field) => `  ${now.name}: ${field} was ${before[field]}, is ${now[field]}`)
}
