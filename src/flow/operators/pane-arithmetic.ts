import type { Timestamp } from '../../base/brands.ts'
import type { WindowSpec } from '../graph/window-spec.ts'

/**
 * Tumbling and hopping windows cut into panes: the longest pieces of time of which every window is made. A record goes
 * into one pane whatever size / every is; a window is the panes in it. Integer arithmetic, also below zero.
 */
export class PaneArithmetic {
  readonly sizeMs: number
  readonly everyMs: number
  readonly paneMs: number
  /** Window ends are congruent to this modulo `everyMs`. */
  readonly #endPhase: number
  readonly #offset: number

  constructor(spec: Exclude<WindowSpec, { readonly kind: 'session' }>) {
    this.sizeMs = spec.sizeMs
    this.everyMs = spec.kind === 'tumbling' ? spec.sizeMs : spec.everyMs
    this.paneMs = greatestCommonDivisor(this.sizeMs, this.everyMs)
    this.#offset = spec.offsetMs
    this.#endPhase = spec.offsetMs + this.sizeMs
  }

  /** The end of the pane that holds a time. */
  paneEnd(timestamp: Timestamp): Timestamp {
    return timestamp - modulo(timestamp - this.#offset, this.paneMs) + this.paneMs
  }

  /** The first window end at or behind a time. */
  windowEndFrom(time: Timestamp): Timestamp {
    return time + modulo(this.#endPhase - time, this.everyMs)
  }

  /** The last end that a window holding this pane can have; it may be that no window holds it. */
  lastWindowEnd(paneEnd: Timestamp): Timestamp {
    const latest = paneEnd - this.paneMs + this.sizeMs
    return latest - modulo(latest - this.#endPhase, this.everyMs)
  }
}

function modulo(value: number, divisor: number): number {
  const rest = value % divisor
  return rest < 0 ? rest + divisor : rest
}

function greatestCommonDivisor(left: number, right: number): number {
  let a = left
  let b = right
  while (b !== 0) [a, b] = [b, a % b]
  return a
}
