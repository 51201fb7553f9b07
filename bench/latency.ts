import { run } from 'millrace'
import type { BenchContext } from './bench.ts'
import { type Measurement } from './measure.ts'
import { events, totalsApp } from './pipelines.ts'

const RATE = 10_000

/** From the call that appends an event to the change that its view shows, at 10,000 events/s, durable, exactly once. */
export async function latency(context: BenchContext): Promise<Measurement[]> {
  await using running = await run(totalsApp, {
    at: `file:${context.folder('latency')}`,
    commitInterval: '10ms',
  })
  const sentAt = new Map<string, number[]>()
  const latencies: number[] = []
  const watching = new AbortController()
  const watched = watch()
  const cpu = process.cpuUsage()
  const start = performance.now()
  const total = RATE * context.seconds
  const sends: Promise<unknown>[] = []
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - start) * RATE) / 1_000))
    for (; sent < due; sent++) {
      const user = `user-${sent % 1_000}`
      const waiting = sentAt.get(user)
      if (waiting === undefined) sentAt.set(user, [performance.now()])
      else waiting.push(performance.now())
      sends.push(running.send(events, { user, page: '/', amount: sent % 100, at: Date.now() }))
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  const { position } = await running.send(events, { user: 'last', page: '/', amount: 1, at: Date.now() })
  await Promise.all(sends)
  await running.views.totals.caughtUp(position, { timeout: '30s' })
  watching.abort()
  await watched
  const { user, system } = process.cpuUsage(cpu)
  const seconds = (performance.now() - start) / 1_000
  latencies.sort((left, right) => left - right)
  return [0.5, 0.99, 0.999].map((quantile) => ({
    bench: 'latency',
    case: `p${quantile * 100} at ${RATE} events/s (rate is ms)`,
    rate: latencies[Math.floor(latencies.length * quantile)] ?? Number.NaN,
    unit: 'ms',
    cpuSeconds: (user + system) / 1e6,
    ratePerCpuSecond: (latencies.length / seconds / ((user + system) / 1e6)) * seconds,
    rssBytes: process.memoryUsage.rss(),
    limit: null,
    ratio: null,
  }))

  async function watch(): Promise<void> {
    const seen = new Map<string, number>()
    for await (const change of running.views.totals.changes({ signal: watching.signal })) {
      const now = performance.now()
      if (change.kind === 'delete') continue
      // A change that shows n events of a user ends the wait of every event up to the nth.
      const shown = change.after.events
      const waiting = sentAt.get(change.after.key) ?? []
      for (let index = seen.get(change.after.key) ?? 0; index < shown; index++) {
        const at = waiting[index]
        if (at !== undefined) latencies.push(now - at)
      }
      seen.set(change.after.key, shown)
    }
  }
}
