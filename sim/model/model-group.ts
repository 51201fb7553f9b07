import type { Offset } from '../../src/base/brands.ts'
import type { NewPosition } from '../../src/broker/groups.ts'
import { placeOf } from './place.ts'

export interface ObservedPosition {
  readonly offset: Offset
  readonly metadata: string
}

/** Positions of a group as they were answered, with what was known when they were asked for. */
export interface ObservedPositions {
  readonly group: string
  readonly positions: ReadonlyMap<string, ObservedPosition>
  /** By place, the lowest that may be answered. Undefined: a reset was under way, anything may be. */
  readonly floors: ReadonlyMap<string, Offset> | undefined
}

/**
 * The positions of a group: what was acknowledged, and what was ever asked for.
 *
 * A floor is the highest position that was acknowledged or seen since the last reset. A reset takes floors down: to
 * its own offset when it is acknowledged, and no higher than that when nobody knows whether it happened.
 */
export class ModelGroup {
  readonly name: string
  readonly floors = new Map<string, Offset>()
  /** By place: `offset metadata`. */
  readonly #asked = new Map<string, Set<string>>()
  /** By place: positions below were set by hand, nobody need have processed what they pass. */
  readonly byHand = new Map<string, Offset>()
  /** By place: offsets of records that a member said it had done. */
  readonly finished = new Map<string, Set<Offset>>()
  #resets = 0
  #underWay = 0

  constructor(name: string) {
    this.name = name
  }

  ask(positions: readonly NewPosition[]): void {
    for (const position of positions) {
      const place = placeOf(position.topic, position.partition)
      const asked = this.#asked.get(place) ?? new Set()
      this.#asked.set(place, asked.add(`${position.offset} ${position.metadata}`))
    }
  }

  wasAsked(place: string, { offset, metadata }: ObservedPosition): boolean {
    return this.#asked.get(place)?.has(`${offset} ${metadata}`) === true
  }

  /** The highest position that was asked for. */
  asked(place: string): Offset {
    return Math.max(0, ...Array.from(this.#asked.get(place) ?? [], (each) => Number.parseInt(each, 10)))
  }

  acknowledge(positions: readonly NewPosition[]): void {
    for (const { topic, partition, offset } of positions) this.raise(placeOf(topic, partition), offset)
  }

  raise(place: string, offset: Offset): void {
    this.floors.set(place, Math.max(this.floors.get(place) ?? 0, offset))
  }

  finish(place: string, offset: Offset): void {
    const finished = this.finished.get(place) ?? new Set()
    this.finished.set(place, finished.add(offset))
  }

  /** By hand: `positions` may be lower than before. Undefined: all go away. Call the answer once. */
  reset(
    positions: readonly NewPosition[] | undefined,
  ): (outcome: 'acknowledged' | 'refused' | 'unknown') => void {
    this.#resets += 1
    this.#underWay += 1
    if (positions !== undefined) {
      this.ask(positions)
      for (const { topic, partition, offset } of positions) {
        const place = placeOf(topic, partition)
        this.byHand.set(place, Math.max(this.byHand.get(place) ?? 0, offset))
      }
    }
    return (outcome) => {
      this.#resets += 1
      this.#underWay -= 1
      if (outcome === 'refused') return
      if (positions === undefined) this.floors.clear()
      for (const { topic, partition, offset } of positions ?? []) {
        const place = placeOf(topic, partition)
        const before = this.floors.get(place)
        if (outcome === 'acknowledged') this.floors.set(place, offset)
        else if (before !== undefined) this.floors.set(place, Math.min(before, offset))
      }
    }
  }

  /** To be called when positions are asked for; the result when they are answered. */
  beginObservation(): () => ReadonlyMap<string, Offset> | undefined {
    const resets = this.#resets
    const floors = this.#underWay > 0 ? undefined : new Map(this.floors)
    return () => (this.#resets === resets ? floors : undefined)
  }
}
