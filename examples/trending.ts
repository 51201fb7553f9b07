/**
 * Pages by views and visitors, and the top pages of the last hour, every five minutes.
 *
 *   npx millrace run examples/trending.ts
 *   npx millrace view get pages /home
 */
import { app, count, countDistinct, hopping, stream, top, topic, view } from 'millrace'
import { z } from 'zod'

const Click = z.object({ user: z.string(), page: z.string(), at: z.number() })
export const clicks = topic('clicks', { value: Click, partitions: 4 })

const byPage = stream(clicks, { eventTime: (click) => click.at, outOfOrderness: '10s' })
  .filter((click) => !click.page.startsWith('/health'))
  .keyBy((click) => click.page)
const totals = byPage.aggregate('totals', { views: count(), visitors: countDistinct((click) => click.user) })
const trending = byPage
  .window('last-hour', hopping({ size: '1h', every: '5m' }))
  .aggregate({ views: count() })
  .groupBy('top-pages', () => 'all') // the same windows, over all pages
  .aggregate({ pages: top(10, (page) => page.views) }) // page: { key, window, views }
export default app('trending', {
  pages: view(totals), // by page: { key, views, visitors }
  trending: view(trending.final()), // by 'all': { key, window, pages } of the latest closed hour
})
