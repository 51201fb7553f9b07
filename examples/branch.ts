/**
 * One stream in, several out: what is paid, what is refused, and what else there is.
 */
import { app, stream, topic } from 'millrace'
import { z } from 'zod'

const Event = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('paid'), id: z.string(), total: z.number() }),
  z.object({ kind: z.literal('refused'), id: z.string(), reason: z.string() }),
  z.object({ kind: z.literal('cancelled'), id: z.string() }),
])
const Size = z.object({ id: z.string(), size: z.enum(['large', 'small']) })
const Review = z.object({ kind: z.enum(['refused', 'cancelled']), id: z.string() })
export const shopEvents = topic('shop-events', { value: Event })
export const sizes = topic('sizes', { value: Size })
export const review = topic('review', { value: Review })

const events = stream(shopEvents)
const { paid, refused, otherwise } = events.branch({
  paid: (event) => event.kind === 'paid', // narrows: `paid` has a total
  refused: (event) => event.kind === 'refused',
})
export default app('routing', {
  sizes: paid.map(({ id, total }) => ({ id, size: total > 1000 ? 'large' : 'small' })).to(sizes),
  review: refused.merge(otherwise).to(review),
})
