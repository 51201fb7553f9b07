import type { DurationMs } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import type { ViewNode } from '../flow/graph/plan.ts'
import type { ViewTarget, ViewTargets } from '../flow/output/view-target.ts'
import type { Sys } from '../sys/sys.ts'
import { caughtUp, type Progress } from './caught-up.ts'
import { MaterializedView } from './materialized-view.ts'

/**
 * The views of an app by name. They are there from the beginning, empty, so that readers can be given them before
 * the engine has opened its tasks, and stay the same objects when a failed engine is replaced by a new one.
 */
export class ViewRegistry implements ViewTargets {
  readonly #sys: Sys
  readonly #views = new Map<string, MaterializedView>()
  readonly #ended = new AbortController()
  #progress: Progress | undefined

  constructor(sys: Sys, names: readonly string[]) {
    this.#sys = sys
    for (const name of names) this.#views.set(name, new MaterializedView(name))
  }

  get names(): readonly string[] {
    return [...this.#views.keys()]
  }

  open(node: ViewNode, _partitions: number): ViewTarget {
    let view = this.#views.get(node.name)
    if (view === undefined) {
      view = new MaterializedView(node.name)
      this.#views.set(node.name, view)
    }
    view.open()
    return view
  }

  /** @throws MillraceError MILLRACE_UNKNOWN_VIEW, naming the views that there are. */
  view(name: string): MaterializedView {
    const view = this.#views.get(name)
    if (view !== undefined) return view
    const known = this.names.length === 0 ? 'this app has no views' : `there is: ${this.names.join(', ')}`
    throw new MillraceError('MILLRACE_UNKNOWN_VIEW', `there is no view ${JSON.stringify(name)}; ${known}`)
  }

  /** From now on `caughtUp` asks this engine. */
  follow(progress: Progress): void {
    this.#progress = progress
  }

  /** Resolves when a record that was sent is visible in the views (see `caughtUp`). Default: no time limit. */
  caughtUp(position: string, timeoutMs?: DurationMs): Promise<void> {
    if (this.#progress === undefined) {
      throw new MillraceError(
        'MILLRACE_CLOSED',
        'no app fills these views yet: start it, then wait for a position',
      )
    }
    return caughtUp(this.#sys, this.#progress, position, timeoutMs, this.#ended.signal)
  }

  /** The app ended, well or with a failure. Rows can still be read; whoever waits hears it. Idempotent. */
  close(failure?: Error): void {
    this.#ended.abort(failure)
    for (const view of this.#views.values()) view.close(failure)
  }
}
