import { isUtf8 } from 'node:buffer'
import { answered } from '../../base/answered.ts'
import { isMillraceError, MillraceError, messageOf } from '../../base/errors.ts'
import { LineCutter } from '../../base/line-cutter.ts'
import type { TopicDescription } from '../../broker/broker.ts'
import type { TopicSpec } from '../../flow/graph/plan.ts'
import { NO_HEADERS, type RecordData } from '../../record/record.ts'
import type { TopicSettings } from '../../record/topic-settings.ts'
import { positionText } from '../../views/position.ts'
import type { AppFacade } from './app-facade.ts'
import type { HttpExchange } from './http-exchange.ts'
import { HttpProblem } from './http-problem.ts'
import { parseFrom, recordJson } from './record-json.ts'

/** Characters of JSON lines that are written at once. */
const WRITE_CHARACTERS = 64 * 1024

/** `GET /topics` */
export function listTopics(app: AppFacade, exchange: HttpExchange): void {
  const internal = exchange.flag('internal')
  const topics = app.broker.topics().filter((topic) => internal || !topic.internal)
  exchange.json(
    topics.map((topic) => {
      const records = partitionsOf(app, topic).reduce((total, partition) => total + partition.records, 0)
      return { name: topic.name, partitions: topic.partitions, records, durability: topic.durability }
    }),
  )
}

/** `POST /topics` with `{ name, ...settings }`; what is not said is the default, of `partitions` 1. */
export async function createTopic(app: AppFacade, exchange: HttpExchange): Promise<void> {
  const asked = parsed(utf8(await exchange.body()), 'the body')
  const given = typeof asked === 'object' && asked !== null ? (asked as Record<string, unknown>) : {}
  const { name, partitions = 1, ...others } = given
  if (typeof name !== 'string') throw refused(`name is ${JSON.stringify(name) ?? 'missing'}, expected a text`)
  if ('internal' in others) throw refused('topics of the system are made by the system')
  // The broker looks at every setting.
  const settings = { partitions, ...others } as TopicSettings
  const topic = await answered<TopicDescription>((answer) => app.broker.createTopic(name, settings, answer))
  exchange.json({ ...topic, partitions: partitionsOf(app, topic) }, 201)
}

function refused(problem: string): HttpProblem {
  return new HttpProblem(400, 'MILLRACE_INVALID_ARGUMENT', `a topic cannot be made: ${problem}`)
}

/** `GET /topics/NAME` */
export function describeTopic(app: AppFacade, exchange: HttpExchange): void {
  const topic = knownTopic(app, exchange.segment(1))
  exchange.json({ ...topic, partitions: partitionsOf(app, topic) })
}

/**
 * `POST /topics/NAME`: one JSON value, or one value a line (`application/x-ndjson`; of a text topic, a line is the
 * value). `?keyField=` names the field that holds the key, `?key=` gives one for all; `?firstLine=` is the number of the
 * body's first line where it is a part of something longer. All values are checked before the first is sent; the answer
 * says where each stands.
 */
export async function produce(app: AppFacade, exchange: HttpExchange): Promise<void> {
  const topic = knownTopic(app, exchange.segment(1))
  if (topic.internal) {
    const problem = `${topic.name} is a topic that the app keeps for itself: nothing else may write to it`
    throw new HttpProblem(403, 'MILLRACE_INVALID_ARGUMENT', problem)
  }
  const body = await exchange.body()
  const firstLine = exchange.count('firstLine') ?? 1
  const manyLines = /ndjson|jsonl|json-lines|text\/plain/.test(exchange.request.headers['content-type'] ?? '')
  const texts = manyLines ? linesOf(body, firstLine) : [{ bytes: body, where: 'the body' }]
  const unsent = firstLine > 1 ? `nothing from line ${firstLine} on was sent` : 'nothing was sent'
  const spec = app.topicSpec(topic.name)
  const timestamp = app.sys.clock.now()
  const records = texts.map(({ bytes, where }) => {
    try {
      return record(bytes, spec, exchange, topic.name, timestamp)
    } catch (error) {
      if (!isMillraceError(error)) throw error
      throw new MillraceError(error.code, `${where}: ${error.message}; ${unsent}`, { cause: error })
    }
  })
  const sent = await Promise.all(records.map((one) => app.produce(topic, one)))
  const positions = sent.map(({ partition, offset }) => positionText(topic.name, partition, offset))
  exchange.json({ records: sent.length, positions })
}

/** `GET /topics/NAME/records?from=&partition=&limit=&follow=`: a JSON line a record. */
export async function readRecords(app: AppFacade, exchange: HttpExchange): Promise<void> {
  const topic = knownTopic(app, exchange.segment(1))
  const spec = app.topicSpec(topic.name)
  const from = parseFrom(exchange.query.get('from') ?? 'earliest')
  const [partition, limit] = [
    exchange.count('partition'),
    exchange.count('limit') ?? Number.POSITIVE_INFINITY,
  ]
  const base = { from, follow: exchange.flag('follow'), signal: exchange.signal }
  const iterable = app.read(topic, partition === undefined ? base : { ...base, partition })
  const records = iterable[Symbol.asyncIterator]()
  // The first record is asked for before the answer begins: what is wrong with the request still gets its status.
  let next = base.follow ? undefined : await firstOf(records, limit)
  exchange.stream('application/x-ndjson; charset=utf-8')
  try {
    let [text, count] = ['', 0]
    while (count < limit && !exchange.signal.aborted) {
      next ??= await records.next()
      if (next.done === true) break
      text += `${JSON.stringify(recordJson(next.value, spec))}\n`
      next = undefined
      count++
      // A reader that follows gets each record as it comes.
      if (text.length < WRITE_CHARACTERS && !base.follow) continue
      await exchange.write(text)
      text = ''
    }
    await exchange.write(text)
    // A listing that is cut off must not look like a whole one.
    if (exchange.signal.aborted && !base.follow) exchange.response.destroy()
    else exchange.response.end()
  } finally {
    await records.return?.()
  }
}

function firstOf<T>(records: AsyncIterator<T>, limit: number): Promise<IteratorResult<T>> | undefined {
  return limit > 0 ? records.next() : undefined
}

/** @throws MillraceError MILLRACE_UNKNOWN_TOPIC, naming the topics that there are. */
function knownTopic(app: AppFacade, name: string): TopicDescription {
  const topic = app.broker.topic(name)
  if (topic !== undefined) return topic
  const names = app.broker.topics().flatMap((one) => (one.internal ? [] : [one.name]))
  const known = names.length === 0 ? 'there are none yet' : `there is: ${names.join(', ')}`
  throw new MillraceError('MILLRACE_UNKNOWN_TOPIC', `there is no topic ${JSON.stringify(name)}; ${known}`)
}

function partitionsOf(app: AppFacade, topic: TopicDescription) {
  return Array.from({ length: topic.partitions }, (_, partition) => {
    const { start, end, leaderEpoch } = app.broker.bounds(topic.id, partition)
    return { partition, start, end, records: end - start, leaderEpoch }
  })
}

function linesOf(body: Buffer, firstLine: number): { readonly bytes: Buffer; readonly where: string }[] {
  const cutter = new LineCutter()
  return [...cutter.push(body), ...cutter.end()].flatMap((bytes, index) =>
    bytes.length === 0 ? [] : [{ bytes, where: `line ${firstLine + index}` }],
  )
}

/** What is no text must not become one with holes. */
function utf8(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  throw new MillraceError('MILLRACE_INVALID_RECORD', 'the bytes are no UTF-8')
}

function record(
  given: Buffer,
  spec: TopicSpec | undefined,
  exchange: HttpExchange,
  topic: string,
  timestamp: number,
): RecordData {
  const format = spec?.valueSerde.format ?? 'json'
  const value: unknown =
    format === 'json' ? parsed(utf8(given), 'the value') : format === 'bytes' ? given : utf8(given)
  const bytes = spec === undefined ? given : spec.valueSerde.encode(value)
  return { key: keyBytes(value, spec, exchange.query, topic), value: bytes, timestamp, headers: NO_HEADERS }
}

/** The key in the topic's own encoding; without a spec only a text, whose encoding is everywhere the same. */
function keyBytes(
  value: unknown,
  spec: TopicSpec | undefined,
  query: URLSearchParams,
  topic: string,
): Uint8Array | null {
  const field = query.get('keyField')
  const key: unknown = field === null ? query.get('key') : (value as Record<string, unknown> | null)?.[field]
  if (field !== null && key === undefined) throw invalid(`the key field ${JSON.stringify(field)} is missing`)
  if (key === null || key === undefined) {
    if (spec?.keySerde === undefined) return null
    throw invalid(`${topic} has keys: say which field holds it with ?keyField=NAME, or give it with ?key=KEY`)
  }
  if (spec !== undefined && spec.keySerde === undefined)
    throw invalid(`${topic} has no keys: leave the key out`)
  if (spec?.keySerde !== undefined) return spec.keySerde.encode(key)
  if (typeof key === 'string') return Buffer.from(key)
  throw invalid(
    `the key is ${JSON.stringify(key)}, and this app does not use ${topic}: only a text can be its key here`,
  )
}

function parsed(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw invalid(`${what} is no JSON: ${messageOf(error)}`)
  }
}

function invalid(message: string): MillraceError {
  return new MillraceError('MILLRACE_INVALID_RECORD', message)
}
