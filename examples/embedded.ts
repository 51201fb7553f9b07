/**
 * A pipeline inside a program: send a click, read what it caused, follow the changes for a minute.
 *
 *   node examples/embedded.ts
 */
import { run } from 'millrace'
import trending, { clicks } from './trending.ts'

await using running = await run(trending, { at: 'file:./data' }) // no HTTP unless `http: 4040` is given
const { position } = await running.send(clicks, { user: 'ann', page: '/home', at: Date.now() })
const { pages } = running.views // the app's views by name, typed
await pages.caughtUp(position, { timeout: '5s' }) // read your own write
const home = await pages.get('/home') // { key, views, visitors } | undefined
console.log(home?.views, home?.visitors)
for await (const change of pages.changes({ signal: AbortSignal.timeout(60_000) })) {
  if (change.kind === 'update') console.log(change.key, change.before.views, change.after.views)
}
