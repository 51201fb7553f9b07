/**
 * What another process may ask of the broker of a running app (broker/remote), by name: the shape of the arguments, the
 * call, and what of the remote side's state it changes.
 *
 * The other process may be of another version, or no remote broker at all: arguments are held against their shapes,
 * and batches against their checksums, before the broker, which trusts its callers, sees them.
 */
import { MillraceError } from '../../base/errors.ts'
import type { TopicChanges } from '../../broker/admin.ts'
import type { Answer, CommitGroup, Membership, PartitionBatch } from '../../broker/broker.ts'
import type { FullBroker } from '../../broker/full-broker.ts'
import type {
  CommitPositions,
  GroupMember,
  JoinGroup,
  LeaveGroup,
  NewPosition,
  SyncGroup,
} from '../../broker/groups.ts'
import type {
  AddGroup,
  AddPartitions,
  CommitTransactionPositions,
  EndTransaction,
  InitProducer,
  ProducerAppend,
  TransactionPartition,
  WholeTransaction,
} from '../../broker/transactions.ts'
import type { TopicSettings } from '../../record/topic-settings.ts'
import {
  anything,
  bytes,
  checkShape,
  count,
  fields,
  flag,
  list,
  nullable,
  oneOf,
  optional,
  type Shape,
  text,
  whole,
} from './argument-shapes.ts'
import { checkAppend, checkCommit, checkNotCoordinators } from './foreign-writes.ts'

/** What a call may change of the state of a remote broker. */
export interface Touched {
  readonly partitions?: readonly TransactionPartition[]
  readonly topic?: string
  readonly group?: string
}

export interface BrokerCall {
  /** It may wait for other processes: its caller can go in the meantime, and so can the server. */
  readonly waits: boolean
  /** Throws MILLRACE_INVALID_ARGUMENT. Answers with the value as it is sent. */
  run(broker: FullBroker, args: readonly unknown[], answer: Answer<unknown>): void
  /** Asked before `run`, of arguments that nobody checked: it may throw. */
  touches(broker: FullBroker, args: readonly unknown[]): Touched
}

const partition = { topic: text, partition: count }
const batch = fields({ ...partition, bytes })
const position = fields({ ...partition, offset: count, leaderEpoch: whole, metadata: text })
const memberFields = { group: text, member: text, generation: whole, instance: nullable(text) }
const commitFields = { ...memberFields, positions: list(position) }
const identity = { producerId: count, producerEpoch: whole }
const transaction = { ...identity, transactionalId: text }
const version = oneOf(1, 2)
const joinGroup = fields({
  group: text,
  member: text,
  instance: nullable(text),
  client: text,
  host: text,
  sessionTimeoutMs: count,
  rebalanceTimeoutMs: count,
  protocolType: text,
  protocols: list(fields({ name: text, metadata: bytes })),
})
const commitGroup = fields({
  batches: list(batch),
  positions: list(position),
  membership: fields({ group: text, member: text, generation: whole }),
  conditions: list(fields({ ...partition, end: count })),
})

/** What the arguments were checked to be. */
type Run<A extends readonly unknown[]> = (broker: FullBroker, args: A, answer: Answer<unknown>) => void
type Touches<A extends readonly unknown[]> = (args: A, broker: FullBroker) => Touched

function call<A extends readonly unknown[]>(
  shapes: readonly Shape[],
  run: Run<A>,
  touches: Touches<A> = () => ({}),
  waits = false,
): BrokerCall {
  return {
    waits,
    run: (broker, args, answer) => {
      for (const [index, shape] of shapes.entries()) checkShape(shape, args[index], `argument ${index + 1}`)
      run(broker, args as A, answer)
    },
    touches: (broker, args) => touches(args as A, broker),
  }
}

const CALLS: Readonly<Record<string, BrokerCall>> = {
  'broker.createTopic': call<[string, TopicSettings]>(
    [text, anything],
    (broker, [name, settings], answer) => broker.createTopic(name, settings, answer),
    ([topic]) => ({ topic }),
  ),
  'broker.offsetForTime': call<[string, number, number]>([text, count, whole], (broker, args, answer) =>
    broker.offsetForTime(...args, answer),
  ),
  'broker.append': call<[readonly PartitionBatch[]]>(
    [list(batch)],
    (broker, [batches], answer) => {
      checkAppend(broker, batches)
      broker.append(batches, answer)
    },
    ([partitions]) => ({ partitions }),
  ),
  'broker.join': call<[string]>([text], (broker, [group], answer) =>
    joinWithPositions(broker, group, answer),
  ),
  'broker.commit': call<[CommitGroup]>(
    [commitGroup],
    (broker, [group], answer) => {
      checkCommit(broker, group.batches)
      broker.commit(group, (outcome) => answer(undefined, outcome))
    },
    ([{ batches }]) => ({ partitions: batches }),
  ),
  'broker.releaseChangelog': call<[string, number, number]>(
    [text, count, count],
    (broker, args, answer) => {
      checkNotCoordinators(broker, args[0])
      broker.releaseChangelog(...args)
      answer(undefined, undefined)
    },
    ([topic, index]) => ({ partitions: [{ topic, partition: index }] }),
  ),
  'admin.alterTopic': call<[string, TopicChanges]>(
    [text, anything],
    (broker, [name, changes], answer) => broker.admin.alterTopic(name, changes, answer),
    ([topic]) => ({ topic }),
  ),
  'admin.deleteTopic': call<[string]>(
    [text],
    (broker, [name], answer) => broker.admin.deleteTopic(name, answer),
    ([topic]) => ({ topic }),
  ),
  'admin.deleteRecords': call<[string, number, number]>(
    [text, count, count],
    (broker, args, answer) => {
      checkNotCoordinators(broker, args[0])
      broker.admin.deleteRecords(...args, answer)
    },
    ([topic, index]) => ({ partitions: [{ topic, partition: index }] }),
  ),
  'housekeeping.runOnce': call<[]>(
    [],
    (broker, _, answer) => broker.admin.housekeeping.runOnce(answer),
    () => ({}),
    true,
  ),
  ...groupCalls(),
  ...transactionCalls(),
}

/** @throws MillraceError MILLRACE_UNSUPPORTED for a name that this version does not know. */
export function brokerCall(method: string): BrokerCall {
  const known = Object.hasOwn(CALLS, method) ? CALLS[method] : undefined
  if (known !== undefined) return known
  const problem = `this app knows no call ${JSON.stringify(method)}`
  throw new MillraceError(
    'MILLRACE_UNSUPPORTED',
    `${problem}: use the same version of millrace on both sides`,
  )
}

function groupCalls(): Record<string, BrokerCall> {
  const ofGroup = ([{ group }]: readonly [{ readonly group: string }]): Touched => ({ group })
  const named = ([group]: readonly [string, ...unknown[]]): Touched => ({ group })
  return {
    'groups.join': call<[JoinGroup]>(
      [joinGroup],
      (broker, [request], answer) => broker.groups.join(elsewhere(request), answer),
      ofGroup,
      true,
    ),
    'groups.reserveMember': call<[JoinGroup]>([joinGroup], (broker, [request], answer) =>
      broker.groups.reserveMember(elsewhere(request), answer),
    ),
    'groups.sync': call<[SyncGroup]>(
      [fields({ ...memberFields, assignments: list(fields({ member: text, assignment: bytes })) })],
      (broker, [request], answer) => broker.groups.sync(request, answer),
      ofGroup,
      true,
    ),
    'groups.heartbeat': call<[GroupMember]>([fields(memberFields)], (broker, [request], answer) =>
      broker.groups.heartbeat(request, answer),
    ),
    'groups.leave': call<[LeaveGroup]>(
      [fields({ group: text, members: list(fields({ member: text, instance: nullable(text) })) })],
      (broker, [request], answer) => broker.groups.leave(request, answer),
      ofGroup,
    ),
    'groups.commit': call<[CommitPositions]>(
      [fields(commitFields)],
      (broker, [request], answer) => broker.groups.commit(request, answer),
      ofGroup,
    ),
    'groups.positions': call<[string]>([text], (broker, [group], answer) =>
      broker.groups.positions(group, answer),
    ),
    'groups.reset': call<[string, readonly NewPosition[]]>(
      [text, list(position)],
      (broker, [group, positions], answer) => broker.groups.reset(group, positions, answer),
      named,
    ),
    'groups.delete': call<[string]>(
      [text],
      (broker, [group], answer) => broker.groups.delete(group, answer),
      named,
    ),
  }
}

function transactionCalls(): Record<string, BrokerCall> {
  return {
    'transactions.initProducer': call<[InitProducer]>(
      [
        fields({
          transactionalId: nullable(text),
          timeoutMs: count,
          producer: optional(fields(identity)),
          version,
        }),
      ],
      (broker, [request], answer) => broker.transactions.initProducer(request, answer),
    ),
    'transactions.addPartitions': call<[AddPartitions]>(
      [fields({ ...transaction, partitions: list(fields(partition)) })],
      (broker, [request], answer) => broker.transactions.addPartitions(request, answer),
    ),
    'transactions.addGroup': call<[AddGroup]>(
      [fields({ ...transaction, group: text })],
      (broker, [request], answer) => broker.transactions.addGroup(request, answer),
    ),
    'transactions.append': call<[ProducerAppend]>(
      [fields({ ...identity, transactionalId: nullable(text), batches: list(batch) })],
      (broker, [request], answer) => {
        checkAppend(broker, request.batches)
        broker.transactions.append(request, answer)
      },
      ([{ batches }]) => ({ partitions: batches }),
    ),
    'transactions.commitPositions': call<[CommitTransactionPositions]>(
      [fields({ ...transaction, ...commitFields })],
      (broker, [request], answer) => broker.transactions.commitPositions(request, answer),
    ),
    'transactions.end': call<[EndTransaction]>(
      [fields({ ...transaction, committed: flag, version })],
      (broker, [request], answer) => broker.transactions.end(request, answer),
      // An end moves the last stable offset of all its partitions.
      ([{ transactionalId }], broker) => ({
        partitions: broker.transactions.describe(transactionalId)?.partitions ?? [],
      }),
    ),
    'transactions.commitWhole': call<[WholeTransaction]>(
      [fields({ batches: list(batch), positions: list(fields(commitFields)) })],
      (broker, [request], answer) => {
        checkAppend(broker, request.batches)
        broker.transactions.commitWhole(request, answer)
      },
      ([{ batches }]) => ({ partitions: batches }),
    ),
  }
}

/** A member without a place would count as one of this process, and be gone when the log is opened again. */
function elsewhere(request: JoinGroup): JoinGroup {
  return request.host === '' ? { ...request, host: 'http' } : request
}

function joinWithPositions(
  broker: FullBroker,
  group: string,
  answer: Answer<{ readonly membership: Membership; readonly positions: unknown }>,
): void {
  broker.join(group, (error, membership) => {
    if (membership === undefined) answer(error, undefined)
    else answer(undefined, { membership, positions: broker.positions(group) })
  })
}
