/**
 * Streams meet tables: each click gets its user's country, each trade the latest rate of its currency.
 */
import { app, stream, text, topic, view } from 'millrace'
import { z } from 'zod'

const Currency = z.enum(['EUR', 'USD', 'JPY'])
export const profiles = topic('profiles', {
  key: text(),
  value: z.object({ name: z.string(), country: z.string() }),
})
export const clickEvents = topic('click-events', { value: z.object({ user: z.string(), page: z.string() }) })
export const rateChanges = topic('rate-changes', { key: Currency, value: z.object({ rate: z.number() }) })
export const tradeEvents = topic('trade-events', {
  value: z.object({ id: z.string(), currency: Currency, amount: z.number() }),
})

const users = stream(profiles).toTable('users')
const clicks = stream(clickEvents)
const enriched = clicks
  .keyBy((click) => click.user)
  .join(users, (click, user) => ({ ...click, country: user.country }))

const rates = stream(rateChanges).toTable('rates') // the latest value of each key
const priced = stream(tradeEvents)
  .keyBy((trade) => trade.currency)
  .leftJoin(rates, (trade, rate) => ({
    id: trade.id,
    euros: rate === null ? null : trade.amount * rate.rate,
  }))

export default app('joins', {
  clicksPerCountry: view(enriched.keyBy((click) => click.country).count('clicks-per-country')),
  usersPerCountry: view(users.groupBy('users-per-country', (user) => user.country).count()),
  lastTrade: view(priced), // the latest of each currency
})
