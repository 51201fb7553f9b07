import type { Offset, ProducerId } from '../../base/brands.ts'
import type { ProducerRecord } from '../producer-entry.ts'
import type { AbortedTransaction } from '../producers.ts'

interface OfProducer {
  /** In the order of their markers. */
  readonly aborted: AbortedTransaction[]
  /** The first of them that is not passed. */
  next: number
  /** Data since its last marker was seen. */
  hasData: boolean
}

/**
 * What a cleaning must know of transactions, as it goes over a partition from its begin on, in the order of offsets.
 * All of them have ended: nothing at or above the last stable offset is cleaned.
 */
export class CleanedTransactions {
  readonly #producers = new Map<ProducerId, OfProducer>()
  readonly #last = new Map<ProducerId, { readonly offset: Offset; readonly epoch: number }>()

  constructor(aborted: readonly AbortedTransaction[], producers: readonly ProducerRecord[]) {
    for (const each of aborted) this.#of(each.producerId).aborted.push(each)
    for (const [producerId, epoch, , , , batches] of producers) {
      this.#last.set(producerId, { offset: batches.at(-1)?.[3] ?? -1, epoch })
    }
  }

  /** Takes note of a transactional batch with records; whether its transaction was aborted. */
  data(producerId: ProducerId, first: Offset): boolean {
    const known = this.#of(producerId)
    known.hasData = true
    const { aborted } = known
    while ((aborted[known.next]?.lastOffset ?? Number.POSITIVE_INFINITY) < first) known.next += 1
    return (aborted[known.next]?.firstOffset ?? Number.POSITIVE_INFINITY) <= first
  }

  /**
   * Takes note of a marker; whether it may go: when its transaction has no batch before it any more. Of an aborted one
   * that is the next cleaning, as readers may be between its records and the marker now.
   */
  marker(producerId: ProducerId): boolean {
    const known = this.#of(producerId)
    const empty = !known.hasData
    known.hasData = false
    return empty
  }

  /**
   * Whether the batch is the last one of a producer: its head stays, even without records. A log whose list of
   * producers is lost, and Kafka's own tools, learn from it how the producer goes on.
   */
  isLast(producerId: ProducerId, lastOffset: Offset, epoch: number, control: boolean): boolean {
    const last = this.#last.get(producerId)
    if (last === undefined) return false
    return last.offset < 0 ? control && last.epoch === epoch : last.offset === lastOffset
  }

  #of(producerId: ProducerId): OfProducer {
    let known = this.#producers.get(producerId)
    if (known === undefined) {
      known = { aborted: [], next: 0, hasData: false }
      this.#producers.set(producerId, known)
    }
    return known
  }
}
