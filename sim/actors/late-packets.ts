import type { CommitPositions } from '../../src/broker/groups.ts'
import type { Actor, World } from '../world.ts'

const KEPT = 20

/** Commits of members of generations that are over, which come a second time and too late. None may be taken. */
export class LatePackets implements Actor {
  readonly name = 'late-packets'
  readonly #world: World
  readonly #sent: CommitPositions[] = []

  constructor(world: World) {
    this.#world = world
  }

  /** Told of what members commit. */
  note(request: CommitPositions): void {
    if (request.member === '') return
    this.#sent.push(request)
    if (this.#sent.length > KEPT) this.#sent.shift()
  }

  act(): void {
    const { broker, random } = this.#world
    const request = this.#sent[random.below(this.#sent.length)]
    if (request === undefined) return
    // Within its generation a late one would be taken, as Kafka does.
    if (request.generation >= (broker.groups.describe(request.group)?.generation ?? 0)) return
    broker.groups.commit(
      request,
      this.#world.answer<void>((error) => {
        this.#world.note(`late commit of ${request.group}: ${error?.message ?? 'taken'}`)
      }),
    )
  }

  lost(): void {
    // They are on the network.
  }
}
