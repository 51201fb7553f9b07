import { describe, expect, test } from 'vitest'
import { MillraceError } from '../base/errors.ts'
import { Checkpointer, type CheckpointerHost } from './checkpointer.ts'
import type { Partition } from './partition.ts'

type Done = (error: Error | undefined) => void

/** What a checkpointer sees of a segment. Its syncs end when the test says so, or at once. */
class FakeSegment {
  readonly name: string
  sizeBytes: number
  syncedBytes: number
  indexesUnsaved = false
  readonly #world: World

  constructor(world: World, name: string, sizeBytes: number, syncedBytes: number) {
    this.#world = world
    this.name = name
    this.sizeBytes = sizeBytes
    this.syncedBytes = syncedBytes
  }

  saveIndexes(): void {
    this.#world.saw(`indexes ${this.name}`)
  }

  sync(done: Done): void {
    this.#world.saw(`sync ${this.name}`)
    if (this.#world.syncsAtOnce) done(undefined)
    else this.#world.syncs.push(done)
  }
}

class World {
  readonly events: string[] = []
  readonly syncs: Done[] = []
  readonly commits: Done[] = []
  readonly partitions: { readonly name: string; readonly segments: FakeSegment[] }[] = []
  syncsAtOnce = false
  failure: Error | undefined
  readonly checkpointer: Checkpointer

  constructor() {
    const host: CheckpointerHost = {
      syncNames: (partition) => this.saw(`names ${partition.name}`),
      // The checkpointer asks nothing else of them.
      partitions: () => this.partitions as unknown as readonly Partition[],
      snapshot: (clean) => {
        this.saw(`snapshot ${clean}`)
        return Uint8Array.of(1)
      },
      commit: (_, done) => {
        this.saw('commit')
        this.commits.push(done)
      },
      covered: () => this.saw('covered'),
      fail: (error) => {
        this.failure = error
      },
    }
    this.checkpointer = new Checkpointer(host)
  }

  saw(event: string): void {
    this.events.push(event)
  }

  segment(partition: string, name: string, sizeBytes: number, syncedBytes: number): FakeSegment {
    const segment = new FakeSegment(this, name, sizeBytes, syncedBytes)
    const known = this.partitions.find((one) => one.name === partition)
    if (known === undefined) this.partitions.push({ name: partition, segments: [segment] })
    else known.segments.push(segment)
    return segment
  }
}

describe('a checkpoint', () => {
  test('is of the state when it began, and is written when all that it names is durable', () => {
    const world = new World()
    world.segment('a-0', 'a0', 10, 10)
    world.segment('a-0', 'a1', 10, 4)
    world.segment('a-1', 'b0', 5, 0)
    world.checkpointer.begin()
    // One after the other: a sync that waits for many others would stall the appends beside it.
    expect(world.events).toEqual(['snapshot false', 'indexes a1', 'names a-0', 'sync a1'])
    world.syncs[0]?.(undefined)
    expect(world.events.slice(4)).toEqual(['indexes b0', 'names a-1', 'sync b0'])
    world.syncs[1]?.(undefined)
    expect(world.events.slice(7)).toEqual(['commit'])
  })

  test('lets the older journal go only when it is durable itself', () => {
    const world = new World()
    world.checkpointer.begin()
    expect(world.events.at(-1)).toBe('commit')
    expect(world.checkpointer.running).toBe(true)
    world.commits[0]?.(undefined)
    expect(world.events.at(-1)).toBe('covered')
    expect(world.checkpointer.running).toBe(false)
  })

  test('does not wait for segments that come while it runs', () => {
    const world = new World()
    world.segment('a-0', 'a0', 10, 0)
    world.checkpointer.begin()
    world.segment('a-0', 'a1', 10, 0)
    world.syncs[0]?.(undefined)
    expect(world.events).not.toContain('sync a1')
    expect(world.events.at(-1)).toBe('commit')
  })

  test('saves indexes that lack entries, also of segments that are synced', () => {
    const world = new World()
    world.segment('a-0', 'a0', 10, 10).indexesUnsaved = true
    world.checkpointer.begin()
    expect(world.events).toContain('indexes a0')
  })

  test('whose syncs end at once goes through thousands of segments', () => {
    const world = new World()
    world.syncsAtOnce = true
    for (let index = 0; index < 20_000; index += 1) world.segment('a-0', `s${index}`, 1, 0)
    world.checkpointer.begin()
    expect(world.events.filter((event) => event.startsWith('sync'))).toHaveLength(20_000)
    expect(world.commits).toHaveLength(1)
  })
})

describe('when something fails', () => {
  test('a sync: the log has failed, and no checkpoint says otherwise', () => {
    const world = new World()
    world.segment('a-0', 'a0', 10, 0)
    world.segment('a-0', 'a1', 10, 0)
    world.checkpointer.begin()
    const error = new MillraceError('MILLRACE_DISK', 'no sync')
    world.syncs[0]?.(error)
    expect(world.failure).toBe(error)
    expect(world.events).not.toContain('sync a1')
    expect(world.commits).toEqual([])
    expect(world.checkpointer.running).toBe(false)
  })

  test('the entry is refused, as on a full disk: the older journal stays, and the next one may cover it', () => {
    const world = new World()
    world.checkpointer.begin()
    world.commits[0]?.(new MillraceError('MILLRACE_DISK', 'full'))
    expect(world.events).not.toContain('covered')
    expect(world.failure).toBeUndefined()
    world.checkpointer.begin()
    world.commits[1]?.(undefined)
    expect(world.events.at(-1)).toBe('covered')
  })
})

describe('whoever waits for the end of a checkpoint', () => {
  test('is told at once when none is under way', () => {
    let told = 0
    new World().checkpointer.whenDone(() => {
      told += 1
    })
    expect(told).toBe(1)
  })

  test.each([
    ['when it is durable', undefined],
    ['when it was refused', new MillraceError('MILLRACE_DISK', 'full')],
  ])('is told once, %s', (_, outcome) => {
    const world = new World()
    let told = 0
    world.checkpointer.begin()
    world.checkpointer.whenDone(() => {
      told += 1
    })
    expect(told).toBe(0)
    world.commits[0]?.(outcome)
    expect(told).toBe(1)
    world.checkpointer.begin()
    world.commits[1]?.(undefined)
    expect(told).toBe(1)
  })

  test('is told when a sync failed', () => {
    const world = new World()
    let told = 0
    world.segment('a-0', 'a0', 10, 0)
    world.checkpointer.begin()
    world.checkpointer.whenDone(() => {
      told += 1
    })
    world.syncs[0]?.(new MillraceError('MILLRACE_DISK', 'no sync'))
    expect(told).toBe(1)
  })
})

test('the name of a file whose bytes are synced already is made durable too (simulation, seed 1002388)', () => {
  const world = new World()
  world.syncsAtOnce = true
  world.segment('undone', 'undone-0', 101, 101)
  let ended = false
  world.checkpointer.syncAll(() => {
    ended = true
  })
  expect(world.events).toEqual(['names undone'])
  expect(ended).toBe(true)
})
