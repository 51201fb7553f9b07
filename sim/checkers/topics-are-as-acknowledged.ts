import type { Model } from '../model/model.ts'
import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/** A topic whose creation was acknowledged is there with its partitions, until somebody asks for its deletion. */
export class TopicsAreAsAcknowledged implements Checker {
  readonly name = 'topics-are-as-acknowledged'

  check(seen: Seen, model: Model): string | undefined {
    const there = new Map(seen.topics.map((topic) => [topic.id, topic]))
    for (const { id, name, deleted, partitions, partitionsAsked } of model.topics.values()) {
      const topic = there.get(id)
      if (topic === undefined) {
        if (deleted === 'no') return `topic ${name} ${id} is gone`
        continue
      }
      if (deleted === 'yes') return `topic ${name} ${id} was deleted and is there`
      if (topic.partitions < partitions || topic.partitions > partitionsAsked)
        return `topic ${name} has ${topic.partitions} partitions, acknowledged ${partitions}, asked ${partitionsAsked}`
    }
    return undefined
  }
}
