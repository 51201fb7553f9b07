import type { Running } from 'millrace'
import type shop from './shop.ts'

/** Redraws a few lines every second where the output is a terminal; else prints a line every five seconds. */
export function startSummary(
  running: Running<typeof shop>,
  output: NodeJS.WriteStream,
  { resumedAt }: { readonly resumedAt: number },
): { stop(): void } {
  const { url } = running
  output.write(`millrace shop${resumedAt > 0 ? `, going on after event ${resumedAt}` : ''}\n`)
  const pages = [
    ['top products', '/views/trending'],
    ['revenue by category', '/views/revenue'],
    ['orders by country', '/views/countries'],
    ['changes as they come', '/views/revenue/changes'],
    ['metrics', '/metrics'],
  ] as const
  for (const [what, path] of pages) output.write(`  ${what.padEnd(22)} ${url}${path}\n`)
  output.write('Ctrl-C stops; started again it goes on where it was.\n\n')
  const live = output.isTTY
  let lines = 0
  let last = { records: running.status().records, at: performance.now() }
  const timer = setInterval(() => void draw(), live ? 1_000 : 5_000)

  async function draw(): Promise<void> {
    const status = running.status()
    const now = performance.now()
    const rate = ((status.records - last.records) * 1_000) / (now - last.at)
    last = { records: status.records, at: now }
    const lag = status.inputs.reduce((total, input) => total + (input.lag ?? 0), 0)
    const watermark =
      status.watermark === undefined ? 'none yet' : new Date(status.watermark).toISOString().slice(11, 19)
    const head = `${Math.round(rate).toLocaleString('en')} events/s   watermark ${watermark}   lag ${lag}   late ${status.late}`
    const trending = await running.views.trending.get('all')
    const top = trending?.products.slice(0, 5) ?? []
    if (!live) {
      const names = top.slice(0, 3).map(({ key }) => key)
      output.write(`${head}${names.length > 0 ? `   top ${names.join(', ')}` : ''}\n`)
      return
    }
    const body = top.map(
      ({ key, visits }, rank) =>
        `  ${rank + 1}. ${key.padEnd(14)} ${String(visits).padStart(6)} visits in 5 minutes`,
    )
    const text = [head, ...(body.length > 0 ? body : ['  the first window closes in a few seconds'])]
    // Back to the first line of the last drawing; each line is cleared before it is written.
    if (lines > 0) output.write(`\u001b[${lines}A`)
    output.write(text.map((line) => `\u001b[2K${line}\n`).join(''))
    lines = Math.max(lines, text.length)
  }

  return { stop: () => clearInterval(timer) }
}
