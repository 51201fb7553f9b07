/**
 * `npm start`: the shop with a generator of about 1,000 events a second, and a calm summary in the terminal.
 * The data lies in ./.millrace/shop; stop it with Ctrl-C, start it again, and it goes on where it was.
 */
import { run } from 'millrace'
import { customers, logins, orders, payments, visits } from './events.ts'
import { allCustomers, shopEvent } from './generator.ts'
import shop from './shop.ts'
import { startSummary } from './summary.ts'

const EVENTS_PER_SECOND = Number(process.env['SHOP_RATE'] ?? 1_000)
const PORT = Number(process.env['SHOP_PORT'] ?? 4040)
const DATA = process.env['SHOP_DATA'] ?? '.millrace/shop'

const running = await run(shop, { at: `file:${DATA}`, http: PORT })
const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping.signal.aborted) process.exit(130)
    stopping.abort()
  })
}

// Each event goes to one topic, so their ends say which number the next event has.
const sent = [visits, orders, payments, logins].map((topic) => running.log.describe(topic).records)
let next = sent.reduce((total, count) => total + count, 0)
if (running.log.describe(customers).records === 0) {
  await Promise.all(
    allCustomers().map((customer) => running.send(customers, customer, { key: customer.customer })),
  )
}

const summary = startSummary(running, process.stdout, { resumedAt: next })
running.ended.catch((error: unknown) => {
  summary.stop()
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
})
await generate(stopping.signal)
summary.stop()
process.stdout.write('draining …\n')
await running.close()
process.stdout.write(`stopped after event ${next}; \`npm start\` goes on from there\n`)

async function generate(signal: AbortSignal): Promise<void> {
  const startedAt = Date.now()
  const first = next
  while (!signal.aborted) {
    const due = first + Math.floor(((Date.now() - startedAt) / 1_000) * EVENTS_PER_SECOND)
    const sending: Promise<unknown>[] = []
    while (next < due) sending.push(send(next++))
    await Promise.all(sending)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function send(index: number): Promise<unknown> {
  const event = shopEvent(index, Date.now())
  switch (event.kind) {
    case 'visit':
      return running.send(visits, event.value)
    case 'order':
      return running.send(orders, event.value)
    case 'payment':
      return running.send(payments, event.value)
    case 'login':
      return running.send(logins, event.value)
  }
}
