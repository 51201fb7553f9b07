import {
  app,
  collect,
  count,
  deadLetter,
  hopping,
  session,
  stream,
  sum,
  text,
  top,
  topic,
  tumbling,
  view,
} from 'millrace'
import { jsonl, lines } from 'millrace/files'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { SeededRandom } from '../../src/sim/seeded-random.ts'
import { seed } from './seed.ts'
import { type Outcome, SimWorld, type SimWorldOptions } from './sim-world.ts'

const Request = z.object({ ip: z.string(), at: z.number(), path: z.string(), bytes: z.number() })
const Window = z.object({ start: z.number(), end: z.number() })
const Hits = z.object({ key: z.string(), window: Window, hits: z.number() })
const requests = topic('requests', { value: Request })
const perPath = topic('per-path', { key: text(), value: Hits, partitions: 2 })
const topPaths = topic('top-paths', {
  key: text(),
  value: z.object({ key: z.string(), window: Window, paths: z.array(Hits) }),
})
const sessions = topic('sessions', {
  key: text(),
  value: z.object({
    key: z.string(),
    window: Window.extend({ lastEvent: z.number() }),
    hits: z.number(),
    bytes: z.number(),
  }),
  partitions: 2,
})
const steps = topic('steps', {
  key: text(),
  value: z.object({ from: z.string().nullable(), to: z.string() }),
})
const late = topic('late', { key: text(), value: Request })

/** The access log's pipeline in small: a file into a topic, and four kinds of results and views of it. */
function pipeline() {
  const load = stream(lines('/access.log')).map(parse).onError(deadLetter('unparsable')).to(requests)
  const inTime = stream(requests, { eventTime: ({ at }) => at, outOfOrderness: '5s', idleAfter: false })
  const hits = inTime
    .keyBy((page) => page?.path ?? '')
    .window('per-path', tumbling('10s'))
    .aggregate({ hits: count() })
  const trending = inTime
    .keyBy((page) => page?.path ?? '')
    .window('trending', hopping({ size: '20s', every: '5s' }))
    .aggregate({ hits: count() })
    .groupBy('top-paths', () => 'all')
    .aggregate({ paths: top(2, (row) => row.hits, { ties: (row) => row.key }) })
  const visits = inTime
    .keyBy(({ ip }) => ip)
    .window('sessions', session('8s'))
    .aggregate({ hits: count(), bytes: sum(({ bytes }) => bytes) })
  // The page that an address was at before: a table and a stream of one topic, met in the order of its records.
  const byIp = inTime.keyBy(({ ip }) => ip)
  const pages = byIp.map(({ path, bytes }) => (bytes < 20 ? null : { path })).toTable('pages')
  const strict = stream(requests, { eventTime: ({ at }) => at, idleAfter: false })
    .keyBy(({ ip }) => ip)
    .window('strict', tumbling('3s'), { allowedLateness: '1s' })
  return app('crashing', {
    load,
    perPath: hits.final().to(perPath),
    topPaths: trending.final().to(topPaths),
    sessions: visits.final().to(sessions),
    log: hits.final().to(jsonl('/hits.jsonl', Hits)),
    steps: byIp
      .leftJoin(pages, (request, page) => ({ from: page?.path ?? null, to: request.path }))
      .to(steps),
    pages: view(pages),
    perPage: view(
      pages
        .groupBy('per-page', (page) => page?.path ?? '')
        .aggregate({ visitors: count(), names: collect() }),
    ),
    late: strict.count().late().to(late),
    paths: view(hits.updates()),
    trending: view(trending.final()),
    visitors: view(visits.updates()),
    bytes: view(inTime.keyBy(({ ip }) => ip).aggregate('bytes', { bytes: sum(({ bytes }) => bytes) })),
  })
}

function parse(line: string): z.infer<typeof Request> {
  const [ip, at, path, bytes] = line.split(' ')
  if (ip === undefined || path === undefined) throw new Error(`not a request: ${line}`)
  return { ip, at: Number(at), path, bytes: Number(bytes) }
}

/** A log of some 90 s, lines up to 5 s (and a few 9 s) behind, some unreadable. */
function inputOf(lineCount: number, random: SeededRandom): string {
  let clock = 1_000_000
  return Array.from({ length: lineCount }, (_, index) => {
    if (index % 13 === 7) return 'unreadable\n'
    clock += random.below(2_500)
    // Whatever the lots, some lines are too late.
    const back = index % 9 === 8 ? 9_000 : random.chance(0.4) ? random.below(5_000) : 0
    const at = clock - back
    return `10.0.0.${random.below(3)} ${at} /${random.below(4)} ${random.below(100)}\n`
  }).join('')
}

function worldOf(input: string, options: SimWorldOptions): SimWorld {
  const world = new SimWorld(pipeline(), options)
  world.putFile('/access.log', input)
  return world
}

/** An undisturbed run: what it leaves, and the disk operations from `first` to `last` that it took. */
function undisturbed(input: string, options: SimWorldOptions) {
  const world = worldOf(input, options)
  const first = world.sys.disk.operations + 1
  world.start()
  world.runToEnd()
  const { commits = 0 } = world.engine?.status() ?? {}
  const snapshots = world.sys.disk.list('/data/state').length
  return { outcome: world.outcome('/hits.jsonl'), first, last: world.sys.disk.operations, commits, snapshots }
}

function expectSame(actual: Outcome, expected: Outcome, where: string): void {
  expect(actual.files, where).toEqual(expected.files)
  expect(Object.keys(actual.topics), where).toEqual(Object.keys(expected.topics))
  for (const name of Object.keys(expected.topics)) {
    expect(comparable(actual, name), `${name}, ${where}`).toEqual(comparable(expected, name))
  }
  for (const [name, rows] of Object.entries(expected.views)) {
    expect(actual.views[name], `view ${name}, ${where}`).toEqual(rows)
  }
}

/** A line has no time of its own: what is made of it before `eventTime` has the time of its reading. */
const TIMED_BY_READING = ['requests', 'unparsable']

function comparable({ topics }: Outcome, name: string): unknown {
  if (!TIMED_BY_READING.includes(name)) return topics[name]
  return topics[name]?.map((records) =>
    records.map(({ key, value, headers }) => ({
      key,
      value,
      headers: headers.filter(([header]) => header !== 'timestamp'),
    })),
  )
}

const LINES = 40

describe(`power cuts at every disk operation, seed ${seed}`, () => {
  const input = inputOf(LINES, new SeededRandom(seed).fork('input'))

  test('the undisturbed run has something to lose', () => {
    const { outcome, first, last } = undisturbed(input, { seed })
    expect(last - first).toBeGreaterThan(100)
    const { topics, views } = outcome
    expect(Object.keys(topics).sort()).toEqual(
      ['late', 'per-path', 'requests', 'sessions', 'steps', 'top-paths', 'unparsable'].sort(),
    )
    for (const name of ['late', 'per-path', 'requests', 'sessions', 'steps', 'top-paths']) {
      expect(topics[name]?.flat().length, name).toBeGreaterThan(0)
    }
    for (const [name, rows] of Object.entries(views)) expect(rows.length, name).toBeGreaterThan(0)
    expect(outcome.files['/hits.jsonl']?.split('\n')).toHaveLength(
      (topics['per-path']?.flat().length ?? 0) + 1,
    )
  })

  test('the result does not depend on when commits fall', () => {
    const { outcome } = undisturbed(input, { seed })
    const fine = { recordsPerStep: 1, resultsPerStep: 1 }
    for (const options of [
      { commitIntervalMs: 1 },
      { commitIntervalMs: 1_000 },
      { syncMs: 3 },
      { commitIntervalMs: 0, ...fine },
      { commitIntervalMs: 1, syncMs: 2, ...fine },
      { commitIntervalMs: 7, ...fine },
    ]) {
      expectSame(undisturbed(input, { seed, ...options }).outcome, outcome, JSON.stringify(options))
    }
  })

  test.each([
    [
      'commits between any two records and results',
      { commitIntervalMs: 7, recordsPerStep: 1, resultsPerStep: 1 },
    ],
    [
      'the next commit fills while one syncs, and snapshots are taken',
      { commitIntervalMs: 4, syncMs: 3, recordsPerStep: 2, resultsPerStep: 2, snapshotBytesMin: 500 },
    ],
  ])(
    'each operation in turn: %s',
    (_, settings) => {
      const options = { seed, ...settings }
      const { outcome, first, last, commits, snapshots } = undisturbed(input, options)
      expect(commits).toBeGreaterThan(10)
      expect(snapshots > 0).toBe('snapshotBytesMin' in settings)
      const random = new SeededRandom(seed).fork('second cut')
      let cuts = 0
      for (let operation = first; operation <= last; operation++) {
        const world = worldOf(input, { ...options, seed: seed + operation })
        const where = `seed ${seed}, power cut at disk operation ${operation} of ${first} to ${last}`
        world.sys.disk.crashAt(operation)
        try {
          if (!world.survives()) {
            cuts += 1
            world.restart()
            // Half of the time the power fails again while it comes up or soon after.
            if (random.chance(0.5)) {
              world.sys.disk.crashAt(1 + random.below(30))
              if (!world.survives()) {
                world.restart()
                world.start()
                world.runToEnd()
              }
            } else {
              world.start()
              world.runToEnd()
            }
          }
        } catch (error) {
          throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, {
            cause: error,
          })
        }
        expectSame(world.outcome('/hits.jsonl'), outcome, where)
      }
      expect(cuts).toBe(last - first + 1)
    },
    60_000,
  )
})

describe('a disk that fails', () => {
  const input = inputOf(LINES, new SeededRandom(seed).fork('failing'))

  test('a full disk stops the app with what and where, and loses nothing', () => {
    const { outcome } = undisturbed(input, { seed })
    let failures = 0
    for (const room of [0, 1_000, 5_000, 15_000, 40_000]) {
      const world = worldOf(input, { seed })
      world.sys.disk.diskFull(room)
      try {
        world.start()
        world.runToEnd()
      } catch (error) {
        failures += 1
        expect(error, `room for ${room} bytes, seed ${seed}`).toMatchObject({ code: 'MILLRACE_DISK' })
        expect((error as Error).message).toMatch(/cannot write \/data\/\S+.*ENOSPC/)
        world.restart()
        world.start()
        world.runToEnd()
      }
      expectSame(world.outcome('/hits.jsonl'), outcome, `room for ${room} bytes, seed ${seed}`)
    }
    expect(failures).toBeGreaterThan(1)
  })

  test('a sync that fails stops the app, and nothing is taken for durable that is not', () => {
    const { outcome } = undisturbed(input, { seed })
    let failures = 0
    for (let nth = 1; nth <= 12; nth++) {
      const world = worldOf(input, { seed: seed + nth })
      world.sys.disk.failSync(nth)
      try {
        world.start()
        world.runToEnd()
      } catch (error) {
        failures += 1
        expect(error, `sync ${nth}, seed ${seed}`).toMatchObject({ code: 'MILLRACE_DISK' })
        world.restart()
        world.start()
        world.runToEnd()
      }
      expectSame(world.outcome('/hits.jsonl'), outcome, `sync ${nth}, seed ${seed}`)
    }
    expect(failures).toBeGreaterThan(1)
  })
})
