/**
 * The shop's app: revenue, trends, sessions and enriched orders, all at once over the same streams.
 *
 *   npm start                                  with a generator of about 1,000 events a second
 *   npx millrace run examples/shop/shop.ts     without: send events yourself
 */
import {
  app,
  average,
  count,
  hopping,
  session,
  stream,
  sum,
  text,
  top,
  topic,
  tumbling,
  view,
} from 'millrace'
import { z } from 'zod'
import { Customer, customers, logins, Order, orders, payments, visits } from './events.ts'

// The generator's events are up to two seconds out of order.
const outOfOrderness = '2s'

const visit = stream(visits, { eventTime: (visit) => visit.at, outOfOrderness })
const order = stream(orders, { eventTime: (order) => order.at, outOfOrderness })
const payment = stream(payments, { eventTime: (payment) => payment.at, outOfOrderness })
const login = stream(logins, { eventTime: (login) => login.at, outOfOrderness })

const revenue = order
  .keyBy((order) => order.category)
  .window('revenue', tumbling('1m'))
  .aggregate({ orders: count(), revenue: sum((order) => order.total) })

const trending = visit
  .keyBy((visit) => visit.product)
  .window('visits-per-product', hopping({ size: '5m', every: '10s' }))
  .aggregate({ visits: count() })
  .groupBy('trending', () => 'all')
  .aggregate({ products: top(10, (product) => product.visits, { ties: (product) => product.key }) })

const visitorSessions = visit
  .keyBy((visit) => visit.visitor)
  .window('visitor-sessions', session('1m'))
  .aggregate({ pages: count() })

// Customers hardly ever change: time must not wait for them.
const customerTable = stream(customers, { idleAfter: '1s' }).toTable('customers')
const enriched = order
  .keyBy((order) => order.customer)
  .join(customerTable, (order, { name, country }) => ({ ...order, name, country }))

const perCountry = enriched
  .keyBy((order) => order.country)
  .aggregate('orders-per-country', { orders: count(), revenue: sum((order) => order.total) })

const failedLogins = login
  .filter((login) => !login.ok)
  .keyBy((login) => login.ip)
  .count('failed-logins')

const perMethod = payment
  .keyBy((payment) => payment.method)
  .aggregate('payments-per-method', { payments: count(), amount: average((payment) => payment.amount) })

export const enrichedOrders = topic('shop.enriched-orders', {
  key: text(),
  value: Order.extend(Customer.pick({ name: true, country: true }).shape),
  partitions: 2,
})
export const SessionRow = z.object({
  key: z.string(),
  window: z.object({ start: z.number(), end: z.number(), lastEvent: z.number().optional() }),
  pages: z.number(),
})
export const finishedSessions = topic('shop.sessions', { key: text(), value: SessionRow, partitions: 2 })

export default app('shop', {
  revenue: view(revenue.updates(), { retention: '1h' }),
  trending: view(trending.final()),
  sessions: visitorSessions.final().to(finishedSessions),
  orders: enriched.to(enrichedOrders),
  countries: view(perCountry),
  methods: view(perMethod),
  failedLogins: view(failedLogins),
})
