import {
  app,
  average,
  collect,
  count,
  countDistinct,
  custom,
  deadLetter,
  hopping,
  json,
  max,
  min,
  session,
  stream,
  sum,
  text,
  top,
  topic,
  tumbling,
} from 'millrace'
import { driver } from 'millrace/testing'
import { z } from 'zod'

/**
 * Windows with every kind of aggregate over records of one shape: what the engine makes code for where it may. Loaded by
 * a process of its own too, so nothing of the test framework is here.
 */
const Visit = z.object({ user: z.string(), page: z.string(), at: z.number(), bytes: z.number() })
type Visit = z.infer<typeof Visit>
const visits = topic('visits', { value: Visit })
const output = (name: string) => topic(name, { key: text(), value: json() })
const outputs = {
  tens: output('tens'),
  panes: output('panes'),
  stays: output('stays'),
  tops: output('tops'),
  odd: output('odd'),
}
const failed = topic('failed', { value: json() })

const VISITS = 180
const PAGES = ['/home', '/über-uns', '/pricing', '/"quoted"']

function visit(index: number): Visit {
  return {
    user: `user-${(index * 37) % 11}`,
    page: PAGES[(index * index + (index >> 4)) % PAGES.length] as string,
    at: index * 3 - ((index * 7) % 10),
    bytes: index % 13 === 0 ? -1 : ((index * 7_919) % 1_000) / 10,
  }
}

/** Fails for some, in one of the aggregates behind others that took the value. */
function bytesOf({ bytes }: Visit): number {
  if (bytes < 0) throw new Error('no bytes')
  return bytes
}

function windowsApp() {
  const keyed = stream(visits, { eventTime: ({ at }) => at, outOfOrderness: 20 }).keyBy(({ page }) => page)
  const all = {
    visits: count(),
    users: countDistinct(({ user }: Visit) => user),
    bytes: sum(bytesOf),
    least: min(({ bytes }: Visit) => bytes),
    'last "user"': max(({ user }: Visit) => user),
    mean: average(({ bytes }: Visit) => bytes),
    best: top(2, ({ bytes }: Visit) => bytes),
    who: collect(({ user }: Visit) => user),
    ends: custom({
      name: 'ends',
      create: () => '',
      add: (ends, { user }: Visit) => (ends + user.slice(-1)).slice(-5),
      merge: (left, right) => (left + right).slice(-5),
      result: (ends) => ends,
    }),
  }
  const few = { visits: count(), bytes: sum(bytesOf) }
  const tens = keyed.window('tens', tumbling(100)).aggregate(few)
  const panes = keyed.window('panes', hopping({ size: 60, every: 20 })).aggregate(all)
  const stays = keyed.window('stays', session(12)).aggregate(all)
  const odd = keyed
    .window('odd', tumbling(200))
    .aggregate({ ['__proto__']: count(), 7: count(), '\u2028': sum(bytesOf) })
  const tops = tens
    .groupBy('tops', () => 'all')
    .aggregate({ pages: top(2, (row) => row.bytes, { ties: (row) => row.key }) })
  const dead = deadLetter('failed')
  return app('windows', {
    tens: tens.final().onError(dead).to(outputs.tens),
    panes: panes.final().onError(dead).to(outputs.panes),
    stays: stays.final().onError(dead).to(outputs.stays),
    odd: odd.final().onError(dead).to(outputs.odd),
    tops: tops.final().onError(dead).to(outputs.tops),
  })
}

/** Every record of every output. */
export function windowsOutputs(): Record<string, readonly unknown[]> {
  const world = driver(windowsApp())
  for (let index = 0; index < VISITS; index += 1) world.send(visits, visit(index))
  world.send(visits, { user: 'last', page: '/home', at: 10_000, bytes: 0 })
  const read = Object.entries(outputs).map(([name, of]) => [name, world.read(of)] as const)
  return { ...Object.fromEntries(read), failed: world.read(failed) }
}
