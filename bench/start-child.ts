// First the clock, then the imports: loading the code is part of what is measured.
const processStart = Date.now()
const { enableCompileCache, flushCompileCache } = await import('node:module')
enableCompileCache()
const { open } = await import('millrace')
flushCompileCache()

const [folder = '', mode = '', partitions = '', bytes = ''] = process.argv.slice(2)
if (mode === 'fill') {
  await fill(Number(partitions), Number(bytes))
  process.stdout.write('{}\n')
  // Stays until it is killed.
  setInterval(() => undefined, 60_000)
} else {
  const before = performance.now()
  const log = await open(`file:${folder}`)
  const openMs = performance.now() - before
  const fromStartMs = Date.now() - processStart
  const { user, system } = process.cpuUsage()
  const report = {
    openMs,
    fromStartMs,
    cpuSeconds: (user + system) / 1e6,
    rssBytes: process.memoryUsage.rss(),
  }
  await log.close()
  process.stdout.write(`${JSON.stringify(report)}\n`)
}

/** In turns to all partitions, with durability os: what is written is not waited for. Then some durable appends. */
async function fill(count: number, bytes: number): Promise<void> {
  const { encodedBatch } = await import('./batches.ts')
  const { openBenchLog } = await import('./log-fixture.ts')
  const log = openBenchLog(`${folder}/log`)
  const partitions = await log.makePartitions('filled', { partitions: count, durability: 'os' })
  const synced = await log.makePartitions('synced', { partitions: 1 })
  const size = Math.min(1_000_000, Math.floor(bytes / count / 2))
  const batch = encodedBatch(1_000, Math.ceil(size / 1_000))
  for (let written = 0, index = 0; written < bytes; written += batch.length, index++) {
    const partition = partitions[index % count]
    if (partition !== undefined) await log.append(partition, Uint8Array.from(batch))
  }
  const small = encodedBatch(100, 10)
  const [partition] = synced
  for (let index = 0; index < 1_000 && partition !== undefined; index++)
    await log.append(partition, Uint8Array.from(small))
}
