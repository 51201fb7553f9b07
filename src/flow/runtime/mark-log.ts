import type { Offset } from '../../base/brands.ts'
import type { Broker, TopicDescription } from '../../broker/broker.ts'
import type { PartitionWriter } from '../output/topic-writer.ts'
import { type CommitMarks, marksText, parseMarks } from './mark.ts'
import type { StoredMarks } from './mark-replay.ts'
import { RestoreLog } from './restore-log.ts'

const { utf8Slice } = Buffer.prototype

/** The topic of an app's marks: read from the first one that is not behind the inputs, then written. */
export class MarkLog {
  readonly stored: StoredMarks[] = []
  /** The offset that the next record gets. */
  next: Offset
  readonly #log: RestoreLog
  readonly #writer: PartitionWriter

  /** @param from what the last commit said of `next`, or of the first mark that was still ahead. */
  constructor(
    broker: Broker,
    topic: TopicDescription,
    writer: PartitionWriter,
    from: Offset,
    wake: () => void,
  ) {
    this.#writer = writer
    this.next = broker.bounds(topic.id, 0).end
    this.#log = new RestoreLog(broker, topic, 0, Math.min(from, this.next), wake, (record) => {
      const { offset, valueStart, valueEnd } = record
      const text = utf8Slice.call(record.bytes, valueStart, valueEnd)
      const marks = parseMarks(text, `${topic.name}-0@${offset}`)
      if (marks !== undefined) this.stored.push({ offset, ...marks })
    })
  }

  get done(): boolean {
    return this.#log.done
  }

  /** False: nothing was there now. */
  step(): boolean {
    return this.#log.step()
  }

  write(marks: CommitMarks): void {
    this.#writer.appendText(0, null, marksText(marks))
    this.next += 1
  }

  close(): void {
    this.#log.close()
  }
}
