import { cpus, totalmem } from 'node:os'

/** One measured case, as `--json` prints it. */
export interface Measurement {
  readonly bench: string
  readonly case: string
  /** Units of work a second of wall time. */
  readonly rate: number
  readonly unit: string
  readonly cpuSeconds: number
  readonly ratePerCpuSecond: number
  readonly rssBytes: number
  /** The rate of the limit, measured in the same run; null where there is none. */
  readonly limit: number | null
  /** rate / limit. */
  readonly ratio: number | null
}

/** What a piece of work cost. */
export interface Cost {
  readonly units: number
  readonly seconds: number
  readonly cpuSeconds: number
}

/** Runs `work` once and says what it cost; `work` answers how many units it did. */
export async function timed(work: () => number | Promise<number>): Promise<Cost> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const units = await work()
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  return { units, seconds, cpuSeconds: (user + system) / 1e6 }
}

/** Adds the costs of several rounds. */
export function sumCosts(costs: readonly Cost[]): Cost {
  let [units, seconds, cpuSeconds] = [0, 0, 0]
  for (const cost of costs) {
    units += cost.units
    seconds += cost.seconds
    cpuSeconds += cost.cpuSeconds
  }
  return { units, seconds, cpuSeconds }
}

/**
 * Ours and the limit in short rounds, one after the other, so that what else the machine does meets both alike. The
 * first round of each warms up and is left out.
 */
export async function inTurns(
  rounds: number,
  ours: (round: number) => Promise<Cost>,
  limit: () => Promise<Cost>,
): Promise<{ readonly cost: Cost; readonly limit: Cost }> {
  const costs: Cost[] = []
  const limits: Cost[] = []
  for (let round = 0; round <= rounds; round++) {
    const [cost, bound] = [await ours(round), await limit()]
    if (round === 0) continue
    costs.push(cost)
    limits.push(bound)
  }
  return { cost: sumCosts(costs), limit: sumCosts(limits) }
}

export function measurement(
  names: { readonly bench: string; readonly case: string; readonly unit: string },
  cost: Cost,
  limit?: Cost,
): Measurement {
  const rate = cost.units / cost.seconds
  const limitRate = limit === undefined ? null : limit.units / limit.seconds
  return {
    ...names,
    rate,
    cpuSeconds: cost.cpuSeconds,
    ratePerCpuSecond: cost.units / cost.cpuSeconds,
    rssBytes: process.memoryUsage.rss(),
    limit: limitRate,
    ratio: limitRate === null ? null : rate / limitRate,
  }
}

export function machine(): string {
  const [first] = cpus()
  const gigabytes = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} x ${first?.model.trim() ?? 'unknown cpu'}, ${gigabytes} GiB, Node ${process.version}`
}
