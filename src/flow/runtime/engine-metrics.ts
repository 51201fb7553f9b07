import { MIN_TIMESTAMP } from '../../base/brands.ts'
import type { Counter, Histogram, Metrics } from '../../observe/metrics.ts'
import type { Counters } from '../operators/operator.ts'
import type { Input } from './input.ts'

const COMMIT_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]

/** The reasons for which a record can be left out, as they stand in `Counters`. */
const DROPPED = ['nullKeys', 'nullValues', 'tombstones', 'unmatched', 'outsideWindows'] as const

/** What the engine shows of itself. The hot path counts in plain fields; here they are carried over at each commit. */
export class EngineMetrics {
  readonly #metrics: Metrics
  readonly #app: string
  readonly #inputs: () => readonly Input[]
  readonly #commits: Counter
  readonly #commitSeconds: Histogram
  readonly #carried: readonly { readonly counter: Counter; readonly read: () => number; last: number }[]
  readonly #gauges = new Set<string>()

  constructor(metrics: Metrics, app: string, counters: Counters, inputs: () => readonly Input[]) {
    this.#metrics = metrics
    this.#app = app
    this.#inputs = inputs
    const carry = (name: string, help: string, read: () => number, labels = {}) => ({
      counter: metrics.counter(name, help, { app, ...labels }),
      read,
      last: 0,
    })
    this.#commits = metrics.counter('millrace_commits_total', 'Commits that became durable', { app })
    this.#commitSeconds = metrics.histogram(
      'millrace_commit_seconds',
      'From the cut of a commit until it is durable',
      COMMIT_SECONDS,
      { app },
    )
    this.#carried = [
      carry('millrace_records_total', 'Input records taken', () => counters.records),
      carry(
        'millrace_late_records_total',
        'Records that no window took because they came too late',
        () => counters.late,
      ),
      carry(
        'millrace_late_windows_total',
        'Windows that refused a record another window took',
        () => counters.lateWindows,
      ),
      carry(
        'millrace_dead_letters_total',
        'Records written to a dead letter topic',
        () => counters.deadLetters,
      ),
      carry('millrace_input_bytes_total', 'Encoded bytes read from input topics', () => bytesOf(inputs())),
      ...DROPPED.map((reason) =>
        carry('millrace_dropped_total', 'Records left out, by reason', () => counters[reason], { reason }),
      ),
    ]
  }

  skipped(reason: string): void {
    const labels = { app: this.#app, reason: `skipped: ${reason}` }
    this.#metrics.counter('millrace_dropped_total', 'Records left out, by reason', labels).add()
  }

  committed(ms: number): void {
    this.#commits.add()
    this.#commitSeconds.observe(ms / 1000)
    for (const carried of this.#carried) {
      const now = carried.read()
      carried.counter.add(now - carried.last)
      carried.last = now
    }
    if (this.#gauges.size === 0) this.#showInputs()
  }

  close(): void {
    for (const text of this.#gauges) {
      const labels = JSON.parse(text) as Record<string, string>
      this.#metrics.remove('millrace_input_lag_records', labels)
      this.#metrics.remove('millrace_input_watermark_ms', labels)
    }
    this.#gauges.clear()
  }

  #showInputs(): void {
    for (const input of this.#inputs()) {
      const labels = { app: this.#app, input: input.name, partition: String(input.partition) }
      this.#gauges.add(JSON.stringify(labels))
      this.#metrics.gaugeCallback(
        'millrace_input_lag_records',
        'Records behind the end of the partition',
        () => input.status().lag ?? 0,
        labels,
      )
      this.#metrics.gaugeCallback(
        'millrace_input_watermark_ms',
        'Event time that an input has reached',
        () => Math.min(...input.lanes.map(({ watermark }) => (watermark === MIN_TIMESTAMP ? 0 : watermark))),
        labels,
      )
    }
  }
}

function bytesOf(inputs: readonly Input[]): number {
  let bytes = 0
  for (const input of inputs) if ('bytes' in input) bytes += input.bytes as number
  return bytes
}
