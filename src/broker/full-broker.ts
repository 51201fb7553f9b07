import type { BrokerAdmin } from './admin.ts'
import type { Broker } from './broker.ts'
import type { GroupPort } from './groups.ts'
import type { TransactionPort } from './transactions.ts'

/** What one node offers to clients; the engine needs only `Broker`. */
export interface FullBroker extends Broker {
  readonly admin: BrokerAdmin
  readonly groups: GroupPort
  readonly transactions: TransactionPort
}
