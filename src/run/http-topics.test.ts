import { afterEach, beforeEach, expect, test } from 'vitest'
import { type OpenLog, open } from './open.ts'

let log: OpenLog
beforeEach(async () => {
  log = await open('memory:', { http: 0 })
})
afterEach(() => log.close())

async function make(topic: string): Promise<{ readonly status: number; readonly said: unknown }> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${log.url}/topics`, { method: 'POST', body: topic, headers })
  const answer = (await response.json()) as { readonly error?: { readonly message: string } }
  return { status: response.status, said: answer.error?.message ?? answer }
}

test('POST /topics takes every setting', async () => {
  const asked = { name: 'kept', cleanup: 'compact', segmentBytes: 2048, retentionMs: null }
  expect(await make(JSON.stringify(asked))).toMatchObject({ status: 201, said: { name: 'kept' } })
  expect(log.admin.describeTopic('kept')?.settings).toMatchObject({
    partitions: 1,
    cleanup: 'compact',
    segmentBytes: 2048,
    durability: 'fsync',
  })
})

test.each([
  ['{"name":"x","partitions":0}', 'topic x: partitions is 0; expected an integer from 1 to 100000'],
  [
    '{"name":"x","cleanup":"burn"}',
    'topic x: cleanup is "burn"; expected delete or compact or compact,delete',
  ],
  ['{"name":"x","minCleanableDirtyRatio":"0.5"}', 'minCleanableDirtyRatio is "0.5"; expected a number'],
  ['{"name":"x","color":"red"}', 'topic x: there is no setting "color"; known are partitions, durability'],
  ['{"name":"x","internal":true}', 'topics of the system are made by the system'],
  ['{"name":"a b"}', '"a b" is no name for a topic'],
  ['{"name":5}', 'name is 5, expected a text'],
  ['["x"]', 'name is missing, expected a text'],
  ['null', 'name is missing, expected a text'],
])('POST /topics refuses %s', async (asked, message) => {
  expect(await make(asked)).toEqual({ status: 400, said: expect.stringContaining(message) })
  expect(log.topics()).toEqual([])
})
