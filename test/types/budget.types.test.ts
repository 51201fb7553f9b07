import { describe, expect, test } from 'vitest'
import { compile } from './compiler.ts'

/** Instantiations that a step of a pipeline may cost: a pipeline of thousands must stay quick in an editor. */
const PER_STEP_MAX = 200

const HEAD = `
import { app, average, count, max, stream, sum, text, topic, tumbling, view } from 'millrace'
import { z } from 'zod'
const Trade = z.object({ id: z.string(), currency: z.string(), amount: z.number(), at: z.number() })
const trades = topic('trades', { value: Trade })
const users = stream(topic('users', { key: text(), value: z.object({ country: z.string() }) })).toTable('users')
const step0 = stream(trades)
`

/** Seven steps of every kind: the next seven begin with what they end with. */
function round(index: number): string {
  const at = index * 7
  const aggregates =
    'trades: count(), total: sum((one) => one.amount), most: max((one) => one.amount), mean: average((one) => one.amount)'
  return `
const step${at + 1} = step${at}.filter((one) => one.amount > ${index})
const step${at + 2} = step${at + 1}.map((one) => ({ ...one, amount: one.amount + ${index} }))
const step${at + 3} = step${at + 2}.keyBy((one) => one.currency)
const step${at + 4} = step${at + 3}.join(users, (one, user) => ({ ...one, country: user.country }))
const step${at + 5} = step${at + 4}.flatMap((one) => [one, { ...one, amount: 0 }])
const step${at + 6} = step${at + 5}.window('w${index}', tumbling('1m')).aggregate({ ${aggregates} }).final()
const step${at + 7} = step${at + 6}.map((row) => ({ id: row.key, currency: row.key, amount: row.total, at: row.window.end }))
`
}

function instantiations(rounds: number): number {
  const body = Array.from({ length: rounds }, (_, index) => round(index)).join('')
  const last = rounds * 7
  const tail = `export default app('budget', { last: view(step${last}.keyBy((one) => one.id)), users: view(users) })\n`
  const { diagnostics, statistics } = compile({ 'program.ts': `${HEAD}${body}${tail}` })
  expect(diagnostics).toEqual([])
  const count = statistics.get('Instantiations')
  if (count === undefined) throw new Error('the compiler prints no instantiations any more')
  return count
}

describe('the price of the types', () => {
  test(`a step costs at most ${PER_STEP_MAX} instantiations, and long pipelines cost no more a step`, () => {
    const none = instantiations(0)
    const short = (instantiations(4) - none) / 28
    const long = (instantiations(16) - none) / 112
    expect(short).toBeLessThanOrEqual(PER_STEP_MAX)
    expect(long).toBeLessThanOrEqual(short * 1.1)
  })
})
