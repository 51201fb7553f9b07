import { Registry } from 'prom-client'
import type { MetricFamily, Metrics, Sample } from '../../observe/metrics.ts'

/** The metrics as Prometheus reads them. */
export async function prometheusText(
  metrics: Metrics,
): Promise<{ readonly type: string; readonly text: string }> {
  const registry = new Registry()
  for (const family of metrics.collect()) registry.registerMetric(registered(family))
  return { type: registry.contentType, text: await registry.metrics() }
}

type RegisteredMetric = Parameters<Registry['registerMetric']>[0]

/**
 * A family as prom-client's registry takes it: something with a name that gives its values. Its own counters would
 * have to be kept in step with ours; the registry asks for these two members only.
 */
function registered(family: MetricFamily): RegisteredMetric {
  const { name, help, kind } = family
  const values = family.samples.flatMap((sample) => valuesOf(name, sample))
  const metric = { name, get: async () => ({ name, help, type: kind, values, aggregator: 'sum' }) }
  return metric as unknown as RegisteredMetric
}

interface PrometheusValue {
  readonly value: number
  readonly labels: Readonly<Record<string, string | number>>
  readonly metricName?: string
}

function valuesOf(name: string, sample: Sample): readonly PrometheusValue[] {
  if ('value' in sample) return [{ value: sample.value, labels: sample.labels }]
  const { labels, buckets, sum, count } = sample
  return [
    ...buckets.map(({ bound, count: value }) => {
      const le = bound === Number.POSITIVE_INFINITY ? '+Inf' : bound
      return { value, labels: { le, ...labels }, metricName: `${name}_bucket` }
    }),
    { value: sum, labels, metricName: `${name}_sum` },
    { value: count, labels, metricName: `${name}_count` },
  ]
}
