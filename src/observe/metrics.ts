/**
 * One registry of counters, gauges and histograms. The hot path adds to a plain number field (3 ns); names and labels
 * are settled when a metric is made, so nothing is looked up per record. Exporters read `collect()`.
 *
 * A family is one name with one help text and kind; its series differ by labels. Asking twice for the same series
 * gives the same object, so two parts may count together.
 */
import { assert } from '../base/assert.ts'

export type Labels = Readonly<Record<string, string>>

export class Counter {
  /** Add to it directly where every nanosecond counts; it must never go down. */
  value = 0

  add(count = 1): void {
    this.value += count
  }
}

export class Gauge {
  value = 0

  set(value: number): void {
    this.value = value
  }
}

export class Histogram {
  /** Upper bounds, ascending; a last bucket without bound follows them. */
  readonly bounds: readonly number[]
  /** How many values fell into each bucket, not cumulated. */
  readonly counts: number[]
  sum = 0
  count = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Array<number>(bounds.length + 1).fill(0)
  }

  observe(value: number): void {
    const bounds = this.bounds
    let index = 0
    while (index < bounds.length && value > (bounds[index] as number)) index += 1
    this.counts[index] = (this.counts[index] as number) + 1
    this.sum += value
    this.count += 1
  }
}

export type Sample =
  | { readonly labels: Labels; readonly value: number }
  | {
      readonly labels: Labels
      /** Cumulated counts by upper bound; the last bound is Infinity. */
      readonly buckets: readonly { readonly bound: number; readonly count: number }[]
      readonly sum: number
      readonly count: number
    }

export interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly kind: MetricKind
  readonly samples: readonly Sample[]
}

export type MetricKind = 'counter' | 'gauge' | 'histogram'

interface Family {
  readonly name: string
  readonly help: string
  readonly kind: MetricKind
  readonly series: Map<string, Series>
}

interface Series {
  readonly labels: Labels
  readonly metric: Counter | Gauge | Histogram | (() => number)
}

export class Metrics {
  readonly #families = new Map<string, Family>()

  counter(name: string, help: string, labels: Labels = {}): Counter {
    return this.#series(name, help, 'counter', labels, () => new Counter()) as Counter
  }

  gauge(name: string, help: string, labels: Labels = {}): Gauge {
    const gauge = this.#series(name, help, 'gauge', labels, () => new Gauge())
    assert(gauge instanceof Gauge, () => `the gauge ${name} is computed by a callback and cannot be set`)
    return gauge
  }

  /** A gauge whose value is asked for when it is collected. A later callback takes the place of an earlier one. */
  gaugeCallback(name: string, help: string, read: () => number, labels: Labels = {}): void {
    this.#family(name, help, 'gauge').series.set(keyOf(labels), { labels: { ...labels }, metric: read })
  }

  histogram(name: string, help: string, bounds: readonly number[], labels: Labels = {}): Histogram {
    assert(
      bounds.every((bound, index) => Number.isFinite(bound) && bound > (bounds[index - 1] ?? -Infinity)),
      () => `the bounds of ${name} ascend and are finite: ${bounds.join(', ')}`,
    )
    return this.#series(name, help, 'histogram', labels, () => new Histogram([...bounds])) as Histogram
  }

  /** Forgets one series, for a task or topic that is gone. */
  remove(name: string, labels: Labels = {}): void {
    this.#families.get(name)?.series.delete(keyOf(labels))
  }

  /** Everything as it is now, by name. */
  collect(): readonly MetricFamily[] {
    return [...this.#families.values()]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, help, kind, series }) => ({
        name,
        help,
        kind,
        samples: [...series.values()].map(sampleOf),
      }))
  }

  #series(
    name: string,
    help: string,
    kind: MetricKind,
    labels: Labels,
    make: () => Counter | Gauge | Histogram,
  ): Series['metric'] {
    const { series } = this.#family(name, help, kind)
    const key = keyOf(labels)
    let found = series.get(key)
    if (found === undefined) {
      found = { labels: { ...labels }, metric: make() }
      series.set(key, found)
    }
    return found.metric
  }

  #family(name: string, help: string, kind: MetricKind): Family {
    assert(/^[a-z][a-z0-9_]*$/.test(name), () => `a metric's name is lower case with underscores: ${name}`)
    let family = this.#families.get(name)
    if (family === undefined) {
      family = { name, help, kind, series: new Map() }
      this.#families.set(name, family)
    }
    assert(family.kind === kind, () => `${name} is a ${family.kind}, not a ${kind}`)
    return family
  }
}

/** The same labels in another order are the same series. */
function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function sampleOf({ labels, metric }: Series): Sample {
  if (typeof metric === 'function') return { labels, value: metric() }
  if (!(metric instanceof Histogram)) return { labels, value: metric.value }
  let count = 0
  const buckets = metric.counts.map((inBucket, index) => {
    count += inBucket
    return { bound: metric.bounds[index] ?? Number.POSITIVE_INFINITY, count }
  })
  return { labels, buckets, sum: metric.sum, count: metric.count }
}
