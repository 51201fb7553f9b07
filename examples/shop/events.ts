import { text, topic } from 'millrace'
import { z } from 'zod'

/** Everything that happens in the shop. `at` is in milliseconds since the epoch, as the shop's clocks say. */
export const Visit = z.object({ visitor: z.string(), product: z.string(), at: z.number() })
export const Order = z.object({
  order: z.string(),
  customer: z.string(),
  product: z.string(),
  category: z.string(),
  quantity: z.number(),
  /** Cents. */
  total: z.number(),
  at: z.number(),
})
export const Payment = z.object({ order: z.string(), amount: z.number(), method: z.string(), at: z.number() })
export const Login = z.object({ customer: z.string(), ok: z.boolean(), ip: z.string(), at: z.number() })
export const Customer = z.object({ customer: z.string(), name: z.string(), country: z.string() })

export type Visit = z.infer<typeof Visit>
export type Order = z.infer<typeof Order>
export type Payment = z.infer<typeof Payment>
export type Login = z.infer<typeof Login>
export type Customer = z.infer<typeof Customer>

export const visits = topic('shop.visits', { value: Visit, partitions: 2 })
export const orders = topic('shop.orders', { value: Order, partitions: 2 })
export const payments = topic('shop.payments', { value: Payment })
export const logins = topic('shop.logins', { value: Login })
export const customers = topic('shop.customers', { key: text(), value: Customer, partitions: 2 })
