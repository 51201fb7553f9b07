import { afterEach, beforeEach, expect, test } from 'vitest'
import { HttpTestApp } from './http-test-app.ts'

let app: HttpTestApp
let url: string

beforeEach(async () => {
  app = new HttpTestApp()
  const listing = { state: 'Stable', protocolType: 'consumer', members: 1 } as const
  const described = {
    group: 'a/b',
    positions: [
      { topic: 'orders', lag: 3 },
      { topic: 'orders', lag: 4 },
    ],
  }
  app.groups = {
    list: () => [
      { group: 'a/b', ...listing },
      { group: 'other', ...listing },
    ],
    describe: (group) => (group === 'a/b' ? described : undefined),
  }
  url = await app.start()
})
afterEach(() => app.stop())

test('groups are listed with the sum of their lags', async () => {
  const groups = await (await fetch(`${url}/groups`)).json()
  expect(groups).toEqual([
    { group: 'a/b', state: 'Stable', protocolType: 'consumer', members: 1, partitions: 2, lag: 7 },
    { group: 'other', state: 'Stable', protocolType: 'consumer', members: 1, partitions: 0, lag: 0 },
  ])
})

test('one is described by its name, encoded', async () => {
  const group = await (await fetch(`${url}/groups/a%2Fb`)).json()
  expect(group).toMatchObject({ group: 'a/b', positions: [{ lag: 3 }, { lag: 4 }] })
})

test('one that is not there is 404, and the answer says which there are', async () => {
  const answer = await fetch(`${url}/groups/nobody`)
  expect(answer.status).toBe(404)
  expect(await answer.json()).toMatchObject({
    error: { code: 'MILLRACE_UNKNOWN_GROUP', message: expect.stringContaining('a/b, other') },
  })
})

test('the index names them', async () => {
  const { endpoints } = (await (await fetch(`${url}/`)).json()) as { endpoints: string[] }
  expect(endpoints).toEqual(expect.arrayContaining(['GET /groups', 'GET /groups/NAME', 'POST /broker/calls']))
})
