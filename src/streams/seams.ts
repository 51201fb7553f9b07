import type { Source as ConnectorSource, Sink } from '../flow/graph/connector.ts'
import { carry } from './carried.ts'
import type { accepts, topicOrFile, topicWithAKey } from './markers.ts'

/**
 * What `stream(...)` reads: a topic, a file. `K` is `null` where records have no key.
 *
 * Made by `topic(...)`, and by connectors such as `lines(path)` of `millrace/files`.
 */
export interface Source<out K, out V> {
  readonly [topicOrFile]: readonly [key: K, value: V]
}

/**
 * What `.to(...)` writes to: a topic, a file. A destination without keys takes records of any key.
 *
 * Made by `topic(...)`, and by connectors such as `jsonl(path)` of `millrace/files`.
 */
export interface Destination<in K, in V> {
  readonly [accepts]: (key: K, value: V) => void
}

/** A destination that keeps the latest value of each key: a topic that has a key. Only there a table can go. */
export interface TableDestination<in K, in V> extends Destination<K, V> {
  readonly [topicWithAKey]: true
}

/** Makes a connector's source into what `stream(...)` takes. For authors of connectors. */
export function sourceOf<V>(source: ConnectorSource): Source<null, V> {
  return connector<V, never>({ source })
}

/** Makes a connector's sink into what `.to(...)` takes. For authors of connectors. */
export function destinationOf<V>(sink: Sink): Destination<unknown, V> {
  return connector<never, V>({ sink })
}

/** Both directions in one value, for a format that is read and written: `jsonl(path, schema)`. */
export function connector<Out, In>(parts: {
  readonly source?: ConnectorSource
  readonly sink?: Sink
}): Source<null, Out> & Destination<unknown, In> {
  const value = carry({}, { connector: { source: parts.source, sink: parts.sink } })
  // The members of the two interfaces exist only in types.
  return value as Source<null, Out> & Destination<unknown, In>
}
