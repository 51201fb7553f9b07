import type { DurationMs } from '../../base/brands.ts'

/** Windows `[start, end)` aligned to the epoch, shifted by `offsetMs`; a session includes its end (SEMANTICS 2.7). */
export type WindowSpec =
  | { readonly kind: 'tumbling'; readonly sizeMs: DurationMs; readonly offsetMs: DurationMs }
  | {
      readonly kind: 'hopping'
      readonly sizeMs: DurationMs
      readonly everyMs: DurationMs
      readonly offsetMs: DurationMs
    }
  | { readonly kind: 'session'; readonly gapMs: DurationMs }

/** The `window` of a row: a session also says when its last event was. */
export interface Window {
  readonly start: number
  readonly end: number
  readonly lastEvent?: number
}
