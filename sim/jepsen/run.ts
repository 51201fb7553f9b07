import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { SeededRandom } from '../../src/sim/seeded-random.ts'
import { faultsOf, type Operation, OperationHistory } from './history.ts'
import type { Command, Report, Stored, Work, Write } from './message.ts'

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url))
const TICK_MS = 10
const OUTSTANDING_MAX = 40
const DRAIN_MS_MAX = 120_000

export interface JepsenReport {
  readonly kills: number
  readonly operations: number
  readonly acknowledged: number
  readonly unknown: number
  readonly failed: number
  readonly records: number
  readonly reads: number
  readonly faults: readonly string[]
  /** What went wrong meanwhile without being asked for. */
  readonly troubles: readonly string[]
}

/** A log in `folder`, worked on for so long and killed every few seconds; then the history is looked at. */
export async function runJepsen(
  folder: string,
  { seconds, killMs = 4000, seed = 1 }: { seconds: number; killMs?: number; seed?: number },
): Promise<JepsenReport> {
  const run = new JepsenRun(folder, seed)
  const end = performance.now() + seconds * 1000
  let kills = 0
  await run.start()
  while (performance.now() < end) {
    const life = Math.min(end - performance.now(), killMs * (0.3 + 1.4 * run.random.next()))
    await run.workFor(life)
    await run.kill()
    kills += 1
    await run.start()
  }
  const stored = await run.drain()
  await run.kill()
  const { history, troubles } = run
  return {
    kills,
    operations: history.operations.length,
    acknowledged: history.count('done'),
    unknown: history.count('unknown'),
    failed: history.count('failed'),
    records: stored.length,
    reads: history.read.size,
    faults: faultsOf(history, stored),
    troubles,
  }
}

class JepsenRun {
  readonly random: SeededRandom
  readonly history = new OperationHistory()
  readonly troubles: string[] = []
  readonly #folder: string
  #child: ChildProcess | undefined
  #nextId = 1
  readonly #waiting = new Map<number, { operation: Operation | undefined; done: (count: number) => void }>()
  #parts: Stored[] = []

  constructor(folder: string, seed: number) {
    this.#folder = folder
    this.random = new SeededRandom(seed)
  }

  start(): Promise<void> {
    const child = fork(CHILD, [this.#folder], {
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      serialization: 'advanced',
    })
    this.#child = child
    let errors = ''
    child.stderr?.on('data', (bytes: Buffer) => {
      errors += bytes.toString()
    })
    return new Promise((resolve, reject) => {
      child.on('message', (report: Report) => {
        if (report.kind === 'ready') resolve()
        else this.#told(report)
      })
      child.on('exit', (code, signal) => {
        if (signal === 'SIGKILL') return
        reject(new Error(`the process ended with ${code}: ${errors}`))
        this.troubles.push(`the process ended with ${code}: ${errors.slice(0, 500)}`)
      })
    })
  }

  /** SIGKILL; what it had told before is read to the end. */
  async kill(): Promise<void> {
    const child = this.#child as ChildProcess
    const closed = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    await closed
    this.history.killed()
    for (const { done } of this.#waiting.values()) done(Number.NaN)
    this.#waiting.clear()
  }

  async workFor(ms: number): Promise<void> {
    const end = performance.now() + ms
    while (performance.now() < end) {
      for (let count = this.random.below(12); count > 0 && this.#waiting.size < OUTSTANDING_MAX; count -= 1) {
        void this.#ask(this.#drawWork())
      }
      await new Promise((resolve) => setTimeout(resolve, TICK_MS))
    }
  }

  /** Until the copiers have done everything; then all that is in the log. */
  async drain(): Promise<readonly Stored[]> {
    const end = performance.now() + DRAIN_MS_MAX
    while ((await this.#ask({ kind: 'lag' })) !== 0 && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 200))
    // The readers are told at once and commit every 50 ms.
    await new Promise((resolve) => setTimeout(resolve, 2000))
    this.#parts = []
    await this.#ask({ kind: 'dump' })
    return this.#parts
  }

  #drawWork(): Work {
    const { random } = this
    const dice = random.below(100)
    if (dice < 70) return { kind: 'send', write: this.#drawWrite('in', 0) }
    const writes = Array.from({ length: 2 + random.below(6) }, (_, index) =>
      this.#drawWrite((['left', 'right', 'in'] as const)[random.below(3)] ?? 'in', index),
    )
    if (dice < 85) return { kind: 'markers', writes, end: random.chance(0.7) ? 'commit' : 'abort' }
    return { kind: 'whole', writes }
  }

  #drawWrite(topic: Write['topic'], index: number): Write {
    return { topic, value: `${this.#nextId}.${index}`.padEnd(8 + this.random.below(80), '.') }
  }

  #ask(work: Work): Promise<number> {
    const command: Command = { ...work, id: this.#nextId }
    this.#nextId += 1
    const recorded = work.kind !== 'dump' && work.kind !== 'lag'
    const operation = recorded ? this.history.invoke(command) : undefined
    return new Promise((done) => {
      this.#waiting.set(command.id, { operation, done })
      this.#child?.send(command)
    })
  }

  #told(report: Exclude<Report, { kind: 'ready' }>): void {
    if (report.kind === 'trouble') this.troubles.push(report.message)
    else if (report.kind === 'part') this.#parts.push(...report.records)
    else if (report.kind === 'read') for (const value of report.values) this.history.read.add(value)
    else {
      const waiting = this.#waiting.get(report.id)
      this.#waiting.delete(report.id)
      if (waiting === undefined) return
      const { operation, done } = waiting
      if (report.kind === 'failed') this.troubles.push(report.message)
      if (operation !== undefined) {
        operation.outcome = report.kind
        if (report.kind === 'done') operation.places = report.places
      }
      done(report.kind === 'done' ? (report.count ?? 0) : Number.NaN)
    }
  }
}
