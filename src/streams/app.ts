import { MillraceError } from '../base/errors.ts'
import { checkPlan } from '../flow/graph/check-plan.ts'
import type { LeafNode, Plan } from '../flow/graph/plan.ts'
import { carriedBy, carry } from './carried.ts'
import { checkName } from './names.ts'
import type { Leaf } from './output.ts'

/** The leaves of an app by their names. */
export type Leaves = Readonly<Record<string, Leaf>>

/** A program to be run: its name, and the leaves that it computes. Made by {@link app}; frozen. */
export class App<L extends Leaves = Leaves> {
  readonly name: string
  readonly leaves: L

  /** Use {@link app}. */
  constructor(plan: Plan, leaves: L) {
    this.name = plan.name
    this.leaves = leaves
    carry(this, { plan })
  }

  /** True for the apps of another copy of the package too: a global command line runs a local pipeline. */
  static [Symbol.hasInstance](value: unknown): boolean {
    return carriedBy(value).plan !== undefined
  }
}

/**
 * Gives leaves their names and makes them one program. Whatever the leaves need is found from them; nothing runs yet.
 *
 * @param name of the app: its state and its internal topics are found by it.
 * @throws MillraceError MILLRACE_INVALID_PLAN when a name is none or is used twice: by two steps that keep state, by
 *   two topics that differ, or by one leaf with two names.
 * @example
 * export default app('word-count', { words: view(words) })
 */
export function app<L extends Leaves>(name: string, leaves: L): App<L> {
  checkName('app', name)
  const named = Object.entries(leaves).map(([leafName, leaf]) => namedLeaf(leafName, leaf))
  if (named.length === 0) throw invalid(`the app ${name} has no leaf: give it a view(...) or a .to(...)`)
  checkLeaves(name, leaves)
  const plan: Plan = Object.freeze({ name, leaves: Object.freeze(named) })
  checkPlan(plan)
  return new App(plan, Object.freeze({ ...leaves }))
}

/** The plan of an app, for what runs and describes it. */
export function planOf(value: App): Plan {
  const { plan } = carriedBy(value)
  if (plan !== undefined) return plan
  throw new MillraceError('MILLRACE_INVALID_ARGUMENT', 'this is no app: make one with app(name, { ... })')
}

function namedLeaf(name: string, value: Leaf): LeafNode {
  checkName('leaf', name)
  const { leaf, stream, table, windowed } = carriedBy(value)
  if (leaf !== undefined) return Object.freeze({ ...leaf, name })
  if (stream !== undefined || table !== undefined || windowed !== undefined) {
    throw invalid(`the leaf '${name}' is not finished: show it with view(...), or write it with .to(...)`)
  }
  throw invalid(`the leaf '${name}' is no leaf: an app takes view(...) and .to(...)`)
}

/** A leaf has one name: written under two it would be written twice. */
function checkLeaves(app: string, leaves: Leaves): void {
  const names = new Map<Leaf, string>()
  for (const [name, leaf] of Object.entries(leaves)) {
    const other = names.get(leaf)
    if (other !== undefined)
      throw invalid(`the app ${app} has one leaf under two names: '${other}' and '${name}'`)
    names.set(leaf, name)
  }
}

function invalid(message: string): MillraceError {
  return new MillraceError('MILLRACE_INVALID_PLAN', message)
}
