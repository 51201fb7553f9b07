import type { Customer, Login, Order, Payment, Visit } from './events.ts'

/** One event of the shop, made from nothing but its number and the time: the same number is the same event. */
export type ShopEvent =
  | { readonly kind: 'visit'; readonly value: Visit }
  | { readonly kind: 'order'; readonly value: Order }
  | { readonly kind: 'payment'; readonly value: Payment }
  | { readonly kind: 'login'; readonly value: Login }

const CATEGORIES = ['books', 'garden', 'kitchen', 'music', 'sports', 'toys']
const COUNTRIES = ['AT', 'BR', 'DE', 'FR', 'IN', 'JP', 'NG', 'US']
const METHODS = ['card', 'invoice', 'transfer', 'wallet']
const PRODUCTS = 240
export const CUSTOMERS = 500

/** Every customer of the shop. */
export function allCustomers(): Customer[] {
  return Array.from({ length: CUSTOMERS }, (_, index) => ({
    customer: `customer-${index}`,
    name: `Customer ${index}`,
    country: pick(COUNTRIES, unit(index, 91)),
  }))
}

/** Event number `index`, that happened at about `now`; up to 2 s earlier, since shops' events come out of order. */
export function shopEvent(index: number, now: number): ShopEvent {
  const at = now - Math.floor(unit(index, 1) * 2_000)
  const kind = unit(index, 2)
  if (kind < 0.8)
    return {
      kind: 'visit',
      value: { visitor: `visitor-${skewed(index, 3, 5_000)}`, product: product(index), at },
    }
  if (kind < 0.9) return { kind: 'order', value: order(index, at) }
  if (kind < 0.97) {
    const paid = order(index, at)
    return {
      kind: 'payment',
      value: { order: paid.order, amount: paid.total, method: pick(METHODS, unit(index, 4)), at },
    }
  }
  const customer = `customer-${skewed(index, 5, CUSTOMERS)}`
  return {
    kind: 'login',
    value: { customer, ok: unit(index, 6) > 0.1, ip: `10.0.0.${skewed(index, 7, 250)}`, at },
  }
}

function order(index: number, at: number): Order {
  const number = skewed(index, 8, PRODUCTS)
  const quantity = 1 + Math.floor(unit(index, 9) * 3)
  return {
    order: `order-${index}`,
    customer: `customer-${skewed(index, 10, CUSTOMERS)}`,
    product: `product-${number}`,
    category: pick(CATEGORIES, (number % CATEGORIES.length) / CATEGORIES.length),
    quantity,
    total: quantity * (199 + ((number * 7_919) % 20_000)),
    at,
  }
}

function product(index: number): string {
  // What is trending drifts: every 20,000 events other products are the popular ones.
  const drift = Math.floor(index / 20_000) * 17
  return `product-${(skewed(index, 11, PRODUCTS) + drift) % PRODUCTS}`
}

/** A number below `limit`; small ones are far more frequent, as popularity goes. */
function skewed(index: number, salt: number, limit: number): number {
  return Math.floor(unit(index, salt) ** 3 * limit)
}

function pick<T>(values: readonly T[], at: number): T {
  const value = values[Math.floor(at * values.length)]
  if (value === undefined) throw new Error('nothing to pick from')
  return value
}

/** A float in [0, 1) that depends on its arguments only (the finalizer of murmur3). */
function unit(index: number, salt: number): number {
  let hash = Math.imul(index ^ Math.imul(salt, 0x9e3779b1), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  hash = Math.imul(hash ^ (hash >>> 16), 0x27d4eb2f)
  return ((hash ^ (hash >>> 15)) >>> 0) / 2 ** 32
}
