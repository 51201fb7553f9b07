import { durationMs } from '../base/duration.ts'
import type { Key } from '../record/key-codec.ts'
import type { ReadableView } from '../streams/view-types.ts'
import type { ViewRegistry } from '../views/view-registry.ts'

/** How long a reader waits for its own write when it does not say. */
const CAUGHT_UP_TIMEOUT_MS = 30_000

/**
 * A view as users read it. The rows were checked when they were computed: the types of the plan and of the rows here
 * are the same by construction, which the compiler cannot see behind the changelog.
 */
export function readableView(registry: ViewRegistry, name: string): ReadableView<Key, unknown> {
  const view = registry.view(name)
  return {
    get: async (key) => view.get(key),
    list: async (range = {}) => view.list(range),
    async *entries(range = {}) {
      yield* view.entries(range)
    },
    caughtUp: async (position, options = {}) => {
      const { timeout } = options
      await registry.caughtUp(position, durationMs(timeout ?? CAUGHT_UP_TIMEOUT_MS, 'timeout'))
    },
    changes: (options = {}) => view.changes(options),
  } as ReadableView<Key, unknown>
}
