import type { Key } from '../../record/key-codec.ts'
import type { MaterializedView, RowRange } from '../../views/materialized-view.ts'
import type { AppFacade } from './app-facade.ts'
import { streamChanges } from './change-stream.ts'
import { decodeSegment, type HttpExchange } from './http-exchange.ts'
import { HttpProblem } from './http-problem.ts'
import { keyLike, keysOfPath } from './key-texts.ts'

const LIST_LIMIT = 1_000
const LIST_LIMIT_MAX = 100_000
const JSON_TYPE = 'application/json; charset=utf-8'

/** `/views` */
export function listViews(app: AppFacade, exchange: HttpExchange): void {
  exchange.json(app.views.names.map((name) => ({ name, rows: app.views.view(name).size })))
}

/** `/views/NAME`, `/views/NAME/KEY...`, `/views/NAME/changes` */
export async function answerView(app: AppFacade, exchange: HttpExchange): Promise<void> {
  const view = app.views.view(exchange.segment(1))
  const keySegments = exchange.segments.slice(2)
  if (keySegments.length === 1 && keySegments[0] === 'changes') {
    await streamChanges(app.sys, view, exchange)
    return
  }
  mustBeRestored(app)
  if (keySegments.length === 0 || (keySegments.length === 1 && keySegments[0] === ''))
    listRows(view, exchange)
  else oneRow(view, exchange, keySegments.map(decodeSegment))
}

/** While an engine restores, a view shows old rows; after it, whole commits only. */
function mustBeRestored(app: AppFacade): void {
  const { state, restore } = app.engine.status()
  if (state !== 'starting' && state !== 'restoring') return
  const progress = restore === undefined ? '' : ` (${restore.done} of ${restore.total} done)`
  const problem = `the app is ${state}${progress}: its views are complete when it runs`
  throw new HttpProblem(503, 'MILLRACE_RESTORING', problem, { 'retry-after': '1' })
}

function oneRow(view: MaterializedView, exchange: HttpExchange, segments: readonly string[]): void {
  const keys = keysOfPath(segments)
  for (const key of keys) {
    const json = view.json(key)
    if (json === undefined) continue
    exchange.send(200, JSON_TYPE, `${json}\n`)
    return
  }
  const tried = keys.map((key) => JSON.stringify(key)).join(' or ')
  throw new HttpProblem(404, 'MILLRACE_NO_ROW', `the view ${view.name} has no row with the key ${tried}`)
}

/** The rows of a range as a JSON array; what follows them is in the header `link`, and so is the whole next request. */
function listRows(view: MaterializedView, exchange: HttpExchange): void {
  const { limit, range, reverse } = wantedRange(view, exchange)
  const rows = view.rows({ ...range, limit: limit + 1 })
  const shown = rows.slice(0, limit)
  const withKeys = exchange.flag('keys')
  const texts = shown.map(({ key, json }) =>
    withKeys ? `{"key":${JSON.stringify(key)},"row":${json}}` : `${json}`,
  )
  const body = texts.length === 0 ? '[]\n' : `[\n${texts.join(',\n')}\n]\n`
  // Forward the next page begins with the first row that is not shown; backward it ends before the last that is.
  const cursor = rows.length <= limit ? undefined : reverse ? shown[shown.length - 1]?.key : rows[limit]?.key
  const headers =
    cursor === undefined ? {} : { link: `<${nextPage(view, exchange, cursor, reverse)}>; rel="next"` }
  exchange.send(200, JSON_TYPE, body, headers)
}

function wantedRange(view: MaterializedView, exchange: HttpExchange) {
  const limit = exchange.count('limit') ?? LIST_LIMIT
  if (limit < 1 || limit > LIST_LIMIT_MAX) {
    const problem = `the parameter limit is ${limit}: expected 1 to ${LIST_LIMIT_MAX}; the header link leads to the rest`
    throw new HttpProblem(400, 'MILLRACE_INVALID_ARGUMENT', problem)
  }
  const reverse = exchange.flag('reverse')
  const range: RowRange = { reverse, ...given('prefix'), ...given('from'), ...given('to') }
  return { limit, range, reverse }

  function given(name: 'prefix' | 'from' | 'to'): { readonly [N in typeof name]?: Key } {
    const text = exchange.query.get(name)
    return text === null ? {} : { [name]: keyLike(text, view.rows({ limit: 1 })[0]?.key) }
  }
}

function nextPage(view: MaterializedView, exchange: HttpExchange, cursor: Key, reverse: boolean): string {
  const query = new URLSearchParams(exchange.query)
  query.set(reverse ? 'to' : 'from', JSON.stringify(cursor))
  return `/views/${encodeURIComponent(view.name)}?${query.toString()}`
}
