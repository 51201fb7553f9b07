import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunState, readState } from './rows/read-state.ts'
import type { StoredResult } from './rows/read-topic.ts'
import { runPipeline } from './rows/run-pipeline.ts'
import { sharedPath } from './shared-path.ts'

/**
 * The access log's pipeline in a child process that is killed with SIGKILL at random moments, again and again, until
 * its input is done: what it leaves must be what an undisturbed run leaves. Repeat a failure with the seed it prints:
 *
 *   MILLRACE_KILL_SEED=123 npx vitest run test/exactly-once.test.ts
 */
const seed = Number(process.env['MILLRACE_KILL_SEED'] ?? Date.now() % 1_000_000)
const KILLS_MIN = 25

describe(`killed at least ${KILLS_MIN} times, seed ${seed}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-kill-'))
  let undisturbed: RunState
  let disturbed: RunState
  let kills = 0
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  beforeAll(async () => {
    const pipeline = 'examples/access-log/access-log.ts'
    const input = sharedPath('data/apache_logs/access.log')
    await runPipeline({ pipeline, input, folder: join(folder, 'undisturbed') })
    const kill = { seed, timesMin: KILLS_MIN }
    kills = (await runPipeline({ pipeline, input, folder: join(folder, 'disturbed'), kill })).kills
    undisturbed = await readState(join(folder, 'undisturbed'), input)
    disturbed = await readState(join(folder, 'disturbed'), input)
  }, 600_000)

  test('it was killed often enough, and while there was work', () => {
    expect(kills).toBeGreaterThanOrEqual(KILLS_MIN)
    expect(Object.keys(undisturbed.topics).length).toBeGreaterThanOrEqual(12)
  })

  test('every output has the same records in the same order', () => {
    for (const [topic, records] of Object.entries(undisturbed.topics)) {
      expect(comparable(topic, disturbed.topics[topic] ?? []), `${topic}, seed ${seed}`).toEqual(
        comparable(topic, records),
      )
    }
  })

  test('every view has the same rows', () => {
    expect(Object.keys(undisturbed.views).sort()).toEqual(['statuses', 'trending', 'visitors'])
    for (const [view, rows] of Object.entries(undisturbed.views)) {
      expect(rows.length, view).toBeGreaterThan(0)
      expect(disturbed.views[view], `${view}, seed ${seed}`).toEqual(rows)
    }
  })
})

/** A line of a file has no time of its own but that of its reading, which differs between any two runs. */
function comparable(topic: string, records: readonly StoredResult[]): readonly object[] {
  if (topic !== 'access-log.requests') return records
  return records.map(({ timestamp: _, ...record }) => record)
}
