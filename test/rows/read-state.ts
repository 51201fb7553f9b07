import { open, run } from 'millrace'
import accessLog from '../../examples/access-log/access-log.ts'
import { readTopic, type StoredResult } from './read-topic.ts'

/** Everything that a run of the access log's pipeline leaves: the records of its topics, the rows of its views. */
export interface RunState {
  readonly topics: Readonly<Record<string, readonly StoredResult[]>>
  readonly views: Readonly<Record<string, readonly unknown[]>>
}

export async function readState(folder: string, input: string): Promise<RunState> {
  const topics: Record<string, readonly StoredResult[]> = {}
  for (const name of await topicNames(folder)) topics[name] = await readTopic(folder, name)
  // Views live in a running app: its input is at its end, so it only restores and shows them.
  await using running = await run(accessLog({ input }), { at: `file:${folder}` })
  const views: Record<string, readonly unknown[]> = {
    statuses: await running.views.statuses.list(),
    trending: await running.views.trending.list(),
    visitors: await running.views.visitors.list(),
  }
  return { topics, views }
}

async function topicNames(folder: string): Promise<readonly string[]> {
  await using log = await open(`file:${folder}`)
  return log.topics()
}
