import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32, gunzipSync } from 'node:zlib'

/** A record of a result topic, its value decoded. */
export interface ResultRecord {
  readonly value: Row
}
interface Row {
  readonly key: unknown
  readonly window: { readonly start: number; readonly end: number; readonly lastEvent?: number }
  readonly [field: string]: unknown
}

export interface Case {
  readonly topic: string
  readonly rows: (row: Row) => readonly (readonly unknown[])[]
  /** Makes the input of the case from the data set's file where the file's own order is not the arrival order. */
  readonly prepare?: (input: string, folder: string) => string
}

export interface Dataset {
  readonly pipeline: string
  readonly cases: Readonly<Record<string, Case>>
}

const accepted = (topic: string): Case => ({ topic, rows: (row) => [[row.window.start, row['count']]] })
const shuffled = (topic: string): Case => ({ ...accepted(topic), prepare: shuffle })
const ranked = (topic: string, list: string, field: string): Case => ({
  topic,
  rows: (row) =>
    (row[list] as readonly Row[]).map((item, index) => [row.window.start, index + 1, item.key, item[field]]),
})
const sessions = (topic: string, fields: readonly string[]): Case => ({
  topic,
  rows: (row) => [[row.key, row.window.start, row.window.lastEvent, ...fields.map((field) => row[field])]],
})

export const DATASETS: Readonly<Record<string, Dataset>> = {
  apache_logs: {
    pipeline: 'examples/access-log/access-log.ts',
    cases: {
      tumbling_5m_by_status: {
        topic: 'access-log.per-status',
        rows: (row) => [[row.window.start, row.key, row['count']]],
      },
      hopping_1h_15m_top3_paths: ranked('access-log.top-paths', 'paths', 'hits'),
      session_30m_by_ip: sessions('access-log.sessions', ['hits', 'bytes']),
      late_10s_tol0s: accepted('access-log.accepted-0s'),
      late_10s_tol10s: accepted('access-log.accepted-10s'),
      late_10s_tol30s: accepted('access-log.accepted-30s'),
      late_10s_tol60s: accepted('access-log.accepted-60s'),
    },
  },
  wikiticker: {
    pipeline: 'examples/wikipedia/edits.ts',
    cases: {
      tumbling_5m_by_channel: {
        topic: 'wikipedia.per-channel',
        rows: (row) => [[row.window.start, row.key, row['edits'], row['added'], row['deleted']]],
      },
      hopping_1h_10m_top5_pages: ranked('wikipedia.top-pages', 'pages', 'edits'),
      session_10m_by_user: sessions('wikipedia.sessions', ['edits', 'delta']),
      late_1m_tol0s: shuffled('wikipedia.accepted-0s'),
      late_1m_tol30s: shuffled('wikipedia.accepted-30s'),
      late_1m_tol60s: shuffled('wikipedia.accepted-60s'),
      late_1m_tol120s: shuffled('wikipedia.accepted-120s'),
    },
  },
}

/** Arrival order of the lateness cases: by time + crc32(line index) mod 120,000, then by line. */
function shuffle(input: string, folder: string): string {
  const bytes = readFileSync(input)
  const text = (input.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
  const lines = text.split('\n').filter((line) => line !== '')
  const arrivals = lines.map((line, index) => {
    const { time } = JSON.parse(line) as { time: string }
    return { line, index, at: Date.parse(time) + (crc32(String(index)) % 120_000) }
  })
  arrivals.sort((left, right) => left.at - right.at || left.index - right.index)
  const path = join(folder, 'shuffled.jsonl')
  writeFileSync(path, arrivals.map(({ line }) => `${line}\n`).join(''))
  return path
}
