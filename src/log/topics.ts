import type { TopicId } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import type { TopicSettings } from '../record/topic-settings.ts'
import { ENTRY_TYPE, type EntryType } from './journal-entry.ts'
import type { Answer, LogBatch, LogTopic } from './log.ts'
import type { Partition, PartitionHost } from './partition.ts'
import { newPartitionRecords, type TopicRecord, writeShape } from './shape-entries.ts'
import { Topic } from './topic.ts'
import { type CompleteSettings, changedSettings, checkedSettings } from './topic-settings.ts'

export interface TopicsHost {
  /** The log's folder. */
  readonly folder: string
  readonly partitions: PartitionHost
  readonly newId: () => TopicId
  /** Why the log takes nothing. */
  readonly stopped: () => Error | undefined
  /** Journals a change: `written` when it is in the journal, `done` when it is durable or refused. */
  readonly change: (
    type: EntryType,
    body: Uint8Array,
    written: () => void,
    done: (error: Error | undefined) => void,
  ) => void
  /** The topic is gone for good: its files may go. */
  readonly deleted: (topic: Topic) => void
}

/**
 * The topics of a log by name and id, and their changes. Changes that name the same topic are taken one after the
 * other; each is one entry of the journal, and counts when that is durable.
 */
export class Topics {
  readonly #host: TopicsHost
  /** In the journal, so a checkpoint names them; acknowledged ones are in the two maps. */
  readonly #written = new Map<TopicId, Topic>()
  readonly #byName = new Map<string, Topic>()
  readonly #byId = new Map<TopicId, Topic>()
  /** Names with a change under way, and the changes that wait for its end. */
  readonly #waiting = new Map<string, Turns>()

  constructor(host: TopicsHost, records: readonly TopicRecord[]) {
    this.#host = host
    for (const record of records) {
      const topic = new Topic(host.partitions, host.folder, record)
      this.#written.set(topic.id, topic)
      this.#publish(topic)
    }
  }

  /** By name. */
  all(): readonly Topic[] {
    return [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  byName(name: string): Topic | undefined {
    return this.#byName.get(name)
  }

  byId(id: TopicId): Topic | undefined {
    return this.#byId.get(id)
  }

  /** What a checkpoint says. */
  records(): TopicRecord[] {
    return [...this.#written.values()].map((topic) => topic.record())
  }

  /** Of every topic that a checkpoint names. */
  *partitions(): Generator<Partition, void, undefined> {
    for (const topic of this.#written.values()) yield* topic.partitions
  }

  /** @throws MillraceError MILLRACE_UNKNOWN_TOPIC, MILLRACE_INVALID_ARGUMENT. */
  partitionOf({ topic, partition }: LogBatch): Partition {
    const found = this.#byId.get(topic)
    if (found === undefined) {
      throw new MillraceError(
        'MILLRACE_UNKNOWN_TOPIC',
        `there is no topic with the id ${topic} in ${this.#host.folder}`,
      )
    }
    const result = found.partitions[partition]
    if (result === undefined) {
      throw new MillraceError(
        'MILLRACE_INVALID_ARGUMENT',
        `topic ${found.name} has partitions 0 to ${found.partitions.length - 1}, not ${partition}`,
      )
    }
    return result
  }

  create(name: string, settings: TopicSettings, answer: Answer<LogTopic>): void {
    const complete = checkedSettings(name, settings)
    this.#inTurn(name, answer, (done) => {
      const known = this.#byName.get(name)
      if (known === undefined) this.#create(name, complete, done)
      else answerExisting(known, complete, done)
    })
  }

  alter(name: string, changes: Partial<TopicSettings>, answer: Answer<LogTopic>): void {
    this.#inTurn(name, answer, (done) => {
      const topic = this.#byName.get(name)
      if (topic === undefined) done(unknown(name, this.#host.folder), undefined)
      else this.#alter(topic, changes, done)
    })
  }

  delete(name: string, answer: Answer<void>): void {
    this.#inTurn(name, answer, (done) => {
      const topic = this.#byName.get(name)
      if (topic === undefined) done(unknown(name, this.#host.folder), undefined)
      else this.#delete(topic, done)
    })
  }

  #create(name: string, settings: CompleteSettings, done: Answer<LogTopic>): void {
    const stopped = this.#host.stopped()
    if (stopped !== undefined) {
      done(stopped, undefined)
      return
    }
    const created = { id: this.#host.newId(), name, settings }
    const partitions = newPartitionRecords(settings.partitions)
    const topic = new Topic(this.#host.partitions, this.#host.folder, { ...created, partitions })
    this.#host.change(
      ENTRY_TYPE.topicCreated,
      writeShape(created),
      () => this.#written.set(topic.id, topic),
      (error) => {
        if (error === undefined) this.#publish(topic)
        done(error, error === undefined ? topic : undefined)
      },
    )
  }

  #alter(topic: Topic, changes: Partial<TopicSettings>, done: Answer<LogTopic>): void {
    let settings: CompleteSettings
    try {
      settings = changedSettings(topic.name, topic.settings, changes)
    } catch (error) {
      done(error as Error, undefined)
      return
    }
    const stopped = this.#host.stopped()
    if (stopped !== undefined) {
      done(stopped, undefined)
      return
    }
    const shape = topic.changed(settings)
    this.#host.change(
      ENTRY_TYPE.topicAltered,
      writeShape({ id: topic.id, settings }),
      () => topic.write(shape),
      (error) => {
        if (error === undefined) topic.publish()
        done(error, error === undefined ? topic : undefined)
      },
    )
  }

  /** Nothing is appended or read from this step on, so nothing of the topic lies behind its end in the journal. */
  #delete(topic: Topic, done: Answer<void>): void {
    const stopped = this.#host.stopped()
    if (stopped !== undefined) {
      done(stopped, undefined)
      return
    }
    this.#byName.delete(topic.name)
    this.#byId.delete(topic.id)
    for (const partition of topic.partitions) partition.removed = true
    this.#host.change(
      ENTRY_TYPE.topicDeleted,
      writeShape({ id: topic.id }),
      () => this.#written.delete(topic.id),
      (error) => {
        if (error === undefined) this.#host.deleted(topic)
        else {
          for (const partition of topic.partitions) partition.removed = false
          this.#publish(topic)
        }
        done(error, undefined)
        // They read on, and learn it.
        for (const partition of topic.partitions) partition.tellFollowers()
      },
    )
  }

  #publish(topic: Topic): void {
    this.#byName.set(topic.name, topic)
    this.#byId.set(topic.id, topic)
  }

  /** Changes of one name go one after the other. A loop, not a recursion: thousands may wait, and be done at once. */
  #inTurn<T>(name: string, answer: Answer<T>, run: (done: Answer<T>) => void): void {
    const turn = (next: () => void) =>
      run((error, value) => {
        try {
          answer(error, value)
        } finally {
          next()
        }
      })
    const waiting = this.#waiting.get(name)
    if (waiting !== undefined) {
      waiting.list.push(turn)
      return
    }
    const turns = { list: [turn], at: 0 }
    this.#waiting.set(name, turns)
    this.#takeTurns(name, turns)
  }

  #takeTurns(name: string, turns: Turns): void {
    let taking = true
    let inside = false
    const next = (): void => {
      turns.at += 1
      if (inside) taking = true
      else this.#takeTurns(name, turns)
    }
    while (taking) {
      const turn = turns.list[turns.at]
      if (turn === undefined) {
        this.#waiting.delete(name)
        return
      }
      taking = false
      inside = true
      turn(next)
      inside = false
    }
  }
}

/** Calls `next` when it is done, perhaps before it returns. */
type Turn = (next: () => void) => void

interface Turns {
  readonly list: Turn[]
  /** Whose turn it is. */
  at: number
}

function answerExisting(topic: LogTopic, wanted: CompleteSettings, answer: Answer<LogTopic>): void {
  const { partitions } = topic.settings
  if (partitions === wanted.partitions) {
    answer(undefined, topic)
    return
  }
  answer(
    new MillraceError(
      'MILLRACE_TOPIC_EXISTS',
      `topic ${topic.name} exists with ${partitions} partitions, not ${wanted.partitions}; use that number, or another name`,
    ),
    undefined,
  )
}

function unknown(name: string, folder: string): MillraceError {
  return new MillraceError('MILLRACE_UNKNOWN_TOPIC', `there is no topic ${JSON.stringify(name)} in ${folder}`)
}
