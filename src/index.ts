/// <reference lib="esnext.disposable" />

export { type ErrorCode, isMillraceError, MillraceError } from './base/errors.ts'
export type { EngineState, EngineStatus, InputStatus } from './flow/runtime/engine-port.ts'
export {
  type OpenLog,
  open,
  type SendArguments,
  type SendOptions,
  type TopicState,
} from './run/open.ts'
export type { Checked, Place } from './run/place.ts'
export { type Running, type RunOptions, run } from './run/run.ts'
export type { From, ReadOptions } from './run/topic-reader.ts'
export * from './streams/index.ts'
