import { open, text, topic } from 'millrace'
import type { ResultRecord } from './cases.ts'

/** Everything in a topic of a data directory that nobody holds, partition by partition, in order. */
export async function readTopic(folder: string, name: string): Promise<readonly StoredResult[]> {
  await using log = await open(`file:${folder}`)
  const results: StoredResult[] = []
  for await (const record of log.read(topic(name, { value: text() }))) {
    results.push({
      partition: record.partition,
      offset: record.offset,
      timestamp: record.timestamp,
      key: record.key === null ? null : String(record.key),
      headers: record.headers.map(({ key, value }) => [
        key,
        value === null ? null : Buffer.from(value).toString(),
      ]),
      value: JSON.parse(record.value) as ResultRecord['value'],
    })
  }
  return results
}

export interface StoredResult extends ResultRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly headers: readonly (readonly [string, string | null])[]
}
