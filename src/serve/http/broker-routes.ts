import type { PartitionId, TopicId } from '../../base/brands.ts'
import { isMillraceError, MillraceError, messageOf } from '../../base/errors.ts'
import type { TopicDetails } from '../../broker/admin.ts'
import type { FullBroker } from '../../broker/full-broker.ts'
import type { GroupDescription, JoinedGroup, JoinGroup } from '../../broker/groups.ts'
import { decodeMessage, encodeMessage } from '../../broker/remote/message.ts'
import {
  type BrokerState,
  type CallsRequest,
  type CallsResponse,
  MESSAGE_BYTES_MAX,
  type OperatorState,
  type PartitionBoundsOf,
  type StateChanges,
  type StateRequest,
} from '../../broker/remote/protocol.ts'
import type { AppFacade } from './app-facade.ts'
import { anything, checkShape, fields, flag, list, type Shape, text } from './argument-shapes.ts'
import { type BrokerCall, brokerCall, type Touched } from './broker-calls.ts'
import type { HttpExchange } from './http-exchange.ts'

const callsRequest = fields({ calls: list(fields({ method: text, args: list(() => undefined) })) })
const stateRequest = fields({ whole: flag })

type Outcome = CallsResponse['answers'][number]

/** `POST /broker/state`: what a remote broker answers without asking. */
export async function brokerState(app: AppFacade, exchange: HttpExchange): Promise<void> {
  const { whole } = (await messageOfRequest(exchange, stateRequest)) as StateRequest
  const { broker } = app
  const topics = broker.topics().map((topic) => {
    const bounds = Array.from({ length: topic.partitions }, (_, index) => broker.bounds(topic.id, index))
    return { ...topic, bounds }
  })
  const base: BrokerState = { limits: broker.limits, topics }
  exchange.message(encodeMessage(whole ? { ...base, whole: operatorState(broker) } : base))
}

/** `POST /broker/calls`: begins the calls in their order, and answers when all are answered. */
export async function brokerCalls(app: AppFacade, exchange: HttpExchange): Promise<void> {
  const { calls } = (await messageOfRequest(exchange, callsRequest)) as CallsRequest
  const known = calls.map(({ method, args }) => ({ call: brokerCall(method), method, args }))
  const touched = known.map(({ call, args }): Touched => {
    try {
      return call.touches(app.broker, args)
    } catch {
      // Arguments of another shape: the call itself says so.
      return {}
    }
  })
  const outcomes = Promise.all(
    known.map(({ call, method, args }) =>
      outcomeOf(app.broker, call, args, lateFor(app, exchange, method, args)),
    ),
  )
  const mayGo = known.length > 0 && known.every(({ call }) => call.waits)
  const answers = mayGo ? await Promise.race([outcomes, gone(exchange.signal)]) : await outcomes
  if (answers === undefined) {
    // The server closes, or nobody waits for this any more.
    exchange.response.destroy()
    return
  }
  const response: CallsResponse = { answers, changes: changesOf(app.broker, touched) }
  exchange.message(encodeMessage(response))
}

/** @throws MillraceError MILLRACE_INVALID_ARGUMENT. */
export async function messageOfRequest(exchange: HttpExchange, shape: Shape): Promise<unknown> {
  const message = decodeMessage(await exchange.body(MESSAGE_BYTES_MAX))
  checkShape(anything, message, 'the message')
  checkShape(shape, message, 'the message')
  return message
}

/** Resolves when the other side is gone, or this one closes. */
export function gone(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined)
    else signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
}

function outcomeOf(
  broker: FullBroker,
  call: BrokerCall,
  args: readonly unknown[],
  late: (value: unknown) => void,
): Promise<Outcome> {
  return new Promise((resolve) => {
    try {
      call.run(broker, args, (error, value) => {
        if (error === undefined) {
          late(value)
          resolve({ value })
        } else resolve({ error: known(error) })
      })
    } catch (error) {
      resolve({ error: known(error) })
    }
  })
}

function known(error: unknown): MillraceError {
  return isMillraceError(error) ? error : new MillraceError('MILLRACE_ASSERTION', messageOf(error))
}

/** Who joined and went before it heard its member id would hold up the group until its session ends. */
function lateFor(
  app: AppFacade,
  exchange: HttpExchange,
  method: string,
  args: readonly unknown[],
): (value: unknown) => void {
  if (method !== 'groups.join') return () => undefined
  const { group, member, instance } = args[0] as JoinGroup
  return (value) => {
    if (!exchange.signal.aborted || member !== '' || instance !== null) return
    const joined = value as JoinedGroup
    const members = [{ member: joined.member, instance }]
    app.sys.timers.soon(() => app.broker.groups.leave({ group, members }, () => undefined))
  }
}

function operatorState(broker: FullBroker): OperatorState {
  const { admin, groups, transactions } = broker
  return {
    details: broker.topics().flatMap(({ name }) => admin.describeTopic(name) ?? []),
    groups: groups.list().flatMap(({ group }) => groups.describe(group) ?? []),
    transactions: transactions.list().flatMap((one) => transactions.describe(one.transactionalId) ?? []),
    housekeeping: admin.housekeeping.status(),
  }
}

function changesOf(broker: FullBroker, touched: readonly Touched[]): StateChanges {
  const partitions = new Map<string, PartitionBoundsOf>()
  const [topics, goneTopics]: [Map<string, TopicDetails>, Set<string>] = [new Map(), new Set()]
  const [groups, goneGroups]: [Map<string, GroupDescription>, Set<string>] = [new Map(), new Set()]
  for (const { partitions: places = [], topic, group } of touched) {
    for (const { topic: id, partition } of places) {
      const name = `${id}/${partition}`
      if (!partitions.has(name)) for (const one of boundsOf(broker, id, partition)) partitions.set(name, one)
    }
    if (topic !== undefined) {
      const details = broker.admin.describeTopic(topic)
      if (details === undefined) goneTopics.add(topic)
      else topics.set(topic, details)
    }
    if (group !== undefined && !groups.has(group)) {
      const description = broker.groups.describe(group)
      if (description === undefined) goneGroups.add(group)
      else groups.set(group, description)
    }
  }
  return {
    bounds: [...partitions.values()],
    topics: [...topics.values()],
    goneTopics: [...goneTopics],
    groups: [...groups.values()],
    goneGroups: [...goneGroups],
  }
}

function boundsOf(broker: FullBroker, topic: TopicId, partition: PartitionId): readonly PartitionBoundsOf[] {
  try {
    return [{ topic, partition, bounds: broker.bounds(topic, partition) }]
  } catch {
    // There is no such partition: the call's own answer says so.
    return []
  }
}
