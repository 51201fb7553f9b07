// First the clock, then the imports: loading the code is part of what is measured.
const processStart = Date.now()
// As the command line does it. The process before was killed, so it says itself when to write the cache.
const { enableCompileCache, flushCompileCache } = await import('node:module')
enableCompileCache()
const { run } = await import('millrace')
const { events, totalsApp } = await import('./pipelines.ts')
const { untilRead } = await import('./until.ts')
flushCompileCache()

const [folder = '', mode = ''] = process.argv.slice(2)
const running = await run(totalsApp, { at: `file:${folder}` })
if (mode === 'fill') {
  await untilRead(running, 1_200_000)
} else {
  const before = running.status().records
  await running.send(events, { user: 'after-restart', page: '/', amount: 1, at: Date.now() })
  while (running.status().records === before) await new Promise((resolve) => setImmediate(resolve))
}
process.stdout.write(`ready ${processStart} ${Date.now()}\n`)
// Stays until it is killed.
setInterval(() => undefined, 60_000)
