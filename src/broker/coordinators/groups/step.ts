import type { MillraceError } from '../../../base/errors.ts'
import type { Answer } from '../../broker.ts'
import type { CoordinatorRecord, Moment } from '../coordinator.ts'

/**
 * What one operation of the machine leaves to its caller: records to apply and to write, and answers that go out when
 * they are durable, to whoever asked and to those who waited. A refusal needs no record and waits as well, so that
 * answers come in the order of the operations.
 */
export class Step {
  readonly now: Moment
  readonly records: CoordinatorRecord[] = []
  readonly #answers: ((error: Error | undefined) => void)[] = []

  constructor(now: Moment) {
    this.now = now
  }

  get isEmpty(): boolean {
    return this.records.length + this.#answers.length === 0
  }

  write(...records: readonly CoordinatorRecord[]): void {
    for (const record of records) this.records.push(record)
  }

  answer<T>(answer: Answer<T>, value: T): void {
    this.#answers.push((error) => answer(error, error === undefined ? value : undefined))
  }

  refuse<T>(answer: Answer<T>, refusal: MillraceError): void {
    this.#answers.push((error) => answer(error ?? refusal, undefined))
  }

  /** The records are durable, or they could not be written. */
  settle(error: Error | undefined): void {
    for (const answer of this.#answers) answer(error)
  }
}
