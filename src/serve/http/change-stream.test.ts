import { connect } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { HttpTestApp } from './http-test-app.ts'

let app: HttpTestApp
let url: string

beforeEach(async () => {
  app = new HttpTestApp()
  app.openViews()
  url = await app.start()
})

afterEach(() => app.stop())

interface Event {
  readonly event: string
  readonly id: string | undefined
  readonly data: Record<string, unknown>
}

/** Server-sent events as they come. */
async function* events(response: Response): AsyncGenerator<Event> {
  let text = ''
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const fields = new Map(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      )
      text = text.slice(end + 2)
      const event = fields.get('event')
      if (event !== undefined)
        yield { event, id: fields.get('id'), data: JSON.parse(fields.get('data') ?? 'null') }
    }
  }
}

async function taken(stream: AsyncGenerator<Event>, count: number): Promise<Event[]> {
  const found: Event[] = []
  while (found.length < count) {
    const next = await stream.next()
    if (next.done === true) break
    found.push(next.value)
  }
  return found
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

test('changes come as events: kind, position, rows', async () => {
  const response = await fetch(`${url}/views/totals/changes`)
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  const stream = events(response)
  app.commit('totals', [[['ann', 1], { n: 1, text: 'ü\n"' }]])
  app.commit('totals', [[['ann', 1], { n: 2 }]])
  app.commit('totals', [[['ann', 1], null]])
  const [insert, update, removal] = await taken(stream, 3)
  const base = { key: ['ann', 1] }
  expect(insert).toEqual({
    event: 'insert',
    id: 'totals/0@1',
    data: {
      ...base,
      kind: 'insert',
      before: null,
      after: { n: 1, text: 'ü\n"' },
      position: 'totals/0@1',
      timestamp: 1_001,
    },
  })
  expect(update?.data).toMatchObject({ kind: 'update', before: { n: 1 }, after: { n: 2 } })
  expect(removal?.data).toMatchObject({ kind: 'delete', before: { n: 2 }, after: null })
  await stream.return(undefined)
})

test('from the start: a reset, then the rows; after a break: what followed', async () => {
  app.commit('totals', [
    ['b', 2],
    ['a', 1],
  ])
  const stream = events(await fetch(`${url}/views/totals/changes?from=start`))
  expect((await taken(stream, 3)).map(({ event, data }) => [event, data['key']])).toEqual([
    ['reset', undefined],
    ['insert', 'a'],
    ['insert', 'b'],
  ])
  app.commit('totals', [['a', 3]])
  const [seen] = await taken(stream, 1)
  await stream.return(undefined)
  app.commit('totals', [
    ['a', 4],
    ['b', null],
  ])
  const again = await fetch(`${url}/views/totals/changes`, { headers: { 'last-event-id': seen?.id ?? '' } })
  const missed = events(again)
  expect((await taken(missed, 2)).map(({ event, data }) => [event, data['key']])).toEqual([
    ['update', 'a'],
    ['delete', 'b'],
  ])
  await missed.return(undefined)
  const late = events(
    await fetch(`${url}/views/totals/changes`, { headers: { 'last-event-id': 'totals/0@77' } }),
  )
  expect((await taken(late, 2)).map(({ event }) => event)).toEqual(['reset', 'insert'])
  await late.return(undefined)
  expect((await fetch(`${url}/views/totals/changes?from=somewhere`)).status).toBe(400)
})

test('a client that goes is forgotten', async () => {
  const controller = new AbortController()
  await fetch(`${url}/views/totals/changes`, { signal: controller.signal })
  await until(() => app.views.view('totals').subscribers === 1)
  controller.abort()
  await until(() => app.views.view('totals').subscribers === 0)
})

test('a quiet stream is kept open by heartbeats, which end with it', async () => {
  const controller = new AbortController()
  const response = await fetch(`${url}/views/totals/changes`, { signal: controller.signal })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  expect((await reader?.read())?.value).toBe(': millrace\n\n')
  for (let beat = 0; beat < 2; beat++) {
    const [pulse] = app.longTimers
    app.longTimers.clear()
    pulse?.()
    expect((await reader?.read())?.value).toBe(': still here\n\n')
  }
  controller.abort()
  await until(() => app.longTimers.size === 0)
})

test('a client that does not read gets the latest rows, and costs nobody anything', async () => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write('GET /views/totals/changes HTTP/1.1\r\nHost: localhost\r\n\r\n')
  socket.pause()
  await until(() => app.views.view('totals').subscribers === 1)
  const filler = 'x'.repeat(1_000)
  for (let round = 0; round < 60; round++) {
    for (let index = 0; index < 1_000; index++) app.commit('totals', [[index % 50, { round, index, filler }]])
    await new Promise((resolve) => setImmediate(resolve))
  }
  app.commit('totals', [['last', 'end of the test']])
  let text = ''
  const ended = new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8')
      if (text.includes('end of the test')) resolve()
    })
  })
  socket.resume()
  await ended
  socket.destroy()
  // 60,000 changes of 2 KB were made; the rest of them was folded into the last of each key.
  expect(text.length).toBeLessThan(40_000_000)
  for (let index = 950; index < 1_000; index++) expect(text).toContain(`{"round":59,"index":${index},`)
  await until(() => app.views.view('totals').subscribers === 0)
})

test('when the app is restarted below, the stream says so and ends', async () => {
  const stream = events(await fetch(`${url}/views/totals/changes`))
  await until(() => app.views.view('totals').subscribers === 1)
  app.openViews()
  const [last, ...more] = await taken(stream, 2)
  expect(last).toMatchObject({ event: 'error', data: { message: expect.stringContaining('was restarted') } })
  expect(more).toEqual([])
})
