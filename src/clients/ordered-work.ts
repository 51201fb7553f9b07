/**
 * Runs tasks side by side, at most `limit` at once, and tasks of one lane one after the other in the order in which they
 * came. A lane is a partition, or a key of it, so order inside it is kept while lanes do not wait for each other.
 *
 * `run` never refuses: who calls it asks `full` first, and so keeps memory bounded.
 */
export class OrderedWork {
  readonly #limit: number
  /** By lane: what waits behind the task that runs. A lane that runs nothing is not here. */
  readonly #lanes = new Map<string, (() => Promise<void>)[]>()
  /** Lanes whose first task may begin, in the order in which they came. */
  readonly #ready: (readonly [lane: string, task: () => Promise<void>])[] = []
  #running = 0
  #waiting = 0
  #idle: (() => void)[] = []
  #room: (() => void)[] = []
  #abandoned = false

  constructor(limit: number) {
    this.#limit = limit
  }

  /** As much waits as runs: more would only take memory. */
  get full(): boolean {
    return this.#waiting >= this.#limit
  }

  /** @param task never rejects. */
  run(lane: string, task: () => Promise<void>): void {
    this.#waiting += 1
    const behind = this.#lanes.get(lane)
    if (behind !== undefined) {
      behind.push(task)
      return
    }
    this.#lanes.set(lane, [])
    this.#ready.push([lane, task])
    this.#startReady()
  }

  /** Resolves when another task may come. */
  async room(): Promise<void> {
    while (this.full && !this.#abandoned) await new Promise<void>((resolve) => this.#room.push(resolve))
  }

  /** Nobody waits any longer for tasks that do not end. Idempotent. */
  abandon(): void {
    this.#abandoned = true
    for (const resolve of [...this.#room.splice(0), ...this.#idle.splice(0)]) resolve()
  }

  /** Resolves when nothing runs or waits. */
  async idle(): Promise<void> {
    while (this.#running + this.#waiting > 0 && !this.#abandoned)
      await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #startReady(): void {
    while (this.#running < this.#limit) {
      const next = this.#ready.shift()
      if (next === undefined) return
      this.#running += 1
      this.#waiting -= 1
      const [lane, task] = next
      void task().then(() => this.#ended(lane))
    }
  }

  #ended(lane: string): void {
    this.#running -= 1
    const next = this.#lanes.get(lane)?.shift()
    if (next === undefined) this.#lanes.delete(lane)
    else this.#ready.push([lane, next])
    this.#startReady()
    if (!this.full) for (const resolve of this.#room.splice(0)) resolve()
    if (this.#running + this.#waiting === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }
}
