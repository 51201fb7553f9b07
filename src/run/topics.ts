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

/** Topics of records that are sent, made when there are none. Records that wait for one keep their order. */
export class TopicsOfSends {
  readonly #broker: Broker
  /** By topic: the last one that waits. It is gone when nobody waits. */
  readonly #waiting = new Map<string, Promise<TopicDescription>>()

  constructor(broker: Broker) {
    this.#broker = broker
  }

  /** A promise while the topic is made, and for whoever comes before all that wait for it have gone on. */
  get<K, Out, In>(topic: Topic<K, Out, In>): TopicDescription | Promise<TopicDescription> {
    // Anything else is refused here, in words.
    topicSpecOf(topic)
    const before = this.#waiting.get(topic.name)
    const known = before === undefined ? ensureTopic(this.#broker, topic) : this.#behind(before, topic)
    if (!(known instanceof Promise)) return known
    this.#waiting.set(topic.name, known)
    const gone = (): void => {
      if (this.#waiting.get(topic.name) === known) this.#waiting.delete(topic.name)
    }
    known.then(gone, gone)
    return known
  }

  /** Resolves when all that wait now have gone on. */
  async settled(): Promise<void> {
    if (this.#waiting.size > 0) await Promise.allSettled(this.#waiting.values())
  }

  #behind<K, Out, In>(
    before: Promise<TopicDescription>,
    topic: Topic<K, Out, In>,
  ): Promise<TopicDescription> {
    const make = (): TopicDescription | Promise<TopicDescription> => ensureTopic(this.#broker, topic)
    return before.then(make, make)
  }
}

/** @throws MillraceError MILLRACE_UNKNOWN_TOPIC, with the names that there are. */
export function knownTopic(broker: Broker, name: string): TopicDescription {
  const description = broker.topic(name)
  if (description !== undefined) return description
  const names = broker.topics().filter(({ internal }) => !internal)
  const list = names.map((topic) => topic.name).join(', ') || 'none'
  throw new MillraceError('MILLRACE_UNKNOWN_TOPIC', `there is no topic ${name}; there is: ${list}`)
}
