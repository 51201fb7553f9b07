import type { Offset } from '../../base/brands.ts'
import type { Broker } from '../../broker/broker.ts'
import type { Topology } from '../graph/topology.ts'
import type { Input } from './input.ts'
import type { InputGroup } from './input-group.ts'
import { componentsOf } from './lane-groups.ts'

/**
 * Decides when a bounded run is done (SEMANTICS 1.9): a source of the outside ends when it says so; a topic at the end
 * that it had when the run began; a topic that the app itself writes when all that writes it has ended and is committed,
 * and it is read to its end. An input that ended sends the watermark +infinity.
 */
export class Ends {
  readonly #groups: readonly InputGroup[]
  readonly #broker: Broker
  /** Inputs of the components that write a topic, by its name. */
  readonly #writers = new Map<string, readonly Input[]>()
  readonly #endAtStart = new Map<Input, Offset>()
  readonly #ended = new Set<Input>()
  readonly #inputs: readonly Input[]

  constructor(topology: Topology, groups: readonly InputGroup[], broker: Broker) {
    this.#groups = groups
    this.#broker = broker
    this.#inputs = groups.flatMap(({ inputs }) => inputs)
    const components = componentsOf(topology)
    for (const { node, policy } of topology.nodes) {
      const written = node.kind === 'output' && node.to.kind === 'topic' ? [node.to.topic.name] : []
      if (policy.kind === 'deadLetter') written.push(policy.topic)
      const component = components.get(node)
      const inputs = this.#inputs.filter(({ lanes }) =>
        lanes.some((lane) => components.get(lane.node) === component),
      )
      for (const name of written) this.#writers.set(name, [...(this.#writers.get(name) ?? []), ...inputs])
    }
    for (const input of this.#inputs) {
      if (isTopic(input)) this.#endAtStart.set(input, broker.bounds(input.topic, input.partition).end)
    }
  }

  get done(): boolean {
    return this.#ended.size === this.#inputs.length
  }

  /** Ends inputs that can have no more. True: some did. @param settled all that was read so far is committed. */
  advance(settled: boolean): boolean {
    const ending = this.#inputs.filter((input) => !this.#ended.has(input) && this.#canEnd(input, settled))
    for (const input of ending) {
      this.#ended.add(input)
      for (const group of this.#groups) group.remove(input)
    }
    // Only when all are off the groups: what the end of time fires may not be followed by a record.
    for (const input of ending) for (const lane of input.lanes) lane.end()
    return ending.length > 0
  }

  #canEnd(input: Input, settled: boolean): boolean {
    if (input.ready) return false
    const state = input.fill()
    if (!isTopic(input)) return state === 'ended'
    if (state !== 'empty') return false
    const writers = this.#writers.get(input.name)
    if (writers === undefined) return input.position >= (this.#endAtStart.get(input) as Offset)
    const waited = writers.every(
      (writer) => writer === input || this.#ended.has(writer) || this.#waitsFor(writer, input),
    )
    return settled && waited && input.position >= this.#broker.bounds(input.topic, input.partition).end
  }

  /** Two inputs that wait for each other's end (a loop over a topic) end together when both are read. */
  #waitsFor(input: Input, other: Input): boolean {
    const writers = isTopic(input) ? this.#writers.get(input.name) : undefined
    return writers?.includes(other) === true && !input.ready && input.fill() === 'empty'
  }
}

function isTopic({ lanes }: Input): boolean {
  return lanes[0]?.node.kind === 'topicSource'
}
