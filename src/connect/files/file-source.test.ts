import { appendFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { drained, FilesTestWorld } from './files-test-world.ts'
import { csv, jsonl, lines } from './index.ts'

let world: FilesTestWorld

beforeEach(() => {
  world = new FilesTestWorld()
})

afterEach(() => world.remove())

const values = (source: unknown): unknown[] => drained(world.open(source)).map(({ value }) => value)

test('lines come as they are, with their number and where they stood', () => {
  const items = drained(world.open(lines(world.put('a.log', 'one\ntwo\n\nfour\n'))))
  expect(items.map(({ value }) => value)).toEqual(['one', 'two', '', 'four'])
  expect(items[3]?.where).toBe(`${world.path('a.log')}:4`)
  expect(items.map(({ position }) => position.offset)).toEqual([1, 2, 3, 4])
  expect(items[0]?.key).toBeNull()
})

test('CR LF, a missing last line feed and a byte order mark are no part of a line', () => {
  expect(values(lines(world.put('a', '\ufeffone\r\ntwo\r\nthree')))).toEqual(['one', 'two', 'three'])
  expect(values(lines(world.put('b', '\ufeff')))).toEqual([])
  expect(values(lines(world.put('c', '')))).toEqual([])
  expect(values(lines(world.put('d', '\n')))).toEqual([''])
  expect(values(lines(world.put('e', 'a\u2028b\rc\n')))).toEqual(['a\u2028b\rc'])
})

test('bytes that are no UTF-8 read as U+FFFD and lose nothing else', () => {
  expect(values(lines(world.put('a', Buffer.from('caf\xe9 ok\nnext\n', 'latin1'))))).toEqual([
    'caf\ufffd ok',
    'next',
  ])
})

test('reading goes on at any item as if it had never stopped', () => {
  const content = '\ufeffä first\r\n\nthird 🎉\n  \nfifth'
  for (const name of [world.put('a.log', content), world.put('a.log.gz', gzipSync(content))]) {
    const whole = drained(world.open(lines(name)))
    for (let stop = 0; stop < whole.length; stop++) {
      const committed = whole[stop]?.position
      const { offset, metadata } = committed as { offset: number; metadata: string }
      const rest = drained(world.open(lines(name), { offset, metadata }))
      const plain = (items: typeof whole) =>
        items.map(({ value, where, position }) => [value, where, position.offset, position.metadata])
      expect(plain(rest)).toEqual(plain(whole.slice(stop + 1)))
    }
  }
})

test('the position behind the last poll covers what was skipped', () => {
  const reader = world.open(jsonl(world.put('a.jsonl', '{"a":1}\n\n\n')))
  const items = reader.poll(10)
  expect(items).toHaveLength(1)
  expect(reader.position().metadata).toMatch(/^v1:10:3:/)
  expect(reader.position().offset).toBe(1)
  expect(reader.poll(10)).toEqual([])
  expect(reader.ended()).toBe(true)
})

test('a missing file says its whole path and what to do', () => {
  expect(() => world.open(lines('nowhere.log'))).toThrow(
    expect.objectContaining({
      code: 'MILLRACE_FILE',
      message: expect.stringContaining(world.path('nowhere.log')),
    }),
  )
})

test('another file under the same name is refused, a longer one is the same file', () => {
  world.put('a.log', 'one\ntwo\n')
  const position = drained(world.open(lines('a.log')))[0]?.position
  world.put('a.log', 'uno\ntwo\n')
  expect(() => world.open(lines('a.log'), position)).toThrow(
    /not the file that was read before, up to byte 4/,
  )
  world.put('a.log', 'one\nnew\nmore\n')
  expect(drained(world.open(lines('a.log'), position)).map(({ value }) => value)).toEqual(['new', 'more'])
})

test('a file that was cut below the position is refused', () => {
  const long = `${'x'.repeat(999)}\n`
  for (const name of ['a.log', 'a.log.gz']) {
    const packed = (text: string) => (name.endsWith('.gz') ? gzipSync(text) : text)
    world.put(name, packed(long.repeat(3)))
    const position = drained(world.open(lines(name)))[2]?.position
    world.put(name, packed(long.repeat(2)))
    expect(() => drained(world.open(lines(name), position))).toThrow(/ends before the position/)
    world.put(name, packed('x'))
    expect(() => drained(world.open(lines(name), position))).toThrow(/ends before the position/)
  }
})

test('a position of something else is refused', () => {
  world.put('a.log', 'one\n')
  for (const metadata of ['', '17', 'v1:-1:0:0', 'v2:1:1:0', 'v1:1:1:xyz']) {
    expect(() => world.open(lines('a.log'), { offset: 1, metadata })).toThrow(/is none of a file/)
  }
})

test('a followed file gives lines when they are complete', () => {
  world.put('a.log', 'one\ntw')
  const reader = world.open(lines('a.log', { follow: true }))
  expect(reader.poll(10).map(({ value }) => value)).toEqual(['one'])
  expect(reader.poll(10)).toEqual([])
  expect(reader.ended()).toBe(false)
  appendFileSync(world.path('a.log'), 'o\nthree\n')
  expect(reader.poll(10).map(({ value }) => value)).toEqual(['two', 'three'])
  world.put('a.log', '')
  expect(() => reader.poll(10)).toThrow(/cut or replaced/)
  reader.close()
  expect(() => lines('a.log.gz', { follow: true })).toThrow(/cannot be followed/)
})

test('JSONL: values, bad lines with their raw bytes, the messages of the schema', () => {
  const Row = z.object({ n: z.number() })
  const items = drained(
    world.open(jsonl(world.put('a.jsonl', '{"n":1}\nnot json\n{"n":"x"}\n \n{"n":2}'), Row)),
  )
  expect(items.map(({ value }) => value)).toEqual([{ n: 1 }, undefined, undefined, { n: 2 }])
  expect(items[1]?.failure?.error.message).toContain('no JSON')
  expect(Buffer.from(items[1]?.failure?.raw ?? []).toString()).toBe('not json')
  expect(items[2]?.failure?.error.message).toContain('n: ')
  expect(items[2]?.where).toBe(`${world.path('a.jsonl')}:3`)
  expect(items[3]?.position.offset).toBe(4)
})

test('CSV: quotes, delimiters and line ends inside fields', () => {
  const text = 'name,note\r\nann,"said ""hi"", then\nleft"\r\n\r\nbob,plain\r\n"c,d",\r\n'
  const items = drained(world.open(csv(world.put('a.csv', text))))
  expect(items.map(({ value }) => value)).toEqual([
    { name: 'ann', note: 'said "hi", then\nleft' },
    { name: 'bob', note: 'plain' },
    { name: 'c,d', note: '' },
  ])
  expect(items.map(({ where }) => where.split(':').at(-1))).toEqual(['2', '5', '6'])
})

test('CSV: reading goes on behind a record, and still knows the header', () => {
  const text = `\ufeff${'long header '.repeat(40)},b\n"1\n2",x\n3,y\n4,z`
  for (const name of [world.put('a.csv', text), world.put('a.csv.gz', gzipSync(text))]) {
    const whole = drained(world.open(csv(name)))
    expect(whole).toHaveLength(3)
    for (const [index, { position }] of whole.entries()) {
      const rest = drained(world.open(csv(name), position))
      expect(rest.map(({ value, where }) => [value, where])).toEqual(
        whole.slice(index + 1).map(({ value, where }) => [value, where]),
      )
    }
  }
})

test('CSV: one bad record is one failure, the others are read', () => {
  const text = 'a,b\n1,2\n3\n4,5"6\n7,8,9\n10,11\n'
  const items = drained(world.open(csv(world.put('a.csv', text))))
  expect(items.map(({ value }) => value)).toEqual([
    { a: '1', b: '2' },
    undefined,
    undefined,
    undefined,
    { a: '10', b: '11' },
  ])
  expect(
    items.filter(({ failure }) => failure !== undefined).map(({ failure }) => failure?.error.message),
  ).toEqual([
    'the record is no CSV: Invalid Record Length: columns length is 2, got 1',
    expect.stringMatching(/no CSV.*quote/i),
    'the record is no CSV: Invalid Record Length: columns length is 2, got 3',
  ])
})

test('CSV: what is said of a bad record counts no lines but those of the file', () => {
  const items = drained(world.open(csv(world.put('a.csv', 'a,b\n1,2\n3\n4,5"6\n7,"8'))))
  const messages = items.flatMap(({ failure }) => (failure === undefined ? [] : [failure.error.message]))
  expect(messages).toHaveLength(3)
  for (const message of messages) expect(message).not.toMatch(/line/)
})

test('CSV: a quote that is never closed is a bad record', () => {
  const items = drained(world.open(csv(world.put('a.csv', 'a,b\n1,2\n3,"4\n5,6\n'))))
  expect(items.map(({ value, failure }) => value ?? failure?.error.message)).toEqual([
    { a: '1', b: '2' },
    expect.stringMatching(/quote/i),
  ])
})

test('CSV: schema, delimiter, columns by option, and headers that cannot be', () => {
  const Row = z.object({ n: z.coerce.number().int() })
  const items = drained(world.open(csv(world.put('a.csv', 'n;m\n1;x\nhalf;y\n'), Row, { delimiter: ';' })))
  expect(items.map(({ value }) => value)).toEqual([{ n: 1 }, undefined])
  expect(items[1]?.failure?.error.message).toContain('n: ')
  expect(values(csv(world.put('b.csv', '1,2\n'), { columns: ['x', 'y'] }))).toEqual([{ x: '1', y: '2' }])
  expect(values(csv(world.put('c.csv', '')))).toEqual([])
  expect(() => values(csv(world.put('d.csv', 'a,a\n1,2\n')))).toThrow(/names the column "a" twice/)
  expect(() => csv('e.csv', { delimiter: '\n' })).toThrow(/one ASCII character/)
})

test('progress is in bytes of the file', () => {
  const reader = world.open(lines(world.put('a.log.gz', gzipSync('line\n'.repeat(1000)))))
  const { total } = reader.progress()
  drained(reader)
  expect(total).toBeGreaterThan(20)
  const plain = world.open(lines(world.put('a.log', 'line\n'.repeat(10))))
  plain.poll(100)
  expect(plain.progress()).toEqual({ done: 50, total: 50 })
  plain.close()
})
