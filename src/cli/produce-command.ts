import type { Timestamp } from '../base/brands.ts'
import { isMillraceError, MillraceError, messageOf } from '../base/errors.ts'
import type { TopicDescription } from '../broker/broker.ts'
import { Producer } from '../run/producer.ts'
import type { Clock } from '../sys/sys.ts'
import { type Batch, inputBatches } from './input-batches.ts'
import type { Output } from './output.ts'
import { ask, openTarget } from './target.ts'
import { knownTopic } from './topic-commands.ts'

interface ProduceOptions {
  readonly at: string
  readonly keyField?: string
}

const LINE_FEED = Buffer.from('\n')
/** How often a person is told how far it is. */
const NOTE_MS = 5_000

/**
 * `millrace produce TOPIC`: one record a line, sent as soon as it comes. A running app checks the values by its schemas;
 * nobody else knows them: the bytes of a line are the value.
 */
export async function produce(name: string, options: ProduceOptions, output: Output): Promise<void> {
  await using target = await openTarget(options.at)
  const { url, broker, sys } = target
  if (url !== undefined)
    await eachBatch(name, output, sys.clock, (batch) => sendToApp(url, name, options.keyField, batch))
  else {
    const topic = knownTopic(broker, name)
    await using producer = new Producer(sys, broker)
    const send = (batch: Batch) => append(producer, topic, options.keyField, sys.clock.now(), batch)
    await eachBatch(name, output, sys.clock, send)
  }
}

async function sendToApp(
  url: string,
  name: string,
  keyField: string | undefined,
  batch: Batch,
): Promise<void> {
  const query = new URLSearchParams({ firstLine: String(batch.first) })
  if (keyField !== undefined) query.set('keyField', keyField)
  await ask(url, `/topics/${encodeURIComponent(name)}?${query.toString()}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: Buffer.concat(batch.lines.flatMap((line) => [line, LINE_FEED])),
  })
}

/** All keys are looked at before the first record is sent. */
async function append(
  producer: Producer,
  topic: TopicDescription,
  keyField: string | undefined,
  timestamp: Timestamp,
  batch: Batch,
): Promise<void> {
  const records = batch.lines.flatMap((value, index) => {
    if (value.length === 0) return []
    const line = batch.first + index
    const key = keyField === undefined ? null : keyOf(value, keyField, line, batch.first)
    return [{ line, record: { key, value, timestamp, headers: [] } }]
  })
  const results = await Promise.allSettled(records.map(({ record }) => producer.append(topic, record)))
  const failures = results.flatMap((result, index) =>
    result.status === 'rejected' ? [{ line: records[index]?.line, error: result.reason as unknown }] : [],
  )
  const [failure] = failures
  if (failure === undefined) return
  const { line, error } = failure
  const last = batch.first + batch.lines.length - 1
  const rest = `of lines ${batch.first} to ${last}, ${failures.length} went wrong; none after them was sent`
  const code = isMillraceError(error) ? error.code : 'MILLRACE_INVALID_RECORD'
  throw new MillraceError(code, `line ${line}: ${messageOf(error)}; ${rest}`, { cause: error })
}

/** Sends what comes on standard input, in its order, and says how much it was. */
async function eachBatch(
  name: string,
  output: Output,
  clock: Clock,
  send: (batch: Batch) => Promise<void>,
): Promise<void> {
  const started = clock.monotonic()
  let [sent, empty, noted] = [0, 0, started]
  const progress = (): string => {
    const rate = Math.round(sent / ((clock.monotonic() - started) / 1_000))
    const lines = empty === 1 ? 'line' : 'lines'
    const skipped = empty === 0 ? '' : `, ${empty.toLocaleString('en')} empty ${lines} skipped`
    return `${sent.toLocaleString('en')} records to ${name}${skipped}, ${rate.toLocaleString('en')}/s\n`
  }
  for await (const batch of inputBatches(process.stdin)) {
    await send(batch)
    const none = batch.lines.filter(({ length }) => length === 0).length
    sent += batch.lines.length - none
    empty += none
    if (clock.monotonic() - noted < NOTE_MS) continue
    noted = clock.monotonic()
    output.note(`so far ${progress()}`)
  }
  output.note(progress())
}

function keyOf(line: Buffer, field: string, number: number, first: number): Uint8Array {
  const unsent = `nothing from line ${first} on was sent`
  let value: unknown
  try {
    value = (JSON.parse(line.toString('utf8')) as Record<string, unknown>)[field]
  } catch (error) {
    throw new MillraceError(
      'MILLRACE_INVALID_RECORD',
      `line ${number} is no JSON: ${messageOf(error)}; ${unsent}`,
    )
  }
  if (typeof value === 'string') return Buffer.from(value)
  const kind = value === undefined ? 'is missing' : `is ${JSON.stringify(value)}`
  const problem = `line ${number}: the key field "${field}" ${kind}, expected a text; ${unsent}`
  throw new MillraceError('MILLRACE_INVALID_RECORD', problem)
}
