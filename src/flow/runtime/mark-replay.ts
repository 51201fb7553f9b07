/**
 * Takes a group of inputs through the places that an earlier run marked (SEMANTICS 1.5).
 *
 * State: per input the records that have to wait, in order of position; the idle marks in the order in which they were
 * made. Both only of places that are still ahead. A mark is a truth about the earlier run, never a guess, and the same
 * place is reached again as long as all marks before it are followed: so what is marked twice is harmless, and a place
 * "at these positions" can be asked for as "at least".
 * Cost: while something is pending, a look at every input a record; afterwards nothing.
 */
import type { Offset } from '../../base/brands.ts'
import type { SourceLane } from '../task/source-lane.ts'
import type { Input } from './input.ts'
import type { CommitMarks } from './mark.ts'
import { laneName } from './operator-time.ts'

/** Marks with the offset of their record in the topic of marks. */
export interface StoredMarks extends CommitMarks {
  readonly offset: Offset
}

type Place = readonly (readonly [input: Input, position: Offset])[]

interface Hold {
  readonly position: Offset
  /** Where the others have to be first; only those that were not there when the replay began. */
  readonly others: Place
  readonly offset: Offset
}

interface IdleMark {
  readonly place: Place
  readonly lanes: readonly SourceLane[]
  readonly offset: Offset
}

export class MarkReplay {
  readonly #holds = new Map<Input, Hold[]>()
  readonly #idle: IdleMark[] = []

  /** Marks that lie behind where the inputs stand now, or are of inputs that are not there, are left out. */
  constructor(inputs: readonly Input[], stored: readonly StoredMarks[]) {
    for (const record of stored) this.#add(inputs, record)
    // A replay that was cut and went on has marked some records again, behind marks of later ones.
    for (const holds of this.#holds.values()) holds.sort((left, right) => left.position - right.position)
  }

  /** Whether anything is ahead; lets go of what was passed. */
  pending(): boolean {
    for (const [input, holds] of this.#holds) {
      while (holds[0] !== undefined && holds[0].position < input.position) holds.shift()
      if (holds.length === 0) this.#holds.delete(input)
    }
    return this.#holds.size > 0 || this.#idle.length > 0
  }

  /** Offset of the first record of the topic of marks that is still needed. */
  get firstOffset(): Offset {
    let first = this.#idle[0]?.offset ?? Number.POSITIVE_INFINITY
    for (const holds of this.#holds.values()) for (const { offset } of holds) first = Math.min(first, offset)
    return first
  }

  /** Whether the record that the input has at hand was not there yet when the others stood where they stand now. */
  holds(input: Input): boolean {
    const holds = this.#holds.get(input)
    if (holds === undefined) return false
    for (const { position, others } of holds) {
      if (position > input.position) return false
      if (position === input.position && !reached(others)) return true
    }
    return false
  }

  /** Nothing of what its records wait for can come any more. */
  release(): void {
    this.#holds.clear()
  }

  get idleDue(): boolean {
    const next = this.#idle[0]
    return next !== undefined && reached(next.place)
  }

  /** Makes idle the lanes that became it here. False: none did. */
  passIdle(): boolean {
    if (!this.idleDue) return false
    for (const lane of this.#idle.shift()?.lanes ?? []) lane.becomeIdle()
    return true
  }

  #add(inputs: readonly Input[], { inputs: marked, marks, offset }: StoredMarks): void {
    const known = marked.map(([topic, partition]) =>
      inputs.find((input) => input.topic === topic && input.partition === partition),
    )
    const positions = marked.map(([, , position]) => position)
    for (const { moved, held, idle } of marks) {
      for (const [index, position] of moved) positions[index] = position
      const place = known.flatMap((input, index) =>
        input === undefined ? [] : [[input, positions[index] as Offset] as const],
      )
      const ahead = place.filter(([input, position]) => position > input.position)
      for (const index of held) this.#addHold(known[index], positions[index] as Offset, ahead, offset)
      const lanes = idle.flatMap(([index, lane]) => lanesOf(known[index], lane))
      const passed = ahead.length === 0 && place.some(([input, position]) => position < input.position)
      if (lanes.length > 0 && !passed) this.#idle.push({ place: ahead, lanes, offset })
    }
  }

  #addHold(input: Input | undefined, position: Offset, ahead: Place, offset: Offset): void {
    if (input === undefined || position < input.position) return
    const others = ahead.filter(([other]) => other !== input)
    if (others.length === 0) return
    const holds = this.#holds.get(input)
    if (holds === undefined) this.#holds.set(input, [{ position, others, offset }])
    else holds.push({ position, others, offset })
  }
}

function reached(place: Place): boolean {
  for (const [input, position] of place) if (input.position < position) return false
  return true
}

/** The lane of that name; where steps were renamed since, all lanes of the input. */
function lanesOf(input: Input | undefined, name: string): readonly SourceLane[] {
  if (input === undefined) return []
  const named = input.lanes.filter((_, index) => laneName(input, index) === name)
  return named.length > 0 ? named : input.lanes
}
