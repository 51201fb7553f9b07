/** What the refused programs below share. */
export const PREFACE = `
import * as millrace from 'millrace'
import { app, average, bytes, collect, connector, count, countDistinct, custom, deadLetter, duration, hopping, json, max, min,
  ms, session, skip, sourceOf, stop, stream, sum, text, top, topic, tumbling, view, withOptions } from 'millrace'
import type { Destination, ReadableView, Source, ViewsOf } from 'millrace'
import type { OpenLog } from 'millrace/open'
import { z } from 'zod'

const Click = z.object({ user: z.string(), page: z.string(), at: z.number() })
const Currency = z.enum(['EUR', 'USD'])
const clickTopic = topic('clicks', { value: Click })
const counts = topic('counts', { key: text(), value: z.object({ key: z.string(), count: z.number() }) })
const byNumber = topic('by-number', { key: z.number(), value: z.object({ rate: z.number() }) })
const rateTopic = topic('rates', { key: Currency, value: z.object({ rate: z.number() }) })
const sizeTopic = topic('sizes', { value: z.object({ size: z.enum(['large', 'small']) }) })
const clicks = stream(clickTopic)
const byUser = clicks.keyBy((click) => click.user)
const totals = byUser.aggregate('totals', { views: count() })
const rates = stream(rateTopic).toTable('rates')
const numbers = stream(byNumber).toTable('numbers')
const perMinute = byUser.window('per-minute', tumbling('1m')).aggregate({ views: count() })
const grouped = perMinute.groupBy('top', () => 'all').aggregate({ best: top(3, (row) => row.views) })
declare const opened: OpenLog
declare const rows: ViewsOf<ReturnType<typeof program>>
const program = () => app('program', { totals: view(totals), minutes: view(perMinute.updates()), out: clicks.to(clickTopic) })
declare const file: Source<null, string> & Destination<unknown, { key: string }>
`

/** Programs that must not compile, each one statement in one line. */
export const REFUSED: readonly string[] = [
  // durations and windows
  `byUser.window('w', tumbling('5min'))`,
  `byUser.window('w', tumbling('5'))`,
  `byUser.window('w', hopping({ size: '1h' }))`,
  `byUser.window('w', hopping('1h', '5m'))`,
  `byUser.window('w', session({ gap: '30m' }))`,
  `byUser.window('w', '5m')`,
  `byUser.window(tumbling('5m'))`,
  `byUser.window('w', tumbling('1m'), { allowedLateness: 'soon' })`,
  `byUser.window('w', tumbling('1m'), { lateness: '1m' })`,
  `stream(clickTopic, { outOfOrderness: '10sec' })`,
  `view(totals, { retention: 'forever' })`,
  // what needs a key
  `clicks.window('w', tumbling('1m'))`,
  `clicks.count('clicks')`,
  `clicks.aggregate('clicks', { n: count() })`,
  `clicks.reduce('last', (_, right) => right)`,
  `clicks.toTable('clicks')`,
  `clicks.join(totals, (click) => click)`,
  `view(clicks)`,
  `clicks.map((click) => click.page).to(topic('pages', { key: text(), value: text() }))`,
  `clicks.merge(byUser)`,
  // wrong fields
  `clicks.map((click) => click.pag)`,
  `clicks.filter((click) => click.user.lenght > 3)`,
  `clicks.keyBy((click) => click.usr)`,
  `byUser.aggregate('a', { n: sum((click) => click.bytes) })`,
  `byUser.aggregate('a', { n: sum((click) => click.user) })`,
  `byUser.aggregate('a', { n: average((click) => click.page) })`,
  `byUser.aggregate('a', { n: countDistinct((click) => click) })`,
  `byUser.aggregate('a', { n: top(3, (click) => click.usr) })`,
  `byUser.aggregate('a', { n: top('3', (click) => click.at) })`,
  `byUser.aggregate('a', { n: min((click) => [click.at]) })`,
  `byUser.aggregate('a', { n: count })`,
  `byUser.aggregate({ n: count() })`,
  `perMinute.groupBy('top', (row) => row.clicks)`,
  `perMinute.final().map((row) => row.count)`,
  `grouped.final().map((row) => row.best.map((one) => one.page))`,
  `stream(clickTopic, { eventTime: (click) => click.time })`,
  `stream(clickTopic, { eventTime: (click) => click })`,
  `byUser.join(totals, (click, row) => row.visitors)`,
  `byUser.leftJoin(totals, (click, row) => row.views)`,
  // promises
  `clicks.map(async (click) => click.page)`,
  `clicks.flatMap(async (click) => [click.page])`,
  `clicks.flatMap((click) => [Promise.resolve(click)])`,
  `clicks.filter(async (click) => click.page === '/')`,
  `clicks.tap(async (click) => console.log(click))`,
  `clicks.keyBy(async (click) => click.user)`,
  `byUser.reduce('last', async (_, right) => right)`,
  `byUser.join(totals, async (click, row) => row)`,
  `stream(clickTopic, { eventTime: async (click) => click.at })`,
  // what comes after what
  `perMinute.final().final()`,
  `perMinute.count()`,
  `grouped.late()`,
  `perMinute.updates().late()`,
  `totals.window('w', tumbling('1m'))`,
  `totals.map((row) => row.views)`,
  `totals.get('ann')`,
  `clicks.get('ann')`,
  `view(perMinute)`,
  `view(byUser.window('w', tumbling('1m')))`,
  `view(totals.groupBy('g', (row) => row.views))`,
  `totals.groupBy('g', (row) => row.views).reduce((left) => left)`,
  `clicks.flatMap((click) => click.page)`,
  `clicks.flatMap((click) => click.at)`,
  `clicks.branch({ odd: (click) => click.at })`,
  `clicks.branch({ odd: (click) => click.at > 1 }).even`,
  `clicks.onError('skip')`,
  `clicks.onError(skip())`,
  // keys
  `clicks.keyBy((click) => click)`,
  `clicks.keyBy((click) => click.user === 'ann' ? null : click.user)`,
  `byUser.join(numbers, (click, row) => row.rate)`,
  `byUser.leftJoin(numbers, (click, row) => row?.rate)`,
  `byUser.merge(clicks.keyBy((click) => click.at))`,
  `byUser.join(byUser, (left, right) => left)`,
  `byUser.join(perMinute, (left, right) => left)`,
  // destinations
  `byUser.count('c').to(topic('n', { key: text(), value: z.object({ key: z.string(), n: z.number() }) }))`,
  `clicks.keyBy((click) => click.at).map(({ user }) => ({ key: user, count: 1 })).to(counts)`,
  `totals.to(clickTopic)`,
  `totals.to(file)`,
  `byUser.count('c').to(clickTopic)`,
  `clicks.map((click) => ({ size: click.user })).to(sizeTopic)`,
  `clicks.to(file)`,
  `clicks.to('clicks')`,
  // apps, topics and options
  `app('x', { totals })`,
  `app('x', { clicks })`,
  `app('x', { perMinute })`,
  `app('x', [view(totals)])`,
  `app({ totals: view(totals) })`,
  `stream(totals)`,
  `stream('clicks')`,
  `topic('x', {})`,
  `topic('x', { value: String })`,
  `topic('x', { value: text(), partition: 4 })`,
  `topic('x', { value: text(), durability: 'disk' })`,
  `withOptions({ limit: 10 }, () => program())`,
  `withOptions({ limit: z.number() }, ({ limits }) => program())`,
  `withOptions({ limit: z.number() }, () => totals)`,
  `withOptions({ limit: z.number() }, () => program())()`,
  `withOptions({ limit: z.number().default(1) }, () => program())({ limit: '5' })`,
  `withOptions({ limit: z.number().default(1) }, () => program())({ limits: 5 })`,
  `withOptions({ size: duration('1h') }, ({ size }) => { size.length; return program() })`,
  `duration('1 hour')`,
  // views
  `rows.out`,
  `rows.total`,
  `rows.totals.get(5)`,
  `rows.totals.get('ann').views`,
  `rows.totals.find('ann')`,
  `rows.minutes.get('ann')`,
  `rows.minutes.list({ prefix: [1] })`,
  `rows.minutes.list({ prefix: 'ann' })`,
  `rows.totals.caughtUp('here')`,
  `for await (const change of rows.totals.changes()) change.before.views`,
  // the log alone
  `void opened.send(counts, { key: 'a', count: 1 })`,
  `void opened.send(counts, { key: 'a', count: 1 }, { key: 5 })`,
  `void opened.send(clickTopic, { user: 'ann' })`,
  `void opened.transaction((transaction) => transaction.send(counts, { key: 'a', count: 1 }))`,
  `opened.consumer({ group: 'g', topics: [clickTopic], from: 'newest' })`,
  `opened.consumer({ group: 'g', topics: [clickTopic], ifNone: 'committed' })`,
  `opened.consumer({ topics: [clickTopic] })`,
  `void opened.consumer({ group: 'g', topics: [clickTopic] }).run(async (record) => { await record.commit() })`,
  `void opened.consumer({ group: 'g', topics: [clickTopic, rateTopic] }).run((record) => { record.value.rate })`,
  `void opened.consumer({ group: 'g', topics: [clickTopic, rateTopic] }).run((record) => { if (rateTopic.is(record)) record.value.user })`,
  `void opened.consumer({ group: 'g', topics: [clickTopic] }).run(() => undefined, { concurrency: { by: 'record', limit: 5 } })`,
  `opened.producer({ compression: 'brotli' })`,
  `void opened.groups.reset('g', { to: 'newest' })`,
  // what is not built is not there
  `perMinute.onTime()`,
  `perMinute.early('10s')`,
  `byUser.process('p', {})`,
  `clicks.mapAsync('m', async (click) => click)`,
  `byUser.joinWithin('j', byUser, { after: '1m' }, (left) => left)`,
  `byUser.pattern('p', (pattern) => pattern)`,
  `totals.changes()`,
  `millrace.trigger`,
  `millrace.table`,
]
