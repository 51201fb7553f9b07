import { afterEach, beforeEach, expect, test } from 'vitest'
import { HttpTestApp } from './http-test-app.ts'
import { keyLike, keysOfPath } from './key-texts.ts'

let app: HttpTestApp
let url: string

beforeEach(async () => {
  app = new HttpTestApp()
  app.openViews()
  url = await app.start()
})

afterEach(() => app.stop())

const json = async (path: string): Promise<unknown> => (await fetch(url + path)).json()

test('the list of views has their sizes', async () => {
  app.commit('totals', [
    ['a', 1],
    ['b', 2],
  ])
  expect(await json('/views')).toEqual([
    { name: 'totals', rows: 2 },
    { name: 'minutes', rows: 0 },
  ])
})

test('all rows, with or without their keys', async () => {
  expect(await json('/views/totals')).toEqual([])
  app.commit('totals', [
    ['b', { n: 2 }],
    ['a', { n: 1 }],
  ])
  expect(await json('/views/totals')).toEqual([{ n: 1 }, { n: 2 }])
  expect(await json('/views/totals/')).toEqual([{ n: 1 }, { n: 2 }])
  expect(await json('/views/totals?keys=true')).toEqual([
    { key: 'a', row: { n: 1 } },
    { key: 'b', row: { n: 2 } },
  ])
})

test('pages lead to the next one until there is none, both ways', async () => {
  app.commit(
    'totals',
    Array.from({ length: 25 }, (_, index) => [index, { index }] as const),
  )
  for (const reverse of [false, true]) {
    const seen: number[] = []
    let path: string | undefined = `/views/totals?limit=10&from=1&reverse=${reverse}`
    let requests = 0
    while (path !== undefined) {
      const answer: Response = await fetch(url + path)
      seen.push(...((await answer.json()) as { index: number }[]).map(({ index }) => index))
      path = /^<(.*)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1]
      requests++
    }
    const expected = Array.from({ length: 24 }, (_, index) => index + 1)
    expect(seen).toEqual(reverse ? expected.toReversed() : expected)
    expect(requests).toBe(3)
  }
})

test('ranges read their ends as keys of the view', async () => {
  app.commit('minutes', [
    [['ann', 60_000], 1],
    [['ann', 0], 0],
    [['bob', 0], 2],
  ])
  expect(await json('/views/minutes?prefix=ann')).toEqual([0, 1])
  expect(await json('/views/minutes?from=bob')).toEqual([2])
  expect(await json(`/views/minutes?from=${encodeURIComponent('["ann",1]')}`)).toEqual([1, 2])
  app.commit('totals', [
    [5, 'five'],
    [10, 'ten'],
  ])
  expect(await json('/views/totals?from=10')).toEqual(['ten'])
  const wrong = await fetch(`${url}/views/totals?from=ten`)
  expect(wrong.status).toBe(400)
  expect(await wrong.json()).toMatchObject({
    error: { message: '"ten" is no number, as the keys of this view are' },
  })
})

test('one row by its key: texts, numbers, tuples, slashes, JSON', async () => {
  app.commit('totals', [
    ['/home', 'home'],
    ['a b', 'blank'],
    ['ü', 'umlaut'],
    [200, 'number'],
    ['300', 'text'],
    ['changes', 'odd'],
  ])
  expect(await json('/views/totals/%2Fhome')).toBe('home')
  expect(await json('/views/totals//home')).toBe('home')
  expect(await json('/views/totals/a%20b')).toBe('blank')
  expect(await json('/views/totals/%C3%BC')).toBe('umlaut')
  expect(await json('/views/totals/200')).toBe('number')
  expect(await json('/views/totals/300')).toBe('text')
  expect(await json('/views/totals/%22changes%22')).toBe('odd')
  app.commit('minutes', [
    [['ann', 0], 'a'],
    [['5', true], 'b'],
  ])
  expect(await json('/views/minutes/ann/0')).toBe('a')
  expect(await json('/views/minutes/5/true')).toBe('b')
  expect(await json(`/views/minutes/${encodeURIComponent('["ann",0]')}`)).toBe('a')
})

test('what is not there is 404: a row, a view, with the names of those that are', async () => {
  const row = await fetch(`${url}/views/totals/7`)
  expect(row.status).toBe(404)
  expect(await row.json()).toMatchObject({ error: { message: expect.stringContaining('"7" or 7') } })
  const view = await fetch(`${url}/views/total`)
  expect(view.status).toBe(404)
  expect(await view.json()).toEqual({
    error: { code: 'MILLRACE_UNKNOWN_VIEW', message: 'there is no view "total"; there is: totals, minutes' },
  })
  expect((await fetch(`${url}/views/total/changes`)).status).toBe(404)
})

test('wrong parameters are 400', async () => {
  for (const query of ['limit=0', 'limit=-1', 'limit=ten', 'limit=1000000', 'reverse=maybe']) {
    expect([query, (await fetch(`${url}/views/totals?${query}`)).status]).toEqual([query, 400])
  }
  expect((await fetch(`${url}/views/totals/%E0`)).status).toBe(400)
})

test('while the app restores its views are not complete: 503 with the progress', async () => {
  app.state = 'restoring'
  const answer = await fetch(`${url}/views/totals`)
  expect(answer.status).toBe(503)
  expect(answer.headers.get('retry-after')).toBe('1')
  expect(await answer.json()).toMatchObject({ error: { message: expect.stringContaining('1 of 2 done') } })
})

test('keys as texts', () => {
  expect(keysOfPath(['5'])).toEqual(['5', 5])
  expect(keysOfPath(['"5"'])).toEqual(['5', '"5"'])
  expect(keysOfPath(['a', '5'])).toEqual([['a', '5'], ['a', 5], 'a/5'])
  expect(keysOfPath(Array.from({ length: 9 }, () => '1'))).toHaveLength(2)
  expect(keysOfPath(['[1,{}]'])).toEqual(['[1,{}]'])
  expect(keyLike('007', 'a')).toBe('007')
  expect(keyLike('7', 1)).toBe(7)
  expect(keyLike('7', [1])).toEqual([7])
  expect(keyLike('true', [true])).toEqual([true])
  expect(keyLike('7', undefined)).toBe('7')
})
