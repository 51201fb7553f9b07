export type { DurationMs, Offset, PartitionId, Timestamp } from '../base/brands.ts'
export { type Duration, type DurationUnit, ms } from '../base/duration.ts'
export type { Sink, Source as ConnectorSource } from '../flow/graph/connector.ts'
export type { ErrorPolicy } from '../flow/graph/plan.ts'
export type { Key, KeyPart } from '../record/key-codec.ts'
export type { RecordHeader } from '../record/record.ts'
export type { Serde, TextSource } from '../record/serde.ts'
export { bytes, json, text } from '../record/serdes.ts'
export {
  type Aggregation,
  average,
  type CustomAggregate,
  collect,
  count,
  countDistinct,
  custom,
  max,
  min,
  type Ordered,
  type RowAggregation,
  sum,
  top,
  type ValueAggregation,
} from './aggregates.ts'
export { type App, app, type Leaves } from './app.ts'
export type { Left, Passed } from './branches.ts'
export type { Keyed, Records, Rows } from './keyed.ts'
export type { LogRecord } from './log-record.ts'
export { deadLetter, skip, stop } from './on-error.ts'
export {
  type Configurable,
  type DurationSchema,
  duration,
  type OptionSchemas,
  type Options,
  type OptionsGiven,
  withOptions,
} from './options.ts'
export type { Leaf, Output } from './output.ts'
export type { AggregatesFor, RowAggregatesFor, WindowKey, WindowOf } from './rows.ts'
export {
  connector,
  type Destination,
  destinationOf,
  type Source,
  sourceOf,
  type TableDestination,
} from './seams.ts'
export { type StreamOf, type StreamOptions, stream } from './source-stream.ts'
export type {
  GroupedWindows,
  KeyedStream,
  Stream,
  WindowedStream,
  WindowResult,
  WindowRows,
} from './stream.ts'
export type { GroupedTable, Table } from './table.ts'
export {
  type DestinationKey,
  type Format,
  type KeyedTopicOptions,
  type KeyOf,
  type ReadOf,
  type Topic,
  type TopicOptions,
  topic,
  type WrittenOf,
} from './topic.ts'
export type { Item, Many, NoPromise, StreamRecord } from './user-function.ts'
export { type View, view } from './view.ts'
export type {
  Change,
  ChangesFrom,
  DriverView,
  DriverViewsOf,
  KeyPrefix,
  Position,
  ReadableView,
  Sent,
  ViewRange,
  ViewsOf,
} from './view-types.ts'
export { hopping, type SessionWindow, session, tumbling, type Window, type Windows } from './windows.ts'
