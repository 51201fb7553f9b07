import { expect, test } from 'vitest'
import type { SinkWriter } from '../../flow/graph/connector.ts'
import { json } from '../../record/serdes.ts'
import { PowerLoss } from '../../sim/power-loss.ts'
import { restartSys, type SimSys, simSys } from '../../sim/sim-sys.ts'
import { jsonlSink } from './jsonl-sink.ts'

/** Rows of each commit, by partition; sizes vary so that pages are torn. */
const COMMITS = Array.from({ length: 6 }, (_, commit) =>
  [0, 1].map((partition) =>
    Array.from({ length: (commit * 3 + partition) % 4 }, (_, row) => ({
      partition,
      id: `${commit}.${row}`,
      filler: 'x'.repeat(((commit + row) % 3) * 3_000),
    })),
  ),
)

/** What a commit of the log would hold. */
interface Committed {
  next: number
  readonly marks: (string | undefined)[]
}

/** Runs from what was committed to the end, or to the power cut. */
function run(sys: SimSys, committed: Committed): void {
  const context = { sys, baseFolder: '/out', wake: () => undefined }
  const sink = jsonlSink('rows.jsonl', json())
  // The partitions are opened in any order.
  const order = committed.next % 2 === 0 ? [0, 1] : [1, 0]
  const writers = new Map<number, SinkWriter>()
  for (const partition of order)
    writers.set(partition, sink.open(context, partition, committed.marks[partition]))
  for (; committed.next < COMMITS.length; committed.next++) {
    const marks: (string | undefined)[] = []
    for (const [partition, writer] of writers) {
      for (const row of COMMITS[committed.next]?.[partition] ?? []) writer.write(null, row, 0)
      writer.prepare((error, mark) => {
        if (error !== undefined) throw error
        marks[partition] = mark
      })
    }
    // The commit itself, which is one step: it may be lost, or it is there.
    sys.disk.check()
    for (const partition of order) committed.marks[partition] = marks[partition]
  }
  for (const writer of writers.values()) writer.close()
}

function rowsOf(sys: SimSys): { partition: number; id: string }[] {
  const bytes = new Uint8Array(sys.disk.size('/out/rows.jsonl') ?? 0)
  sys.disk.open('/out/rows.jsonl', 'read').read(bytes, 0)
  const lines = Buffer.from(bytes).toString('utf8').split('\n')
  expect(lines.pop()).toBe('')
  return lines.map((line) => JSON.parse(line))
}

function begun(seed: number): SimSys {
  const sys = simSys(seed)
  sys.disk.makeFolder('/out')
  sys.disk.syncFolder('/')
  return sys
}

const expected = (partition: number) =>
  COMMITS.flatMap((commit) => (commit[partition] ?? []).map(({ id }) => id))

test('the power fails at every disk operation, and again in the next run: every row is there once', () => {
  const whole = begun(1)
  const before = whole.disk.operations
  run(whole, { next: 0, marks: [] })
  const operations = whole.disk.operations - before
  expect(operations).toBeGreaterThan(12)
  for (let first = 1; first <= operations; first++) {
    for (const second of [1, 2, 3, 5, 8]) {
      const committed: Committed = { next: 0, marks: [] }
      let sys = begun(first)
      for (const crash of [first, second, undefined]) {
        if (crash !== undefined) sys.disk.crashAt(sys.disk.operations + crash)
        try {
          run(sys, committed)
          break
        } catch (error) {
          if (!(error instanceof PowerLoss)) throw error
          sys = restartSys(sys, first * 100 + second)
        }
      }
      const rows = rowsOf(sys)
      for (const partition of [0, 1]) {
        const ids = rows.filter((row) => row.partition === partition).map(({ id }) => id)
        expect(ids, `crash at ${first}, then ${second}`).toEqual(expected(partition))
      }
    }
  }
})

test('a full disk is an error of the commit, and what was committed stays', () => {
  const committed: Committed = { next: 0, marks: [] }
  const sys = begun(7)
  sys.disk.diskFull(9_000)
  expect(() => run(sys, committed)).toThrow(expect.objectContaining({ code: 'MILLRACE_DISK' }))
  expect(committed.next).toBeGreaterThan(0)
  sys.disk.diskFull(Number.POSITIVE_INFINITY)
  const again = restartSys(sys, 8)
  run(again, committed)
  expect(
    rowsOf(again)
      .filter(({ partition }) => partition === 1)
      .map(({ id }) => id),
  ).toEqual(expected(1))
})
