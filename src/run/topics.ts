import { answered } from '../base/answered.ts'
import { MillraceError } from '../base/errors.ts'
import type { Broker, TopicDescription } from '../broker/broker.ts'
import { type Topic, topicSpecOf } from '../streams/topic.ts'

/** The topic as the log has it; made with what its declaration says if there is none. */
export function ensureTopic<K, Out, In>(
  broker: Broker,
  topic: Topic<K, Out, In>,
): TopicDescription | Promise<TopicDescription> {
  const { name, partitions, settings } = topicSpecOf(topic)
  return (
    broker.topic(name) ??
    answered<TopicDescription>((answer) => broker.createTopic(name, { ...settings, partitions }, answer))
  )
}

/** @throws MillraceError MILLRACE_UNKNOWN_TOPIC, with the names that there are. */
export function knownTopic(broker: Broker, name: string): TopicDescription {
  const description = broker.topic(name)
  if (description !== undefined) return description
  const names = broker.topics().filter(({ internal }) => !internal)
  const list = names.map((topic) => topic.name).join(', ') || 'none'
  throw new MillraceError('MILLRACE_UNKNOWN_TOPIC', `there is no topic ${name}; there is: ${list}`)
}
