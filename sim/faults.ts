import { damageProblem } from './damage.ts'
import { InvariantBroken } from './invariant-broken.ts'
import type { Actor, World } from './world.ts'

/** Draws what fails: the power, syncs, room on the disk, the process, a bit, the clock. */
export class Faults implements Actor {
  readonly name = 'faults'
  readonly #world: World
  readonly #setsClock: boolean
  #full = false

  constructor(world: World) {
    this.#world = world
    // Not in every world: what is said of ages is looser where the clock is set.
    this.#setsClock = world.random.chance(0.25)
  }

  act(): void {
    const { random, sys } = this.#world
    const dice = random.below(100)
    if (this.#setsClock && random.chance(0.3)) {
      this.#setClock()
    } else if (this.#full) {
      this.makeRoom()
    } else if (dice < 45) this.#world.armPowerCut()
    else if (dice < 60) this.#fill()
    else if (dice < 72) {
      const nth = 1 + random.below(4)
      this.#world.note(`fault: sync ${nth} from now fails`)
      sys.disk.failSync(nth)
    } else if (dice < 84) this.#closeAndOpen(false)
    else if (dice < 92) this.#closeAndOpen(true)
    else this.#slow()
  }

  lost(): void {
    this.#full = false
  }

  makeRoom(): void {
    if (this.#full) this.#world.note('fault: there is room again')
    this.#full = false
    this.#world.sys.disk.diskFull(Number.POSITIVE_INFINITY)
  }

  #fill(): void {
    const bytes = this.#world.random.below(3000)
    this.#world.note(`fault: the disk is full after ${bytes} bytes`)
    this.#full = true
    this.#world.sys.disk.diskFull(bytes)
  }

  /** As by somebody's hand, or by a time server. */
  #setClock(): void {
    const { random, sys } = this.#world
    const byMs = random.below(8000) - 5000
    this.#world.note(`fault: the clock is set by ${byMs} ms`)
    sys.time.setWall(byMs)
    if (byMs < 0) this.#world.setBackMs -= byMs
  }

  #slow(): void {
    const ms = this.#world.random.below(200)
    this.#world.note(`fault: every sync takes ${ms} ms`)
    this.#world.sys.disk.delaySync(ms)
  }

  #closeAndOpen(damaged: boolean): void {
    this.makeRoom()
    if (!this.#world.close()) return
    // A damaged end of an unclean log looks like a torn one.
    if (damaged && this.#world.closedCleanly) {
      const problem = damageProblem(this.#world)
      if (problem !== undefined) throw new InvariantBroken('damage-is-detected', problem)
    }
    this.#world.guard(() => this.#world.reopen())
  }
}
