import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { app, open, run, stream, text, topic, view } from 'millrace'
import { expect, test } from 'vitest'

const words = topic('words', { value: text() })
const counted = app('counted', {
  words: view(
    stream(words)
      .keyBy((word) => word)
      .count('words'),
  ),
})
const KEYS = 60_000

test('while its state comes back an app answers over HTTP how far it is, and gives no half view', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-restoring-'))
  try {
    const log = await open(`file:${folder}`)
    await log.send(words, 'first')
    await Promise.all(Array.from({ length: KEYS }, (_, index) => log.send(words, `word-${index}`)))
    await log.close()
    const before = await run(counted, { at: `file:${folder}` })
    const last = await before.send(words, 'last')
    await before.views.words.caughtUp(last.position)
    await before.close()

    let resolved = false
    const starting = run(counted, { at: `file:${folder}`, http: 0 }).then((running) => {
      resolved = true
      return running
    })
    // The port is known as soon as the server listens, long before the state is back.
    let url: string | undefined
    while (url === undefined) {
      await new Promise((resolve) => setImmediate(resolve))
      try {
        url = (JSON.parse(readFileSync(join(folder, 'running.json'), 'utf8')) as { url: string }).url
      } catch {
        // The file is not there yet, or not whole.
      }
    }
    expect(resolved).toBe(false)
    const states = new Set<string>()
    let refused = 0
    while (!resolved) {
      const health = (await (await fetch(`${url}/healthz`)).json()) as {
        state: string
        restore?: { total: number }
      }
      states.add(health.state)
      if (health.state === 'restoring') expect(health.restore?.total).toBeGreaterThan(0)
      const row = await fetch(`${url}/views/words/word-7`)
      if (row.status === 503) refused += 1
      else expect(await row.json()).toEqual({ key: 'word-7', count: 1 })
    }
    const running = await starting
    expect([...states].some((state) => state === 'starting' || state === 'restoring')).toBe(true)
    expect(refused).toBeGreaterThan(0)
    expect(running.url).toBe(url)
    expect(await (await fetch(`${url}/views/words/last`)).json()).toEqual({ key: 'last', count: 1 })
    expect(await (await fetch(`${url}/views`)).json()).toEqual([{ name: 'words', rows: KEYS + 2 }])
    await running.close()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 30_000)
