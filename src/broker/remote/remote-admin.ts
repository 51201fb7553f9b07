import type { Offset, PartitionId, TopicId } from '../../base/brands.ts'
import type {
  BrokerAdmin,
  BrokerHousekeeping,
  HousekeepingReport,
  TopicChanges,
  TopicDetails,
} from '../admin.ts'
import type { Answer, TopicDescription } from '../broker.ts'
import type { Connection } from './connection.ts'
import type { RemoteState } from './remote-state.ts'

/** What an operator may do with the topics of a log that an app in another process holds. */
export class RemoteAdmin implements BrokerAdmin {
  readonly housekeeping: BrokerHousekeeping
  readonly #connection: Connection
  readonly #state: () => RemoteState

  constructor(connection: Connection, state: () => RemoteState) {
    this.#connection = connection
    this.#state = state
    this.housekeeping = {
      status: () => state().housekeeping,
      runOnce: (answer: Answer<HousekeepingReport>) =>
        connection.callAlone('housekeeping.runOnce', [], answer),
    }
  }

  alterTopic(name: string, changes: TopicChanges, answer: Answer<TopicDescription>): void {
    this.#connection.call('admin.alterTopic', [name, changes], answer)
  }

  deleteTopic(name: string, answer: Answer<void>): void {
    this.#connection.call('admin.deleteTopic', [name], answer)
  }

  deleteRecords(topic: TopicId, partition: PartitionId, before: Offset, answer: Answer<Offset>): void {
    this.#connection.call('admin.deleteRecords', [topic, partition, before], answer)
  }

  describeTopic(name: string): TopicDetails | undefined {
    return this.#state().details(name)
  }
}
