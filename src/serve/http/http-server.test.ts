import { afterEach, beforeEach, expect, test } from 'vitest'
import { startHttpServer } from './http-server.ts'
import { HttpTestApp, rawRequest } from './http-test-app.ts'

let app: HttpTestApp
let url: string

beforeEach(async () => {
  app = new HttpTestApp()
  url = await app.start()
})

afterEach(() => app.stop())

const json = async (path: string): Promise<unknown> => (await fetch(url + path)).json()

test('the index names the app, its views and everything else there is', async () => {
  const index = await json('/')
  expect(index).toMatchObject({ app: 'test-app', state: 'running', views: ['totals', 'minutes'] })
  expect((index as { endpoints: string[] }).endpoints).toContain('GET /metrics')
})

test('health: 200 while it lives, 503 with the reason when it failed', async () => {
  expect(await json('/healthz')).toEqual({ state: 'running' })
  app.state = 'restoring'
  expect(await json('/healthz')).toEqual({ state: 'restoring', restore: { done: 1, total: 2 } })
  app.state = 'failed'
  app.failure = new Error('the disk is full')
  const answer = await fetch(`${url}/healthz`)
  expect(answer.status).toBe(503)
  expect(await answer.json()).toEqual({ state: 'failed', failure: 'the disk is full' })
})

test('status is that of the engine', async () => {
  expect(await json('/status')).toMatchObject({ app: 'test-app', state: 'running', records: 7, commits: 3 })
})

test('metrics in the form of Prometheus', async () => {
  app.metrics.counter('records_total', 'Records taken.', { topic: 'a"b' }).add(3)
  app.metrics.gauge('lag', 'Records behind.').set(2.5)
  const histogram = app.metrics.histogram('commit_seconds', 'Time of a commit.', [0.1, 1])
  histogram.observe(0.05)
  histogram.observe(5)
  const answer = await fetch(`${url}/metrics`)
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const text = await answer.text()
  expect(text).toContain(
    '# HELP records_total Records taken.\n# TYPE records_total counter\nrecords_total{topic="a\\"b"} 3\n',
  )
  expect(text).toContain('# TYPE lag gauge\nlag 2.5\n')
  expect(text).toContain('commit_seconds_bucket{le="0.1"} 1\n')
  expect(text).toContain('commit_seconds_bucket{le="1"} 1\n')
  expect(text).toContain('commit_seconds_bucket{le="+Inf"} 2\n')
  expect(text).toContain('commit_seconds_sum 5.05\ncommit_seconds_count 2\n')
})

test('a path that is not there is 404 and says what is; a wrong method is 405', async () => {
  const missing = await fetch(`${url}/nothing`)
  expect(missing.status).toBe(404)
  expect(await missing.json()).toMatchObject({ error: { message: expect.stringContaining('GET /views') } })
  const wrong = await fetch(`${url}/status`, { method: 'POST' })
  expect(wrong.status).toBe(405)
  expect(wrong.headers.get('allow')).toBe('GET')
})

test('HEAD answers as GET does, without a body', async () => {
  const answer = await fetch(`${url}/status`, { method: 'HEAD' })
  expect(answer.status).toBe(200)
  expect(await answer.text()).toBe('')
})

test('a request for another host is refused, also with our address: DNS rebinding', async () => {
  for (const host of [
    'evil.example',
    'evil.example:4040',
    '127.0.0.1.evil.example',
    'localhost@evil.example',
  ]) {
    const answer = await rawRequest(`${url}/views`, { host })
    expect([host, answer.status]).toEqual([host, 403])
  }
  for (const host of ['localhost', 'localhost:1', '127.0.0.1:4040', '[::1]:4040']) {
    expect((await rawRequest(`${url}/views`, { host })).status).toBe(200)
  }
})

test('a request from a page of another origin is refused', async () => {
  const host = new URL(url).host
  expect((await rawRequest(`${url}/topics`, { host, origin: 'https://evil.example' }, 'POST')).status).toBe(
    403,
  )
  expect((await rawRequest(`${url}/topics`, { host, origin: 'null' })).status).toBe(403)
  expect((await rawRequest(`${url}/topics`, { host, origin: 'http://localhost:3000' })).status).toBe(200)
})

test('a port that is taken is an error that says the way out', async () => {
  const port = Number(new URL(url).port)
  const taken = startHttpServer(app, { port })
  await expect(taken).rejects.toThrow(/another program listens there; stop it, or choose another port/)
  // Not wrong usage: the same words work when nobody listens there.
  await expect(taken).rejects.toMatchObject({ code: 'MILLRACE_PORT' })
})

test('an error of ours is 500 with its message, and the server lives on', async () => {
  app.views.view = () => {
    throw new Error('broken on purpose')
  }
  const answer = await fetch(`${url}/views/totals`)
  expect(answer.status).toBe(500)
  expect(await answer.json()).toEqual({ error: { code: 'MILLRACE_INTERNAL', message: 'broken on purpose' } })
  expect((await fetch(`${url}/status`)).status).toBe(200)
})

test('close is idempotent and frees the port, whatever is open', async () => {
  const stream = await fetch(`${url}/views/totals/changes`)
  const before = app.sys.clock.monotonic()
  await Promise.all([app.stop(), app.stop()])
  expect(app.sys.clock.monotonic() - before).toBeLessThan(1_500)
  expect(await stream.text()).toContain(': millrace')
  await expect(fetch(url)).rejects.toThrow()
})
