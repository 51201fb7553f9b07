import { answered } from '../base/answered.ts'
import type { Offset } from '../base/brands.ts'
import type { HousekeepingReport, HousekeepingStatus, TopicChanges, TopicDetails } from '../broker/admin.ts'
import type { TopicDescription } from '../broker/broker.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import type { TopicSettings } from '../record/topic-settings.ts'
import { checkOptions, checkText, wrong } from './argument-checks.ts'
import { knownTopic } from './topics.ts'

/** What an operator may do with topics. Settings have Kafka's meanings; times are milliseconds, sizes bytes. */
export class TopicAdmin {
  readonly #broker: FullBroker

  /** Use `log.admin`. */
  constructor(broker: FullBroker) {
    this.#broker = broker
  }

  /** Throws MILLRACE_TOPIC_EXISTS, MILLRACE_INVALID_ARGUMENT. */
  async createTopic(name: string, settings: TopicSettings): Promise<TopicDescription> {
    checkTopic(name)
    checkOptions(settings, `the settings of ${name}`)
    return answered<TopicDescription>((answer) => this.#broker.createTopic(name, settings, answer))
  }

  /**
   * Changes settings, and adds partitions: keys move to other partitions then, their earlier records stay where they
   * are. Throws MILLRACE_UNKNOWN_TOPIC, MILLRACE_INVALID_ARGUMENT (fewer partitions, a bad setting).
   */
  async alterTopic(name: string, changes: TopicChanges): Promise<TopicDescription> {
    checkTopic(name)
    checkOptions(changes, `the changes of ${name}`)
    return answered<TopicDescription>((answer) => this.#broker.admin.alterTopic(name, changes, answer))
  }

  /** Deletes a topic with all its records. Throws MILLRACE_UNKNOWN_TOPIC. */
  async deleteTopic(name: string): Promise<void> {
    checkTopic(name)
    await answered<void>((answer) => this.#broker.admin.deleteTopic(name, answer))
  }

  /** Undefined: there is none of that name. */
  describeTopic(name: string): TopicDetails | undefined {
    return this.#broker.admin.describeTopic(name)
  }

  /** Deletes the records of a partition before an offset; resolves with its new start. */
  async deleteRecords(name: string, partition: number, before: Offset): Promise<Offset> {
    checkTopic(name)
    for (const [what, value] of Object.entries({ partition, before }))
      if (!Number.isSafeInteger(value)) throw wrong(what, value, 'a whole number')
    const { id } = knownTopic(this.#broker, name)
    return answered<Offset>((answer) => this.#broker.admin.deleteRecords(id, partition, before, answer))
  }

  /** What retention and compaction did and do. */
  housekeeping(): readonly HousekeepingStatus[] {
    return this.#broker.admin.housekeeping.status()
  }

  /** Does all retention and compaction that is due, now and as fast as it goes. */
  keepHouse(): Promise<HousekeepingReport> {
    return answered<HousekeepingReport>((answer) => this.#broker.admin.housekeeping.runOnce(answer))
  }
}

function checkTopic(name: unknown): void {
  checkText(name, 'the name of the topic', 'orders')
}
