/**
 * A pipeline with options.
 *
 *   npx millrace run examples/options.ts --set limit=5
 */
import { app, count, duration, hopping, stream, top, topic, view, withOptions } from 'millrace'
import { z } from 'zod'

const Click = z.object({ user: z.string(), page: z.string(), at: z.number() })
export const clicks = topic('clicks', { value: Click })
const byPage = stream(clicks, { eventTime: (click) => click.at }).keyBy((click) => click.page)

export default withOptions(
  { size: duration('1h'), limit: z.coerce.number().default(10) },
  ({ size, limit }) => {
    const perPage = byPage.window('per-page', hopping({ size, every: '5m' })).aggregate({ views: count() })
    return app('trending', {
      top: view(
        perPage
          .groupBy('top', () => 'all')
          .aggregate({ pages: top(limit, (page) => page.views) })
          .final(),
      ),
    })
  },
) // on the command line: --set limit=5; in a program: run(trending({ limit: 5 }), { at: 'memory:' })
