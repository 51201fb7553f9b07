import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { answered } from '../../base/answered.ts'
import { Producer } from '../../clients/producer.ts'
import { rawRequest } from '../../serve/http/http-test-app.ts'
import type { TopicDescription } from '../broker.ts'
import { batch, brokerContract, readAll } from '../contract.ts'
import type { FullBroker } from '../full-broker.ts'
import type { JoinedGroup, JoinGroup } from '../groups.ts'
import type { ProducerIdentity } from '../transactions.ts'
import { decodeMessage, encodeMessage } from './message.ts'
import { PATHS } from './protocol.ts'
import { CutHttp, RemoteTestWorld } from './remote-test-world.ts'

const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 1))

brokerContract('remote, over HTTP', () => {
  const world = new RemoteTestWorld()
  return {
    open: async () => {
      // What a restart leaves is what the app that holds the log leaves.
      await world.stop()
      await world.start()
      return world.connect()
    },
    settle,
    end: () => world.end(),
  }
})

let world: RemoteTestWorld
beforeEach(async () => {
  world = new RemoteTestWorld()
  await world.start()
})
afterEach(() => world.end())

const create = (broker: FullBroker, name: string, partitions = 2) =>
  answered<TopicDescription>((answer) => broker.createTopic(name, { partitions }, answer))
const append = (broker: FullBroker, topic: TopicDescription, ...texts: string[]) =>
  answered((answer) => broker.append([batch(topic, 0, ...texts)], answer))
const read = (topic: TopicDescription) => readAll({ settle }, world.local, topic, 0)

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    if (turn > 3_000) throw new Error('it did not happen')
    await settle()
  }
}

function member(client: string, more: Partial<JoinGroup> = {}): JoinGroup {
  const protocols = [{ name: 'range', metadata: new Uint8Array([1, 2]) }]
  const times = { sessionTimeoutMs: 300, rebalanceTimeoutMs: 300 }
  return {
    group: 'g',
    member: '',
    instance: null,
    client,
    host: '',
    protocolType: 'consumer',
    protocols,
    ...times,
    ...more,
  }
}

const joinAs = (broker: FullBroker, request: JoinGroup) =>
  answered<JoinedGroup>((answer) => broker.groups.join(request, answer))

describe('what others do', () => {
  test('is seen by who asks, after a while', async () => {
    const remote = await world.connect()
    const topic = await create(world.local, 'orders')
    await append(world.local, topic, 'a', 'b')
    expect(remote.topic('orders')).toBeUndefined()
    await until(() => remote.topic('orders') !== undefined)
    expect(remote.bounds(topic.id, 0).end).toBe(2)
    await answered<void>((answer) => world.local.admin.deleteTopic('orders', answer))
    await until(() => remote.topic('orders') === undefined)
    expect(() => remote.bounds(topic.id, 0)).toThrow(/no topic with the id/)
  })

  test('wakes a reader at once', async () => {
    const remote = await world.connect()
    const topic = await create(remote, 'orders')
    let woken = false
    const reader = remote.read(topic.id, 1, 0, () => {
      woken = true
    })
    expect(reader.poll(1_000)).toBeUndefined()
    await new Promise((resolve) => setTimeout(resolve, 30))
    await answered((answer) => world.local.append([batch(topic, 1, 'a')], answer))
    await until(() => woken)
    expect(reader.poll(1_000)?.bounds.end).toBe(1)
    reader.close()
  })

  test('ends the readers of a topic that is deleted', async () => {
    const remote = await world.connect()
    const topic = await create(remote, 'orders')
    const reader = remote.read(topic.id, 0, 0, () => undefined)
    expect(reader.poll(1_000)).toBeUndefined()
    await answered<void>((answer) => world.local.admin.deleteTopic('orders', answer))
    let fault: unknown
    await until(() => {
      try {
        reader.poll(1_000)
      } catch (error) {
        fault = error
      }
      return fault !== undefined
    })
    expect(fault).toMatchObject({ code: 'MILLRACE_UNKNOWN_TOPIC' })
  })
})

test('many readers wait in few requests', async () => {
  const http = new CutHttp()
  let fetches = 0
  http.cut = (url) => {
    if (url.endsWith(PATHS.fetch)) fetches += 1
    return undefined
  }
  const remote = await world.connect({ http })
  const topic = await create(remote, 'wide', 200)
  const woken = new Set<number>()
  const readers = Array.from({ length: 200 }, (_, index) =>
    remote.read(topic.id, index, 0, () => woken.add(index)),
  )
  for (const reader of readers) expect(reader.poll(1_000)).toBeUndefined()
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(fetches).toBe(1)
  await answered((answer) => world.local.append([batch(topic, 7, 'a'), batch(topic, 150, 'b')], answer))
  await until(() => woken.size === 2)
  expect([...woken].toSorted((a, b) => a - b)).toEqual([7, 150])
  for (const reader of readers) reader.close()
})

describe('a lost connection', () => {
  test('an answer that is lost does not write twice, nor reorder what comes behind it', async () => {
    const http = new CutHttp()
    const remote = await world.connect({ http })
    const topic = await create(remote, 'orders', 1)
    const producer = new Producer(world.sys, remote)
    let appends = 0
    http.cut = (url, body) => {
      if (!url.endsWith(PATHS.calls) || !Buffer.from(body).includes('broker.append')) return undefined
      appends += 1
      // The server has appended when its answer is lost; every third request does not even get there.
      return appends > 9 ? undefined : appends % 3 === 0 ? 'request' : 'answer'
    }
    const sent: string[] = []
    const offsets: number[] = []
    for (let index = 0; index < 12; index += 1) {
      sent.push(`r${index}`)
      const record = { timestamp: 0, key: null, value: Buffer.from(`r${index}`), headers: [] }
      producer.send(topic, record, 0, (error, _, offset) => {
        if (error !== undefined) throw error
        offsets.push(offset)
      })
      await settle()
    }
    await until(() => offsets.length === sent.length)
    expect(http.lost).toBeGreaterThan(3)
    expect(await read(topic)).toEqual(sent.map((text, offset) => `${offset} ${text}`))
    expect(offsets).toEqual(sent.map((_, index) => index))
  })

  test('says so, with a code that can be tried again; a whole transaction cannot', async () => {
    const http = new CutHttp()
    const remote = await world.connect({ http })
    const topic = await create(remote, 'orders')
    http.cut = (url) => (url.endsWith(PATHS.calls) ? 'answer' : undefined)
    await expect(append(remote, topic, 'a')).rejects.toMatchObject({
      code: 'MILLRACE_CONNECTION',
      retriable: true,
      message: expect.stringContaining('may have been done'),
    })
    const whole = { batches: [batch(topic, 0, 'b')], positions: [] }
    await expect(answered((answer) => remote.transactions.commitWhole(whole, answer))).rejects.toMatchObject({
      code: 'MILLRACE_UNKNOWN_OUTCOME',
      retriable: false,
    })
    const membership = { group: 'g', member: 'm', generation: 1 }
    const group = { batches: [], positions: [], membership, conditions: [] }
    const outcome = await new Promise((resolve) => remote.commit(group, resolve))
    expect(outcome).toMatchObject({ kind: 'unknown', error: { code: 'MILLRACE_CONNECTION' } })
    expect(await read(topic)).toEqual(['0 a', '1 b'])
  })

  test('calls behind a lost one are answered too, before any is tried again', async () => {
    const http = new CutHttp()
    const remote = await world.connect({ http })
    const topic = await create(remote, 'orders')
    let first = true
    http.cut = (url) => {
      const cut = url.endsWith(PATHS.calls) && first
      if (cut) first = false
      return cut ? 'request' : undefined
    }
    const outcomes = await Promise.allSettled(['a', 'b', 'c'].map((text) => append(remote, topic, text)))
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    await append(remote, topic, 'd')
    expect(await read(topic)).toEqual(['0 d'])
  })

  test('readers go on when the app is back, with nothing lost or twice', async () => {
    const remote = await world.connect()
    const port = Number(new URL(world.url).port)
    const topic = await create(remote, 'orders', 1)
    await append(remote, topic, 'a')
    const seen: number[] = []
    const reader = remote.read(topic.id, 0, 0, () => undefined)
    const drain = (): void => {
      for (let found = reader.poll(1_000); found !== undefined; found = reader.poll(1_000))
        seen.push(found.from)
    }
    await until(() => {
      drain()
      return seen.length === 1
    })
    await world.stop()
    await new Promise((resolve) => setTimeout(resolve, 50))
    drain()
    await world.start(port)
    await append(world.local, topic, 'b')
    await until(() => {
      drain()
      return seen.length === 2
    })
    expect(seen).toEqual([0, 1])
    reader.close()
  })

  test('readers whose app does not come back fail at last', async () => {
    const remote = await world.connect({ patienceMs: 50 })
    const topic = await create(remote, 'orders', 1)
    const reader = remote.read(topic.id, 0, 0, () => undefined)
    reader.poll(1_000)
    await world.stop()
    let fault: unknown
    await until(() => {
      try {
        reader.poll(1_000)
      } catch (error) {
        fault = error
      }
      return fault !== undefined
    })
    expect(fault).toMatchObject({
      code: 'MILLRACE_CONNECTION',
      message: expect.stringContaining('is the app running'),
    })
  })
})

describe('members from other processes', () => {
  test('join, lead, sync, commit and are described with their place', async () => {
    const remote = await world.connect({ host: 'http:7@here' })
    const topic = await create(remote, 'orders')
    const joined = await joinAs(remote, member('one'))
    expect(joined).toMatchObject({ leader: joined.member, protocol: 'range' })
    expect(joined.members[0]?.metadata).toEqual(new Uint8Array([1, 2]))
    const me = { group: 'g', member: joined.member, generation: joined.generation, instance: null }
    const assignments = [{ member: joined.member, assignment: new Uint8Array([9]) }]
    const synced = await answered((answer) => remote.groups.sync({ ...me, assignments }, answer))
    expect(synced).toMatchObject({ assignment: new Uint8Array([9]) })
    const positions = [{ topic: topic.id, partition: 0, offset: 3, leaderEpoch: -1, metadata: 'm' }]
    await answered<void>((answer) => remote.groups.commit({ ...me, positions }, answer))
    // Seen at once, though nobody asked the app.
    expect(remote.groups.describe('g')).toMatchObject({
      state: 'Stable',
      members: [{ client: 'one', host: 'http:7@here', assignment: new Uint8Array([9]) }],
      positions: [{ offset: 3, metadata: 'm' }],
    })
    expect(remote.groups.list()).toMatchObject([{ group: 'g', members: 1 }])
    expect(await answered((answer) => remote.groups.positions('g', answer))).toMatchObject({ pending: [] })
    const members = [
      { member: joined.member, instance: null },
      { member: 'nobody', instance: null },
    ]
    const outcomes = await answered((answer) => remote.groups.leave({ group: 'g', members }, answer))
    expect(outcomes).toEqual([undefined, expect.objectContaining({ code: 'MILLRACE_UNKNOWN_MEMBER' })])
    await answered<void>((answer) => remote.groups.delete('g', answer))
    expect(remote.groups.describe('g')).toBeUndefined()
  })

  test('a join waits for the others as long as it takes, and holds nothing else up', async () => {
    const remote = await world.connect()
    const slow = { sessionTimeoutMs: 5_000, rebalanceTimeoutMs: 5_000 }
    const first = await joinAs(remote, member('one', slow))
    let second: JoinedGroup | undefined
    remote.groups.join(member('two', slow), (_, joined) => {
      second = joined
    })
    const topic = await create(remote, 'orders')
    await append(remote, topic, 'a')
    expect(second).toBeUndefined()
    await joinAs(remote, member('one', { ...slow, member: first.member }))
    await until(() => second !== undefined)
    expect(second?.generation).toBe(first.generation + 1)
  })

  test('survive a restart of the app, and expire without heartbeats', async () => {
    const remote = await world.connect()
    const port = Number(new URL(world.url).port)
    const { member: id, generation } = await joinAs(remote, member('one', { sessionTimeoutMs: 600 }))
    await answered((answer) =>
      remote.groups.sync({ group: 'g', member: id, generation, instance: null, assignments: [] }, answer),
    )
    await world.stop()
    await world.start(port)
    const beat = { group: 'g', member: id, generation, instance: null }
    // The first one may meet a connection that the old app closed.
    const heartbeat = (): Promise<void> => answered<void>((answer) => remote.groups.heartbeat(beat, answer))
    await heartbeat().catch(heartbeat)
    await until(() => world.local.groups.describe('g')?.members.length === 0)
    await expect(answered<void>((answer) => remote.groups.heartbeat(beat, answer))).rejects.toMatchObject({
      code: 'MILLRACE_UNKNOWN_MEMBER',
    })
  })

  test('who went while it joined does not hold up the group', async () => {
    const remote = await world.connect()
    const other = await world.connect()
    const long = { sessionTimeoutMs: 20_000, rebalanceTimeoutMs: 20_000 }
    const first = await joinAs(remote, member('one', long))
    other.groups.join(member('two', long), () => undefined)
    await until(() => world.local.groups.describe('g')?.state === 'PreparingRebalance')
    await answered<void>((answer) => other.close(answer))
    await settle()
    await joinAs(remote, member('one', { ...long, member: first.member }))
    await until(() => world.local.groups.describe('g')?.members.length === 1)
  })
})

test('a transaction with markers: readers wait for its end, and hear of it', async () => {
  const remote = await world.connect()
  const topic = await create(remote, 'orders', 1)
  const request = { transactionalId: 't', timeoutMs: 10_000, version: 2 as const }
  const identity = await answered<ProducerIdentity>((answer) =>
    remote.transactions.initProducer(request, answer),
  )
  const producer = new Producer(
    world.sys,
    remote,
    {},
    {
      transactional: true,
      identify: (answer) => answer(undefined, identity),
      append: (batches, answer) =>
        remote.transactions.append({ ...identity, transactionalId: 't', batches }, answer),
    },
  )
  const record = { timestamp: 0, key: null, value: Buffer.from('x'), headers: [] }
  await new Promise((resolve) => producer.send(topic, record, 0, resolve))
  expect(remote.bounds(topic.id, 0)).toMatchObject({ lastStable: 0, end: 1 })
  const end = { ...identity, transactionalId: 't', committed: true, version: 2 as const }
  const next = await answered<ProducerIdentity>((answer) => remote.transactions.end(end, answer))
  expect(next.producerEpoch).toBe(identity.producerEpoch + 1)
  expect(remote.bounds(topic.id, 0)).toMatchObject({ lastStable: 2, end: 2 })
  // A repeated end answers the same: its first answer may have been lost.
  expect(await answered((answer) => remote.transactions.end(end, answer))).toEqual(next)
})

test('topics: alter, delete records, describe, delete; what was done is seen at once', async () => {
  const remote = await world.connect()
  const topic = await create(remote, 'orders')
  await append(remote, topic, 'a', 'b')
  await answered((answer) => remote.admin.alterTopic('orders', { partitions: 3, retentionMs: 1_000 }, answer))
  expect(remote.topic('orders')?.partitions).toBe(3)
  expect(remote.bounds(topic.id, 2).end).toBe(0)
  expect(await answered((answer) => remote.admin.deleteRecords(topic.id, 0, 2, answer))).toBe(2)
  expect(remote.bounds(topic.id, 0).start).toBe(2)
  expect(remote.admin.describeTopic('orders')).toMatchObject({
    settings: { retentionMs: 1_000 },
    details: [{ start: 2, end: 2 }, {}, {}],
  })
  await answered<void>((answer) => remote.admin.deleteTopic('orders', answer))
  expect([remote.topic('orders'), remote.admin.describeTopic('orders')]).toEqual([undefined, undefined])
})

describe('what is no request of a remote broker', () => {
  const post = async (path: string, body: Uint8Array): Promise<Response> =>
    fetch(`${world.url}${path}`, { method: 'POST', body: body as never })
  const call = (method: string, ...args: unknown[]) => encodeMessage({ calls: [{ method, args }] })
  const answerOf = async (body: Uint8Array): Promise<unknown> => {
    const response = await post(PATHS.calls, body)
    const { answers } = decodeMessage(Buffer.from(await response.arrayBuffer())) as { answers: unknown[] }
    return answers[0]
  }

  test.each([
    ['no message', Buffer.from('{"calls":[]}'), 400],
    ['another shape', encodeMessage({ calls: 7 }), 400],
    ['an unknown call', call('broker.formatDisk'), 501],
  ])('%s is refused', async (_, body, status) => {
    expect((await post(PATHS.calls, body)).status).toBe(status)
  })

  test.each([
    [
      'groups.commit',
      [{ group: 'g', member: '', generation: -1, instance: null, positions: [{}] }],
      /topic is missing/,
    ],
    [
      'groups.reset',
      ['g', [{ topic: 't', partition: 0, offset: 'x', leaderEpoch: 0, metadata: '' }]],
      /offset is "x"/,
    ],
    ['broker.append', [[{ topic: 't', partition: 0, bytes: 'abc' }]], /expected bytes/],
    ['groups.join', [{ group: 'g' }], /member is missing/],
  ])('%s with wrong arguments changes nothing', async (method, args, message) => {
    const answer = await answerOf(call(method, ...args))
    expect(answer).toMatchObject({
      error: { code: 'MILLRACE_INVALID_ARGUMENT', message: expect.stringMatching(message) },
    })
    expect(world.local.groups.list()).toEqual([])
  })

  test('a batch that is damaged on its way is not appended', async () => {
    const topic = await create(world.local, 'orders')
    const damaged = batch(topic, 0, 'abcdef')
    const last = damaged.bytes.length - 1
    damaged.bytes[last] = (damaged.bytes[last] as number) ^ 1
    expect(await answerOf(call('broker.append', [damaged]))).toMatchObject({
      error: { code: 'MILLRACE_INVALID_ARGUMENT', message: expect.stringContaining('bad checksum') },
    })
    expect(world.local.bounds(topic.id, 0).end).toBe(0)
  })

  test('nothing is written to the topics of the coordinators or of the app', async () => {
    const orders = await create(world.local, 'orders')
    const positions = [{ topic: orders.id, partition: 0, offset: 0, leaderEpoch: -1, metadata: '' }]
    await answered<void>((answer) => world.local.groups.reset('g', positions, answer))
    const groups = world.local.topic('__groups') as TopicDescription
    const own = await answered<TopicDescription>((answer) =>
      world.local.createTopic('app-changes', { partitions: 1, internal: true }, answer),
    )
    const bounds = () => [groups, own].map(({ id }) => world.local.bounds(id, 0))
    const before = bounds()
    const message = expect.stringContaining('for itself')
    const refused = { error: { code: 'MILLRACE_INVALID_ARGUMENT', message } }
    for (const topic of [groups, own]) {
      const batches = [batch(topic, 0, 'x')]
      expect(await answerOf(call('broker.append', batches))).toMatchObject(refused)
      const whole = { batches, positions: [] }
      expect(await answerOf(call('transactions.commitWhole', whole))).toMatchObject(refused)
    }
    expect(await answerOf(call('admin.deleteRecords', groups.id, 0, 1))).toMatchObject(refused)
    expect(await answerOf(call('broker.releaseChangelog', groups.id, 0, 1))).toMatchObject(refused)
    expect(bounds()).toEqual(before)
    expect(before[0]?.end).toBeGreaterThan(0)
  })

  test('requests of web pages are refused', async () => {
    for (const path of Object.values(PATHS)) {
      const { status } = await rawRequest(`${world.url}${path}`, { origin: 'http://evil.example' }, 'POST')
      expect(status).toBe(403)
      expect((await rawRequest(`${world.url}${path}`, { host: 'evil.example' }, 'POST')).status).toBe(403)
    }
  })

  test('a server of something else is no app', async () => {
    await expect(world.connect({ url: `${world.url}/healthz` })).rejects.toMatchObject({
      code: 'MILLRACE_UNSUPPORTED',
    })
  })
})
