import type { LeaderEpoch, Offset } from '../src/base/brands.ts'
import type { FullBroker } from '../src/broker/full-broker.ts'
import type { Model } from './model/model.ts'
import { placeOf } from './model/place.ts'
import type { SentRecord } from './model/sent-record.ts'
import type { SentTransaction } from './model/sent-transaction.ts'

/** What openings since the last look took away. */
export interface Lost {
  /** By place: from there on nothing that was read before needs to be there. */
  readonly from: ReadonlyMap<string, Offset>
  /** What was taken and must not have been. */
  readonly problems: readonly string[]
}

/**
 * What the power takes from topics with durability `os`: of each partition its end. A group of batches that one of the
 * others holds as well is as durable as that one, and none goes in parts; readers are told by a new leader epoch.
 */
export class Losses {
  readonly #model: Model
  readonly #epochs = new Map<string, LeaderEpoch>()
  #from = new Map<string, Offset>()
  #problems: string[] = []

  constructor(model: Model) {
    this.#model = model
  }

  /** @param clean the log was closed before: then nothing may be gone. */
  opened(broker: FullBroker, clean: boolean): void {
    const lost: SentRecord[] = []
    for (const { id, name, partitions, durability } of broker.topics()) {
      for (let partition = 0; durability === 'os' && partition < partitions; partition += 1) {
        const place = placeOf(id, partition)
        const { end, leaderEpoch } = broker.bounds(id, partition)
        const gone = clean ? [] : this.#model.lose(place, end)
        if (!clean) this.#from.set(place, Math.min(end, this.#from.get(place) ?? end))
        const before = this.#epochs.get(place) ?? -1
        this.#epochs.set(place, leaderEpoch)
        if (gone.length > 0 && leaderEpoch <= before) {
          const ids = gone.map((sent) => sent.id).join()
          this.#problems.push(
            `${name}-${partition} lost records ${ids}, and its epoch is ${leaderEpoch} still`,
          )
        }
        lost.push(...gone)
      }
    }
    for (const transaction of new Set(lost.map((sent) => sent.transaction))) {
      if (transaction !== undefined) this.#whole(broker, transaction)
    }
  }

  take(): Lost {
    const taken = { from: this.#from, problems: this.#problems }
    this.#from = new Map()
    this.#problems = []
    return taken
  }

  /** A transaction that lost a record has lost them all, but for those that were deleted. */
  #whole(broker: FullBroker, transaction: SentTransaction): void {
    const left = transaction.records.filter((sent) => {
      const topic = broker.topics().find(({ id }) => id === sent.topic)
      if (sent.outcome !== 'acknowledged' || topic === undefined) return false
      return (sent.offset ?? -1) >= broker.bounds(sent.topic, sent.partition ?? 0).start
    })
    const gone = transaction.records.filter(({ outcome }) => outcome === 'lost')
    transaction.ended = 'unknown'
    if (left.length === 0) return
    const [lost, kept] = [gone, left].map((records) => records.map(({ id }) => id).join())
    this.#problems.push(`of transaction ${transaction.id} records ${lost} are lost, but not ${kept}`)
  }
}
