import { createInterface } from 'node:readline'
import { MillraceError, messageOf } from '../base/errors.ts'
import { Producer } from '../run/producer.ts'
import { nodeSys } from '../sys/node/node-sys.ts'
import type { Output } from './output.ts'
import { ask, openTarget } from './target.ts'
import { knownTopic } from './topic-commands.ts'

interface ProduceOptions {
  readonly at: string
  readonly keyField?: string
}

/** Lines that are on their way at once. */
const IN_FLIGHT_MAX = 1_000

/** `millrace produce TOPIC`: one record a line. A running app checks the values by its schemas; nobody else knows them. */
export async function produce(name: string, options: ProduceOptions, output: Output): Promise<void> {
  await using target = await openTarget(options.at)
  const sys = nodeSys()
  const started = sys.clock.monotonic()
  const { url, broker } = target
  let count: number
  if (url !== undefined) {
    count = await eachBatch(async (lines) => {
      const query = options.keyField === undefined ? '' : `?keyField=${encodeURIComponent(options.keyField)}`
      const init = {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body: `${lines.join('\n')}\n`,
      }
      await ask(url, `/topics/${encodeURIComponent(name)}${query}`, init)
    })
  } else {
    const topic = knownTopic(broker, name)
    const producer = new Producer(sys, broker)
    count = await eachBatch(async (lines, first) => {
      const sends = lines.map((line, index) =>
        producer.append(topic, {
          key: options.keyField === undefined ? null : keyOf(line, options.keyField, first + index),
          value: Buffer.from(line),
          timestamp: sys.clock.now(),
          headers: [],
        }),
      )
      await Promise.all(sends)
    })
    await producer.close()
  }
  const seconds = (sys.clock.monotonic() - started) / 1_000
  const rate = Math.round(count / seconds).toLocaleString('en')
  output.note(`${count.toLocaleString('en')} records to ${name}, ${rate}/s\n`)
}

/** Calls `send` with the lines of standard input, in their order, and the number of the first of them (from 1). */
async function eachBatch(send: (lines: readonly string[], first: number) => Promise<void>): Promise<number> {
  let [lines, sent, number]: [string[], number, number] = [[], 0, 0]
  const flush = async (): Promise<void> => {
    if (lines.length > 0) await send(lines, number - lines.length + 1)
    sent += lines.length
    lines = []
  }
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1
    if (line === '') {
      await flush()
      continue
    }
    lines.push(line)
    if (lines.length >= IN_FLIGHT_MAX) await flush()
  }
  await flush()
  return sent
}

function keyOf(line: string, field: string, number: number): Uint8Array {
  let value: unknown
  try {
    value = (JSON.parse(line) as Record<string, unknown>)[field]
  } catch (error) {
    throw new MillraceError(
      'MILLRACE_INVALID_RECORD',
      `line ${number} is no JSON: ${messageOf(error)}; nothing after it was sent`,
    )
  }
  if (typeof value === 'string') return Buffer.from(value)
  const kind = value === undefined ? 'is missing' : `is ${JSON.stringify(value)}`
  throw new MillraceError(
    'MILLRACE_INVALID_RECORD',
    `line ${number}: the key field "${field}" ${kind}, expected a text`,
  )
}
