import { type Duration, durationMs } from '../base/duration.ts'
import type { ViewNode } from '../flow/graph/plan.ts'
import type { Key } from '../record/key-codec.ts'
import { carry, keyedNodeOf } from './carried.ts'
import type { Keyed } from './keyed.ts'
import type { viewOf } from './markers.ts'
import type { Leaf } from './output.ts'

/** Rows that can be looked up while the app runs, `V` by `K`: what `view(...)` returns. */
export interface View<K, V> extends Leaf {
  readonly [viewOf]: readonly [key: K, row: V]
}

/**
 * Makes rows readable while the app runs: those of a table, or the latest value of each key of a stream. The name of
 * a view is that of its leaf in the app.
 *
 * @param options `retention`: how long the row of a window is kept after the window's end. Default 7 days; rows
 *   without a window stay for ever.
 * @example
 * export default app('trending', { pages: view(totals), trending: view(trending.final(), { retention: '1d' }) })
 */
export function view<K extends Key, V>(
  rows: Keyed<K, V>,
  options: { readonly retention?: Duration } = {},
): View<K, V> {
  const input = keyedNodeOf(rows, 'view(rows)')
  const retentionMs =
    options.retention === undefined ? undefined : durationMs(options.retention, '`retention` of a view')
  const leaf: ViewNode = Object.freeze({ kind: 'view', name: '', input, retentionMs })
  return carry({}, { leaf }) as View<K, V>
}
