import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import type { TopicSpec } from '../../flow/graph/plan.ts'
import { keySerde } from '../../record/key-codec.ts'
import { bytes, json as jsonSerde, text } from '../../record/serdes.ts'
import { HttpTestApp } from './http-test-app.ts'

let app: HttpTestApp
let url: string

beforeEach(async () => {
  app = new HttpTestApp()
  url = await app.start()
  app.topic('clicks', { partitions: 1 })
  app.topic('hidden', { partitions: 1, internal: true })
})

afterEach(() => app.stop())

function spec(name: string, parts: Partial<TopicSpec>): void {
  const base = {
    name,
    partitions: 1,
    keySerde: undefined,
    valueSerde: jsonSerde(),
    settings: {},
  }
  app.topicSpecs.set(name, { ...base, ...parts })
}

const post = (
  path: string,
  body: string | Buffer<ArrayBuffer>,
  type = 'application/x-ndjson',
): Promise<Response> => fetch(url + path, { method: 'POST', body, headers: { 'content-type': type } })

const lines = async (path: string): Promise<unknown[]> => {
  const body = await (await fetch(url + path)).text()
  return body
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

const messageOf = async (response: Response): Promise<string> =>
  ((await response.json()) as { error: { message: string } }).error.message

test('topics are listed, described and made', async () => {
  const listed = async (path: string) =>
    ((await (await fetch(url + path)).json()) as { name: string }[]).map(({ name }) => name)
  expect(await listed('/topics')).toEqual(['clicks'])
  expect(await listed('/topics?internal=true')).toEqual(['clicks', 'hidden'])
  const made = await post('/topics', '{"name":"orders","partitions":3,"durability":"os"}', 'application/json')
  expect(made.status).toBe(201)
  expect(await (await fetch(`${url}/topics/orders`)).json()).toMatchObject({
    name: 'orders',
    durability: 'os',
    partitions: [{ partition: 0, start: 0, end: 0, records: 0 }, { partition: 1 }, { partition: 2 }],
  })
  expect((await post('/topics', '{"name":"orders"}', 'application/json')).status).toBe(409)
  expect((await post('/topics', 'null', 'application/json')).status).toBe(400)
  expect((await post('/topics', '{"name":"x","internal":true}', 'application/json')).status).toBe(400)
  expect((await post('/topics', '["x"]', 'application/json')).status).toBe(400)
  const unknown = await fetch(`${url}/topics/nothing`)
  expect([unknown.status, await messageOf(unknown)]).toEqual([
    404,
    'there is no topic "nothing"; there is: clicks, orders',
  ])
})

test('one value, or a value a line; the answer says where they stand', async () => {
  const one = await post('/topics/clicks', '{"page":\n"/"}', 'application/json')
  expect(await one.json()).toEqual({ records: 1, positions: ['clicks/0@0'] })
  const many = await post('/topics/clicks', '{"page":"/a"}\r\n\n{"page":"/b"}\n')
  expect(await many.json()).toEqual({ records: 2, positions: ['clicks/0@1', 'clicks/0@2'] })
  const read = (await lines('/topics/clicks/records')) as { value: unknown; key: unknown; offset: number }[]
  expect(read.map(({ value }) => value)).toEqual([{ page: '/' }, { page: '/a' }, { page: '/b' }])
  expect(read[2]).toMatchObject({ partition: 0, offset: 2, key: null })
})

test('values are checked by the schema, all before the first is sent', async () => {
  spec('clicks', { valueSerde: jsonSerde(z.object({ page: z.string() })) })
  const answer = await post('/topics/clicks', '{"page":"/a"}\n{"page":5}\n')
  expect(answer.status).toBe(400)
  expect(await messageOf(answer)).toMatch(
    /^line 2: the schema refuses the value: page: .*; nothing was sent$/,
  )
  expect(await messageOf(await post('/topics/clicks', 'nonsense'))).toMatch(/^line 1: the value is no JSON/)
  expect(await lines('/topics/clicks/records')).toEqual([])
})

test('keys: from a field or given, in the encoding of the topic', async () => {
  spec('clicks', { keySerde: keySerde })
  await post('/topics/clicks?keyField=id', '{"id":7}\n{"id":"seven"}\n')
  await post('/topics/clicks?key=k', '1')
  expect(((await lines('/topics/clicks/records')) as { key: unknown }[]).map(({ key }) => key)).toEqual([
    7,
    'seven',
    'k',
  ])
  expect(await messageOf(await post('/topics/clicks', '{"id":7}'))).toMatch(
    /line 1: clicks has keys: say which field/,
  )
  expect(await messageOf(await post('/topics/clicks?keyField=no', '{"id":7}'))).toMatch(
    /the key field "no" is missing/,
  )
  spec('clicks', {})
  expect(await messageOf(await post('/topics/clicks?key=k', '1'))).toMatch(/has no keys/)
  app.topicSpecs.clear()
  expect(await messageOf(await post('/topics/clicks?keyField=id', '{"id":7}'))).toMatch(
    /only a text can be its key/,
  )
})

test('a text topic takes and gives its lines as they are', async () => {
  spec('clicks', { valueSerde: text() })
  await post('/topics/clicks', 'plain, no JSON\n42\n', 'text/plain')
  expect(((await lines('/topics/clicks/records')) as { value: unknown }[]).map(({ value }) => value)).toEqual(
    ['plain, no JSON', '42'],
  )
})

test('what is no UTF-8 is refused, but by a topic of bytes', async () => {
  const body = Buffer.from([0x22, 0xff, 0x22, 0x0a])
  expect(await messageOf(await post('/topics/clicks', body))).toBe(
    'line 1: the bytes are no UTF-8; nothing was sent',
  )
  expect((await post('/topics', body, 'application/json')).status).toBe(400)
  spec('clicks', { valueSerde: bytes() })
  expect((await post('/topics/clicks', body)).status).toBe(200)
  expect(await lines('/topics/clicks/records')).toMatchObject([
    { value: { base64: body.subarray(0, 3).toString('base64') } },
  ])
})

test('a part of something longer: lines are counted from where it begins', async () => {
  expect(await messageOf(await post('/topics/clicks?firstLine=1001', '1\n\nx\n'))).toMatch(
    /^line 1003: the value is no JSON.*; nothing from line 1001 on was sent$/,
  )
  expect((await post('/topics/clicks?firstLine=one', '1')).status).toBe(400)
})

test('bytes that are neither JSON nor text are shown as base64', async () => {
  await app.produce(app.broker.topic('clicks') as never, {
    key: null,
    value: Uint8Array.of(0xff, 0),
    timestamp: 5,
    headers: [],
  })
  expect(await lines('/topics/clicks/records')).toMatchObject([{ value: { base64: '/wA=' }, timestamp: 5 }])
})

test('a body above the limit is 413, also when it does not say its length', async () => {
  const big = 'x'.repeat(17 * 1024 * 1024)
  const answer = await post('/topics/clicks', big)
  expect(answer.status).toBe(413)
  expect(await messageOf(answer)).toMatch(/longer than 16777216 bytes/)
  const chunked = new ReadableStream({
    start(controller) {
      for (let part = 0; part < 17; part++)
        controller.enqueue(new TextEncoder().encode('x'.repeat(1024 * 1024)))
      controller.close()
    },
  })
  const init: RequestInit & { duplex: 'half' } = { method: 'POST', body: chunked, duplex: 'half' }
  expect((await fetch(`${url}/topics/clicks`, init)).status).toBe(413)
  expect((await post('/topics/clicks', '1')).status).toBe(200)
})

test('nobody writes to the topics that the app keeps for itself', async () => {
  expect((await post('/topics/hidden', '1')).status).toBe(403)
})

test('reading: from an offset, a limit, and what cannot be', async () => {
  await post('/topics/clicks', '1\n2\n3\n4\n')
  const values = async (query: string) =>
    ((await lines(`/topics/clicks/records?${query}`)) as { value: unknown }[]).map(({ value }) => value)
  expect(await values('from=2')).toEqual([3, 4])
  expect(await values('from=earliest&limit=2')).toEqual([1, 2])
  expect(await values('limit=0')).toEqual([])
  for (const query of ['from=yesterday', 'from=99', 'partition=x', 'limit=-1']) {
    expect([query, (await fetch(`${url}/topics/clicks/records?${query}`)).status]).toEqual([query, 400])
  }
})

test('a listing that the end of the server cuts off does not look like a whole one', async () => {
  const value = Buffer.from(JSON.stringify('x'.repeat(10_000)))
  for (let count = 0; count < 3_000; count++) {
    await app.produce(app.broker.topic('clicks') as never, { key: null, value, timestamp: 0, headers: [] })
  }
  const response = await fetch(`${url}/topics/clicks/records`)
  const reader = response.body?.getReader()
  await reader?.read()
  const closed = app.stop()
  const rest = async (): Promise<void> => {
    while ((await reader?.read())?.done === false);
  }
  await expect(rest()).rejects.toThrow()
  await closed
})

test('following: what is there at once, what comes later when it comes', async () => {
  await post('/topics/clicks', '1')
  const controller = new AbortController()
  const response = await fetch(`${url}/topics/clicks/records?follow=true`, { signal: controller.signal })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  expect((await reader?.read())?.value).toContain('"value":1')
  await post('/topics/clicks', '2')
  expect((await reader?.read())?.value).toContain('"value":2')
  controller.abort()
})
