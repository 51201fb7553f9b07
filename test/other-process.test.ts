import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { text } from '../src/record/serdes.ts'
import { type OpenLog, open } from '../src/run/open.ts'
import { topic } from '../src/streams/topic.ts'
import { CliWorld } from './cli-process.ts'

/** A member of the group `g` in a process of its own: it says what it was given, a line each. */
const MEMBER = `
import { open, text, topic } from 'millrace'
const words = topic('words', { value: text(), partitions: 4 })
const log = await open(process.argv[2])
const consumer = log.consumer({ group: 'g', topics: [words], sessionTimeout: '1s', client: 'other' })
process.on('SIGTERM', async () => {
  await log.close()
  process.exit(0)
})
await consumer.run(({ value }) => console.log(value))
`
/** Sends what it is told to, until it is killed. */
const SENDER = `
import { open, text, topic } from 'millrace'
const words = topic('words', { value: text(), partitions: 4 })
const log = await open(process.argv[2])
for (let n = 0; n < 2000; n++) {
  await log.send(words, 'n' + n, { partition: 0 })
  console.log(n)
}
await log.close()
`
/** Holds the log of a folder, and serves it on a port. */
const HOLDER = `
import { open } from 'millrace'
const log = await open('file:./held', { http: Number(process.argv[2]) })
console.log(log.url)
`
const words = topic('words', { value: text(), partitions: 4 })

describe('a log that another process uses', () => {
  let world: CliWorld
  let log: OpenLog
  const children: ChildProcess[] = []

  beforeEach(async () => {
    world = new CliWorld()
    world.put('member.ts', MEMBER)
    world.put('sender.ts', SENDER)
    world.put('holder.ts', HOLDER)
    log = await open(`file:${world.path('data')}`, { http: 0 })
    await log.admin.createTopic('words', { partitions: 4 })
  })
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    await log.close()
    await world.remove()
  })

  function start(
    script: string,
    argument = log.url as string,
  ): { readonly child: ChildProcess; readonly said: string[] } {
    const child = spawn(process.execPath, [world.path(script), argument], { cwd: world.folder })
    children.push(child)
    const said: string[] = []
    createInterface({ input: child.stdout }).on('line', (line) => said.push(line))
    child.stderr.on('data', (chunk: Buffer) => process.stderr.write(chunk))
    return { child, said }
  }

  async function fill(from: number, count: number): Promise<void> {
    const sends = Array.from({ length: count }, (_, n) =>
      log.send(words, `w${from + n}`, { partition: (from + n) % 4 }),
    )
    await Promise.all(sends)
  }

  test('a member that is killed gives its partitions back; nothing is lost', async () => {
    const first = log.consumer({ group: 'g', topics: [words], sessionTimeout: '1s' })
    const seen: string[] = []
    const done = first.run(({ value }) => {
      seen.push(value)
    })
    await fill(0, 40)
    const other = start('member.ts')
    await until(() => first.assignment().length === 2)
    await fill(40, 40)
    await until(() => other.said.length >= 20)
    expect(
      log.groups
        .describe('g')
        ?.members.map(({ host }) => host)
        .toSorted(),
    ).toEqual(['', expect.stringMatching(new RegExp(`^http:${other.child.pid}@.`))])
    other.child.kill('SIGKILL')
    await fill(80, 40)
    await until(() => first.assignment().length === 4)
    await until(() => new Set([...seen, ...other.said]).size === 120)
    await first.close()
    await done
  })

  test('a member that ends hands over without a second delivery', async () => {
    const first = log.consumer({ group: 'g', topics: [words], sessionTimeout: '1s' })
    const seen: string[] = []
    const done = first.run(({ value }) => {
      seen.push(value)
    })
    const other = start('member.ts')
    await until(() => first.assignment().length === 2)
    await fill(0, 80)
    await until(() => seen.length + other.said.length === 80)
    const ended = new Promise((resolve) => other.child.on('exit', resolve))
    other.child.kill('SIGTERM')
    expect(await ended).toBe(0)
    await until(() => first.assignment().length === 4)
    await fill(80, 40)
    await until(() => seen.length + other.said.length >= 120)
    expect([...seen, ...other.said].toSorted()).toEqual(
      Array.from({ length: 120 }, (_, n) => `w${n}`).toSorted(),
    )
    await first.close()
    await done
  })

  test('what was acknowledged to a process that is killed is there, once, in its order', async () => {
    const sender = start('sender.ts')
    await until(() => sender.said.length > 50)
    sender.child.kill('SIGKILL')
    await new Promise((resolve) => sender.child.on('close', resolve))
    const values: string[] = []
    for await (const { value } of log.read(words, { partition: 0 })) values.push(value)
    expect(values.length).toBeGreaterThanOrEqual(sender.said.length)
    expect(values.length).toBeLessThanOrEqual(sender.said.length + 1)
    expect(values).toEqual(values.map((_, n) => `n${n}`))
  })

  test('whoever holds it is killed and started again: members and senders go on, nothing is lost or twice', async () => {
    const port = new URL(log.url as string).port
    await log.close()
    let holder = start('holder.ts', port)
    await until(() => holder.said.length === 1)
    const own = await open(holder.said[0] as `http://${string}`)
    const consumer = own.consumer({
      group: 'g',
      topics: [words],
      sessionTimeout: '2s',
      commitInterval: '10ms',
    })
    const seen: string[] = []
    const done = consumer.run(({ value }) => {
      seen.push(value)
    })
    const sender = start('sender.ts', holder.said[0])
    for (let kills = 0; kills < 3; kills += 1) {
      const before = sender.said.length
      await until(() => sender.said.length > before + 30)
      const ended = new Promise((resolve) => holder.child.on('close', resolve))
      holder.child.kill('SIGKILL')
      await ended
      holder = start('holder.ts', port)
    }
    const before = sender.said.length
    await until(() => sender.said.length > before + 30)
    sender.child.kill('SIGKILL')
    await until(() => new Set(seen).size >= sender.said.length)
    const values: string[] = []
    for await (const { value } of own.read(words, { partition: 0 })) values.push(value)
    expect(values).toEqual(values.map((_, n) => `n${n}`))
    await consumer.close()
    await done
    await own.close()
  })

  test('the folder itself is held, and the error says at which URL it is reached', async () => {
    const held = open(`file:${world.path('data')}`)
    await expect(held).rejects.toMatchObject({
      code: 'MILLRACE_LOCKED',
      message: expect.stringContaining(`open('${log.url}')`),
    })
    await expect(open('http://127.0.0.1:1', { http: 0 })).rejects.toThrow(/leave out http/)
    await expect(open('http://127.0.0.1:1')).rejects.toMatchObject({ code: 'MILLRACE_CONNECTION' })
    await expect(open('http://127.0.0.1:1/path')).rejects.toMatchObject({ code: 'MILLRACE_INVALID_ARGUMENT' })
  })
})

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    if (turn > 3_000) throw new Error('it did not happen')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
