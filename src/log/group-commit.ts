import { assert } from '../base/assert.ts'
import type { Offset } from '../base/brands.ts'
import { MillraceError, messageOf } from '../base/errors.ts'
import type { Timers } from '../sys/sys.ts'
import { checksum } from './checksum.ts'
import { isDiskError } from './disk-error.ts'
import { writeGroupHead, writeGroupPart } from './group-entry.ts'
import type { Journal } from './journal.ts'
import { ENTRY_TYPE, type EntryType, JournalBlock } from './journal-entry.ts'
import type { Answer } from './log.ts'
import type { Partition } from './partition.ts'
import { type PlacedPart, Placement } from './placement.ts'
import type { Segment } from './segment.ts'
import { writeShape } from './shape-entries.ts'
import { SyncRound } from './sync-round.ts'

/** A group of batches that waits. */
export interface AppendItem {
  readonly kind: 'append'
  readonly parts: readonly PlacedPart[]
  readonly fsync: boolean
  readonly offsets: readonly Offset[]
  readonly answer: Answer<readonly Offset[]>
}

/** A change of shape that waits. */
export interface ChangeItem {
  readonly kind: 'change'
  readonly type: EntryType
  readonly body: Uint8Array
  /** It is in the journal; not yet durable. A checkpoint must hold it from now on. */
  readonly written: () => void
  readonly done: (error: Error | undefined) => void
}

export type CommitItem = AppendItem | ChangeItem

export interface GroupCommitHost {
  readonly journal: Journal
  readonly timers: Timers
  readonly segmentFirstBytes: number
  readonly topicIdBytes: (partition: Partition) => Uint8Array
  /** Before anything of a flush is placed: may rotate the journal, of which the next entry is `next`. */
  readonly beforeFlush: (next: number) => void
  /** Makes the names of the segment's file and folder durable. */
  readonly syncNames: (partition: Partition) => void
  readonly prepareFolder: (partition: Partition) => void
  readonly warn: (message: string) => void
}

/**
 * Group commit: everything that is appended while a sync runs shares the next one.
 *
 * An item goes through: `filling` (in memory) -> flushed (in segments and journal, in the operating system's hands) ->
 * acknowledged in journal order. A round is: flush, then one sync of the journal, side by side with syncs of those
 * segments that got so many bytes that these were not journaled. `os` items are flushed at once and acknowledged
 * unless their partition has something unacknowledged before them.
 *
 * A flush that fails before the first byte of its entries (a full disk) is undone: all of its items are refused, and
 * the log goes on. Any other failure ends the log: what the disk holds is known only after reopening.
 * If the power fails before the sync ends, none, some or all of the round's entries hold; recovery takes those before
 * the first that does not.
 */
export class GroupCommit {
  readonly #host: GroupCommitHost
  readonly #block = new JournalBlock()
  #filling: CommitItem[] = []
  /** Flushed, in journal order, not acknowledged. */
  #waiting: CommitItem[] = []
  readonly #segmentsToSync = new Set<Segment>()
  #nextNumber: number
  #durable: number
  #flushing = false
  #syncing = false
  /** A round is about to begin: callers that were just answered get the chance to join it. */
  #resting = false
  /** So many items are filling when all of these have joined. */
  #expected = 0
  #rests = 0
  #pumping = false
  #failure: Error | undefined
  #idle: (() => void)[] = []

  constructor(host: GroupCommitHost, nextNumber: number) {
    this.#host = host
    this.#nextNumber = nextNumber
    this.#durable = nextNumber
  }

  get failure(): Error | undefined {
    return this.#failure
  }

  get nextNumber(): number {
    return this.#nextNumber
  }

  put(item: CommitItem): void {
    assert(this.#failure === undefined, 'a failed log takes nothing')
    this.#filling.push(item)
    // A flush that begins a checkpoint may put an entry: it goes with the next one.
    if (this.#flushing) return
    if (item.kind === 'append' && !item.fsync) this.#flush()
    if (this.#filling.length >= this.#expected) this.#resting = false
    this.#pump()
  }

  /** Calls `done` when nothing waits any more. */
  whenIdle(done: () => void): void {
    this.#idle.push(done)
    this.#pump()
  }

  /** Nothing is acknowledged from now on. */
  fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    const items = [...this.#waiting, ...this.#filling]
    this.#waiting = []
    this.#filling = []
    refuse(items, error)
    this.#tellIdle()
  }

  #pump(): void {
    if (this.#pumping || this.#resting) return
    this.#pumping = true
    try {
      while (!this.#syncing && this.#failure === undefined) {
        const round = new SyncRound()
        this.#flush(round)
        if (this.#waiting.length > 0) this.#sync(round)
        else this.#giveUp(round)
        if (this.#waiting.length + this.#filling.length === 0) break
      }
    } finally {
      this.#pumping = false
    }
    if (!this.#syncing) this.#tellIdle()
  }

  #tellIdle(): void {
    if (this.#filling.length + this.#waiting.length > 0) return
    const idle = this.#idle
    this.#idle = []
    for (const done of idle) done()
  }

  /** One sync for everything that is flushed. */
  #sync(round: SyncRound): void {
    const covered = this.#nextNumber
    const count = this.#waiting.length
    this.#syncing = true
    for (const file of this.#host.journal.takeUnsynced()) round.start(file)
    for (const segment of this.#segmentsToSync) round.start(segment)
    this.#segmentsToSync.clear()
    assert(!round.isEmpty, 'what waits for a sync has something to be synced')
    let inside = true
    round.close((failed) => {
      this.#syncing = false
      if (this.#failure !== undefined) {
        // The log failed meanwhile, by a checkpoint say; somebody may wait for this sync to close it.
        this.#tellIdle()
        return
      }
      if (failed !== undefined) {
        this.fail(afterSync(failed))
        return
      }
      this.#durable = covered
      if (!inside) this.#rest(count)
      this.#acknowledge(this.#waiting.splice(0, count))
    })
    inside = false
    // The disk works now, and nothing else is to be done.
    if (this.#failure === undefined) this.#host.journal.prepareRoom()
  }

  /** Its flush was undone, and nothing else waits; but a sync that fails ends the log. */
  #giveUp(round: SyncRound): void {
    round.close((failed) => {
      if (failed !== undefined) this.fail(afterSync(failed))
    })
  }

  #rest(answered: number): void {
    this.#resting = true
    this.#expected = this.#filling.length + answered
    this.#rests += 1
    const rest = this.#rests
    this.#host.timers.soon(() => {
      // It ended early, and the next one has begun.
      if (rest !== this.#rests) return
      this.#resting = false
      this.#pump()
    })
  }

  /** Ends move first, all of them: whoever is told of one group sees every group of the round. */
  #acknowledge(items: readonly CommitItem[]): void {
    for (const item of items) if (item.kind === 'append') moveEnds(item)
    this.#tell(items)
  }

  #tell(items: readonly CommitItem[]): void {
    const partitions = new Set<Partition>()
    const calls: (() => void)[] = []
    for (const item of items) {
      calls.push(() => (item.kind === 'append' ? item.answer(undefined, item.offsets) : item.done(undefined)))
      if (item.kind === 'append') for (const part of item.parts) partitions.add(part.partition)
    }
    for (const partition of partitions) calls.push(() => partition.tellFollowers())
    callAll(calls)
  }

  /** Writes what is filling to segments and journal. Segments that are to be synced join the round, if there is one. */
  #flush(round?: SyncRound): void {
    if (this.#filling.length === 0 || this.#failure !== undefined) return
    const items = this.#filling
    this.#filling = []
    const placement = new Placement(this.#host)
    this.#flushing = true
    try {
      this.#host.beforeFlush(this.#nextNumber)
      // A checkpoint that failed at once ended the log: these items were not among those that it refused.
      const { failure } = this
      if (failure !== undefined) throw failure
      for (const item of items) if (item.kind === 'append') placement.place(item.parts)
      placement.write(round)
      this.#encode(items)
      this.#host.journal.makeRoom(this.#block.sizeBytes)
    } catch (error) {
      this.#flushing = false
      this.#undo(items, placement, error)
      return
    }
    this.#flushing = false
    try {
      this.#host.journal.write(this.#block)
    } catch (error) {
      this.#waiting.push(...items)
      this.fail(error as Error)
      if (!isDiskError(error)) throw error
      return
    } finally {
      this.#block.clear()
    }
    placement.finish()
    placement.eachToSync((segment) => this.#segmentsToSync.add(segment))
    this.#flushed(items)
  }

  #flushed(items: readonly CommitItem[]): void {
    const early: CommitItem[] = []
    for (const item of items) {
      this.#nextNumber += item.kind === 'append' ? 1 + rolls(item) : 1
      if (item.kind === 'change') item.written()
      if (item.kind === 'append' && !item.fsync && isNext(item)) {
        // At once: the next item may follow this one in the same partition.
        moveEnds(item)
        early.push(item)
      } else {
        this.#waiting.push(item)
      }
    }
    if (early.length > 0) this.#tell(early)
  }

  #undo(items: readonly CommitItem[], placement: Placement, error: unknown): void {
    this.#block.clear()
    // Offsets given meanwhile would lie behind those that are given back; nobody was called who could append.
    assert(
      this.#filling.every((item) => item.kind === 'change'),
      'nothing is appended while a flush runs',
    )
    let refusal = error as Error
    try {
      placement.undo()
      for (const item of items) {
        // Offsets that were given are given again, also those of items that were not placed yet.
        for (const { partition } of item.kind === 'append' ? item.parts : []) partition.giveBack()
      }
      // What is no failure of the disk is a fault of this program: its state cannot be trusted.
      if (!isDiskError(error)) this.#failure = refusal
    } catch (second) {
      this.#failure = second as Error
      refusal = second as Error
    }
    const waiting = this.#failure === undefined ? [] : this.#waiting.splice(0)
    refuse([...waiting, ...items], refusal)
    if (this.#failure !== undefined) this.#tellIdle()
    if (!isDiskError(refusal)) throw refusal
  }

  #encode(items: readonly CommitItem[]): void {
    const block = this.#block
    let number = this.#nextNumber
    for (const item of items) {
      if (item.kind === 'change') {
        block.begin(number, this.#durable, item.type)
        block.put(item.body)
        block.end()
        number += 1
        continue
      }
      for (const part of item.parts) {
        if (!part.rolled) continue
        const { partition } = part
        block.begin(number, this.#durable, ENTRY_TYPE.segmentRolled)
        block.put(
          writeShape({
            topic: partition.topic.id,
            partition: partition.index,
            base: (part.segment as Segment).base,
          }),
        )
        block.end()
        number += 1
      }
      block.begin(number, this.#durable, ENTRY_TYPE.group)
      writeGroupHead(block, item.parts.length)
      for (const part of item.parts) this.#encodePart(part)
      block.end()
      number += 1
    }
    block.putEndMark()
  }

  #encodePart(part: PlacedPart): void {
    const { partition, bytes } = part
    writeGroupPart(this.#block, this.#host.topicIdBytes(partition), {
      partition: partition.index,
      segment: (part.segment as Segment).base,
      position: part.position,
      sizeBytes: bytes.length,
      first: part.first,
      next: part.next,
      bytes: part.segmentFirst ? undefined : bytes,
      crc: part.segmentFirst ? checksum(bytes, 0, bytes.length) : 0,
    })
  }
}

function moveEnds(item: AppendItem): void {
  for (const { partition, next, segment, position, bytes } of item.parts) {
    partition.acknowledge(next, segment as Segment, position + bytes.length)
  }
}

function rolls(item: AppendItem): number {
  let count = 0
  for (const part of item.parts) if (part.rolled) count += 1
  return count
}

/** Nothing unacknowledged lies before it in any of its partitions. */
function isNext(item: AppendItem): boolean {
  const ends = new Map<Partition, Offset>()
  for (const part of item.parts) {
    if ((ends.get(part.partition) ?? part.partition.end) !== part.first) return false
    ends.set(part.partition, part.next)
  }
  return true
}

function refuse(items: readonly CommitItem[], error: Error): void {
  callAll(
    items.map((item) => () => (item.kind === 'append' ? item.answer(error, undefined) : item.done(error))),
  )
}

/** Calls all, then throws what the first of them threw: one caller's fault must not keep the others waiting. */
function callAll(calls: readonly (() => void)[]): void {
  const errors: unknown[] = []
  for (const call of calls) {
    try {
      call()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}

function afterSync(cause: Error): MillraceError {
  return new MillraceError(
    'MILLRACE_DISK',
    `the log stopped: ${messageOf(cause)}; nothing more is acknowledged, open it again to know what is durable`,
    { cause },
  )
}
