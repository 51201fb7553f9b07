import { PRODUCER_DEFAULTS, Producer } from '../../src/clients/producer.ts'
import { COMPRESSION_NAMES } from '../../src/record/batch-header.ts'
import { recordData, type SentRecord } from '../model/sent-record.ts'
import type { Actor, World } from '../world.ts'
import { drawRecords, drawTopic } from './record-maker.ts'

/** The producer of `clients/` in the log's own process: it dies with it. Keyed, sticky and explicit partitions. */
export class ClientProducer implements Actor {
  readonly name: string
  readonly #world: World
  #producer: Producer | undefined
  #incarnation = 0
  readonly #waiting = new Set<SentRecord>()

  constructor(world: World, name: string) {
    this.#world = world
    this.name = name
  }

  act(): void {
    const { random, sys, broker } = this.#world
    if (this.#producer === undefined) {
      this.#incarnation += 1
      this.#producer = new Producer(sys, broker, {
        ...PRODUCER_DEFAULTS,
        compression: random.chance(0.3) ? (COMPRESSION_NAMES[random.below(5)] ?? 'none') : 'none',
        bufferBytes: random.chance(0.3) ? 500 : 100_000,
        idempotent: random.chance(0.8),
        maxBlockMs: 1000,
      })
    }
    for (let count = 1 + random.below(4); count > 0; count -= 1) this.#send(this.#producer)
  }

  lost(): void {
    for (const sent of this.#waiting) this.#world.model.settle(sent, 'unknown')
    this.#waiting.clear()
    this.#producer = undefined
  }

  #send(producer: Producer): void {
    const { random, model } = this.#world
    const topic = drawTopic(this.#world)
    if (topic === undefined) return
    const explicit = random.chance(0.4) ? random.below(topic.partitions) : undefined
    const writer = `${this.name}.${this.#incarnation}`
    for (const sent of drawRecords(this.#world, writer, topic, explicit, 1)) {
      this.#waiting.add(sent)
      const answer = this.#world.answer<readonly [number, number]>((error, place) => {
        this.#waiting.delete(sent)
        this.#world.note(
          `${writer}: record ${sent.id} for ${topic.name}: ${error?.message ?? place?.join('@')}`,
        )
        if (place !== undefined) model.acknowledge(sent, place[0], place[1])
        else model.settle(sent, this.#world.isRefusal(error as Error) ? 'refused' : 'unknown')
      })
      producer.send(topic, recordData(sent), explicit, (error, partition, offset) =>
        answer(error, error === undefined ? [partition, offset] : undefined),
      )
    }
  }
}
