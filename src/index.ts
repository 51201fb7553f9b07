/// <reference lib="esnext.disposable" />

export { type ErrorCode, isMillraceError, MillraceError } from './base/errors.ts'
export type { Isolation } from './broker/broker.ts'
export type { EngineState, EngineStatus, InputStatus } from './flow/runtime/engine-port.ts'
export type { Consumer } from './run/consumer.ts'
export type {
  BatchOptions,
  CommitMode,
  Committable,
  ConsumedTopic,
  ConsumerOptions,
  ConsumerRecord,
  RecordOf,
  WorkContext,
  WorkOptions,
} from './run/consumer-options.ts'
export type {
  GroupLag,
  GroupMemberSummary,
  GroupSummary,
  Groups,
  ResetOptions,
  ResetTo,
} from './run/groups.ts'
export { type OpenLog, type OpenOptions, open, type TopicState } from './run/open.ts'
export type { Checked, Place } from './run/place.ts'
export type { Producer, ProducerOptions } from './run/producer.ts'
export { type Running, type RunOptions, run } from './run/run.ts'
export type { SendArguments, SendOptions } from './run/send-options.ts'
export type { TopicAdmin } from './run/topic-admin.ts'
export type { From, ReadOptions } from './run/topic-reader.ts'
export type { Transaction } from './run/transaction.ts'
export type { TransactionalOptions, TransactionalProducer } from './run/transactional-producer.ts'
export * from './streams/index.ts'
