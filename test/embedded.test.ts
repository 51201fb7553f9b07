import { spawn } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CliWorld } from './cli-process.ts'

/** Programs that embed millrace, as processes: what keeps Node running, and what lets it end. */
let world: CliWorld
beforeEach(() => {
  world = new CliWorld()
})
afterEach(() => world.remove())

const HEAD = `
import { app, open, run, stream, text, topic, view } from 'millrace'
const words = topic('words', { value: text() })
const counted = app('counted', {
  words: view(stream(words, { idleAfter: false }).keyBy((word) => word).count('words')),
})
// It does not keep the process running: whoever waits below must.
const later = (work: () => void): void => void setTimeout(work, 300).unref()
`

function program(body: string): Promise<{ readonly code: number | null; readonly output: string }> {
  world.put('program.ts', HEAD + body)
  const child = spawn(process.execPath, ['program.ts'], {
    cwd: world.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => (output += bytes.toString()))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}

describe('a program that embeds an app', () => {
  test('goes on while the app runs, though nothing happens, and ends with it', async () => {
    const finished = await program(`
await using running = await run(counted, { at: 'memory:' })
later(() => void running.close())
await running.ended
console.log('ended')
`)
    expect(finished).toEqual({ code: 0, output: 'ended\n' })
  })

  test('waits for changes of a view, and reads its own write', async () => {
    const finished = await program(`
await using running = await run(counted, { at: 'file:./data' })
const { words: rows } = running.views
const stop = new AbortController()
later(() => void running.send(words, 'mill'))
for await (const change of rows.changes({ signal: stop.signal })) {
  console.log(change.kind, change.key, change.after)
  stop.abort()
}
const { position } = await running.send(words, 'mill')
await rows.caughtUp(position, { timeout: '5s' })
console.log(await rows.get('mill'), await rows.get('race'), await rows.list())
`)
    expect(finished.output).toBe(
      "insert mill { key: 'mill', count: 1 }\n{ key: 'mill', count: 2 } undefined [ { key: 'mill', count: 2 } ]\n",
    )
    expect(finished.code).toBe(0)
  })

  test('ends by itself when the app is closed: nothing is left open', async () => {
    const finished = await program(`
const running = await run(counted, { at: 'file:./data', http: 0 })
await running.send(words, 'mill')
await running.close()
await running.close()
console.log('closed')
`)
    expect(finished).toEqual({ code: 0, output: 'closed\n' })
  })
})

describe('a program that uses the log alone', () => {
  test('waits for records that are appended later', async () => {
    const finished = await program(`
await using log = await open('memory:')
await log.send(words, 'now')
const stop = new AbortController()
later(() => void log.send(words, 'later'))
for await (const { value, offset } of log.read(words, { follow: true, signal: stop.signal })) {
  console.log(offset, value)
  if (value === 'later') stop.abort()
}
`)
    expect(finished).toEqual({ code: 0, output: '0 now\n1 later\n' })
  })
})
