/**
 * Session windows of a keyed stream (SEMANTICS 2.7).
 *
 * State: per key the list of its sessions in order of time, each a group with its first and last event. In memory also
 * a heap of (end, key) with one entry a session, which may be earlier than the session's end: when such an entry comes
 * up it is put back with the end of now. A session that merged into another leaves its entry behind; it does nothing.
 * Invariants: sessions of a key lie more than a gap apart. A key without sessions has no entry in the store.
 * Cost: a record costs one look-up and a walk over the key's open sessions, nearly always one.
 */
import { MIN_TIMESTAMP, type Timestamp } from '../../base/brands.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { MemoryStore } from '../../state/memory-store.ts'
import { mappedStoreCodec } from '../../state/store-codec.ts'
import type { WindowNode } from '../graph/plan.ts'
import type { Window } from '../graph/window-spec.ts'
import { NO_TIME } from './group.ts'
import { GroupStore } from './group-store.ts'
import type { Receiver, TaskContext } from './operator.ts'
import { Session } from './session.ts'
import { SessionTimers } from './session-timers.ts'
import { type OperatorTime, TimedOperator } from './timed-operator.ts'
import { updateKey, type WindowOutputs } from './window-outputs.ts'

type StoredSession = readonly [id: number, start: number, last: number, group: readonly unknown[]]

/** Sessions lie in namespace 0, by key. */
const SESSIONS = 0

export class SessionOperator extends TimedOperator implements Receiver {
  readonly groups: GroupStore
  readonly #store: MemoryStore<Session[]>
  readonly #node: WindowNode
  readonly #context: TaskContext
  readonly #outputs: WindowOutputs
  readonly #gap: number
  readonly #lateness: number
  readonly #timers = new SessionTimers()
  #fired: Timestamp = MIN_TIMESTAMP
  #changed: { readonly key: StoreKey; readonly session: Session }[] = []
  /** Rows of absorbed or moved sessions, to be taken back from leaves. */
  #retracted: { readonly key: StoreKey; readonly start: Timestamp; readonly timestamp: Timestamp }[] = []

  constructor(
    node: WindowNode,
    gapMs: number,
    context: TaskContext,
    partition: number,
    order: number,
    outputs: WindowOutputs,
  ) {
    super(node.name, partition, order, context)
    this.#node = node
    this.#context = context
    this.#outputs = outputs
    this.#gap = gapMs
    this.#lateness = node.allowedLatenessMs
    // The groups lie inside the lists: their own store stays empty, but for the elements beside it.
    this.groups = new GroupStore(context, node.name, partition, node.aggregates, { inside: true })
    const codec = this.groups.codec
    this.#store = context.store(
      node.name,
      partition,
      mappedStoreCodec<Session[], StoredSession[]>(
        (sessions) => sessions.map(({ id, start, last, group }) => [id, start, last, codec.encode(group)]),
        (stored) =>
          stored.map(([id, start, last, group]) => new Session(codec.decode(group), id, start, last)),
      ),
    )
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    if (key === null || value === null || value === undefined) {
      if (key === null) this.#context.counters.nullKeys += 1
      else this.#context.counters.nullValues += 1
      return
    }
    const sessions = this.#sessions(key)
    const first = sessions.findIndex((session) => this.#touches(session, timestamp))
    if (first < 0) {
      // Alone: only now lateness counts, because a record that touches a live session is in time with it.
      if (timestamp + this.#gap <= this.#closed()) {
        this.#context.counters.late += 1
        this.#outputs.late.receive(key, value, timestamp)
        return
      }
      this.#begin(key, sessions, value, timestamp)
      return
    }
    this.#join(key, sessions, first, value, timestamp)
  }

  flush(): void {
    for (const { key, start, timestamp } of this.#retracted) {
      this.#outputs.updates.latest(updateKey(key, start), null, timestamp)
    }
    for (const { key, session } of this.#changed) {
      if (session.group.touched < 0) continue
      session.group.touched = -1
      const row = this.groups.row(key, this.#window(session), session.group)
      this.#outputs.updates.latest(updateKey(key, session.start), row, session.last + this.#gap)
    }
    if (this.#changed.length > 0) this.#changed = []
    if (this.#retracted.length > 0) this.#retracted = []
  }

  get stored(): OperatorTime {
    return { reached: this.storedTime, fired: this.#fired }
  }

  restored(time: OperatorTime | undefined): void {
    this.groups.restored()
    if (time !== undefined) {
      this.restoreReached(time.reached)
      this.#fired = time.fired
    }
    for (const [key, sessions] of this.#store.scan(SESSIONS)) {
      for (const session of sessions) this.#timers.add(session.last + this.#gap, key)
    }
    this.#findDue()
  }

  /** Ended sessions leave their lists one by one, so a commit may fall between any two of them. */
  protected override fireDue(watermark: Timestamp, resultsMax: number): boolean {
    this.flush()
    let left = resultsMax
    for (let entry = this.#timers.first(); entry !== undefined; entry = this.#timers.first()) {
      if (entry.end + this.#lateness > watermark) break
      if (left === 0) return false
      this.#timers.removeFirst()
      const sessions = this.#sessions(entry.key)
      const at = sessions.findIndex((session) => session.last + this.#gap === entry.end)
      if (at < 0) {
        this.#remind(entry.key, entry.end, sessions)
        continue
      }
      left -= 1
      this.#close(entry.key, sessions, at)
    }
    this.#findDue()
    return true
  }

  #close(key: StoreKey, sessions: Session[], at: number): void {
    const session = sessions[at] as Session
    const end = session.last + this.#gap
    if (this.#outputs.closing) {
      const window = this.#window(session)
      this.#outputs.closed(key, window, this.groups.row(key, window, session.group), end)
    }
    sessions.splice(at, 1)
    this.groups.removeElements(session.id, key)
    if (sessions.length === 0) this.#store.delete(SESSIONS, key)
    else this.#store.put(SESSIONS, key, sessions)
    if (end > this.#fired) this.#fired = end
  }

  /** The entry of a session that grew: it is put back once, for the first session that ends behind it. */
  #remind(key: StoreKey, end: Timestamp, sessions: readonly Session[]): void {
    for (const session of sessions) {
      const real = session.last + this.#gap
      if (real <= end) continue
      this.#timers.add(real, key)
      return
    }
  }

  #begin(key: StoreKey, sessions: Session[], value: unknown, timestamp: Timestamp): void {
    const group = this.groups.create(timestamp, key, NO_TIME)
    const session = new Session(group, timestamp, timestamp, timestamp)
    if (!this.#added(session, value)) return
    let at = sessions.length
    while (at > 0 && (sessions[at - 1] as Session).start > timestamp) at -= 1
    sessions.splice(at, 0, session)
    this.#keep(key, sessions, session)
    this.#timers.add(timestamp + this.#gap, key)
    this.#findDue()
    if (this.#outputs.eager) this.#tell(key, undefined, session)
  }

  /** A record that touches sessions: they become one, and it goes into that. */
  #join(key: StoreKey, sessions: Session[], first: number, value: unknown, timestamp: Timestamp): void {
    const session = sessions[first] as Session
    const before = this.#outputs.eager ? this.#rowOf(key, session) : undefined
    const beforeWindow = this.#window(session)
    const next = sessions[first + 1]
    const merges = next !== undefined && this.#touches(next, timestamp)
    // A record that fails joins no sessions and makes none longer. What was merged could not be parted again.
    if (merges ? !this.#fits(value) : !this.#added(session, value)) return
    while (first + 1 < sessions.length && this.#touches(sessions[first + 1] as Session, timestamp)) {
      this.#absorb(key, session, sessions[first + 1] as Session)
      sessions.splice(first + 1, 1)
    }
    if (timestamp < session.start) {
      this.#retract(key, session)
      session.start = timestamp
    }
    const grew = timestamp > session.last
    if (grew) session.last = timestamp
    if (merges) this.#added(session, value)
    this.#keep(key, sessions, session)
    if (before === undefined) return
    if (beforeWindow.start === session.start && beforeWindow.end === session.last + this.#gap) {
      this.#tell(key, before, session)
      return
    }
    this.#outputs.changed(key, beforeWindow, before, undefined, beforeWindow.end)
    this.#tell(key, undefined, session)
  }

  #absorb(key: StoreKey, into: Session, other: Session): void {
    if (this.#outputs.eager) {
      const window = this.#window(other)
      this.#outputs.changed(key, window, this.#rowOf(key, other), undefined, window.end)
    }
    this.#retract(key, other)
    other.group.touched = -1
    this.groups.merge(into.group, other.group)
    this.groups.removeElements(other.id, key)
    if (other.last > into.last) into.last = other.last
  }

  #retract(key: StoreKey, session: Session): void {
    if (!this.#outputs.updates.lazy) return
    this.#retracted.push({ key, start: session.start, timestamp: session.last + this.#gap })
  }

  #keep(key: StoreKey, sessions: Session[], session: Session): void {
    this.#store.put(SESSIONS, key, sessions)
    if (!this.#outputs.updates.lazy || session.group.touched >= 0) return
    session.group.touched = this.#context.epoch.now
    this.#changed.push({ key, session })
  }

  #fits(value: unknown): boolean {
    try {
      this.groups.rehearse(value)
      return true
    } catch (error) {
      this.#context.failed(this.#node, error)
      return false
    }
  }

  #added(session: Session, value: unknown): boolean {
    try {
      this.groups.add(session.group, value, NO_TIME)
      return true
    } catch (error) {
      this.#context.failed(this.#node, error)
      return false
    }
  }

  #tell(key: StoreKey, before: unknown, session: Session): void {
    const window = this.#window(session)
    this.#outputs.changed(key, window, before, this.#rowOf(key, session), window.end)
  }

  #rowOf(key: StoreKey, session: Session): Record<string, unknown> {
    return this.groups.row(key, this.#window(session), session.group)
  }

  #sessions(key: StoreKey): Session[] {
    const sessions = this.#store.get(SESSIONS, key)
    if (sessions === undefined) return []
    for (const session of sessions) this.groups.bind(session.group, session.id, key)
    return sessions
  }

  /** Exactly one gap apart is together. */
  #touches(session: Session, timestamp: Timestamp): boolean {
    return timestamp <= session.last + this.#gap && timestamp >= session.start - this.#gap
  }

  #window(session: Session): Window {
    return { start: session.start, end: session.last + this.#gap, lastEvent: session.last }
  }

  /** A session is late when its end, which is part of it, lies at or before this. */
  #closed(): Timestamp {
    const byWatermark = this.reached - this.#lateness
    return byWatermark > this.#fired ? byWatermark : this.#fired
  }

  #findDue(): void {
    const first = this.#timers.first()
    this.nextDue = first === undefined ? Number.POSITIVE_INFINITY : first.end + this.#lateness
  }
}
