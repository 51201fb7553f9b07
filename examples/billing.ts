import { open, text, topic } from 'millrace'
import { z } from 'zod'

/** The log alone, as users of Kafka clients know it: orders and payments in, receipts out, each exactly once. */

const Order = z.object({ id: z.string(), total: z.number() })
const Payment = z.object({ orderId: z.string(), amount: z.number() })

export const orders = topic('orders', { key: text(), value: Order, partitions: 4 })
export const payments = topic('payments', { key: text(), value: Payment, partitions: 4 })
export const receipts = topic('receipts', { key: text(), value: Payment })

/** Sends, reads and bills until every payment has its receipt; says how many there are. */
export async function bill(at: 'memory:' | `file:${string}`, count: number): Promise<number> {
  await using log = await open(at)
  await using producer = log.producer({ compression: 'zstd' })
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const id = `order-${index}`
      await producer.send(orders, { id, total: index }, { key: id }) // the key must be given: the topic has one
      await producer.send(payments, { orderId: id, amount: index }, { key: id })
    }),
  )
  for await (const { offset, value } of log.read(orders, { from: { time: '2026-03-01' } })) {
    if (value.total > 98) console.log('a large order', offset, value.id)
  }

  let left = count
  const consumer = log.consumer({ group: 'billing', topics: [orders, payments], commit: 'manual' })
  await consumer.run(async (record) => {
    await log.transaction((transaction) => {
      if (payments.is(record)) {
        left -= 1
        transaction.send(receipts, record.value, { key: record.value.orderId })
      }
      transaction.commit(record) // the receipt and the position: both or neither
    })
    if (left === 0) await consumer.close()
  })
  return log.describe(receipts).records
}

if (import.meta.main) console.log('receipts', await bill('file:./.millrace/billing', 100))
