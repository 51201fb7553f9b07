import type { Offset, TopicId } from '../../src/base/brands.ts'

/** A topic as its user knows it. */
export interface ModelTopic {
  readonly id: TopicId
  readonly name: string
  partitions: number
  partitionsAsked: number
  deleted: 'no' | 'asked' | 'yes'
  /** By partition: the highest offset before which records were asked to be deleted, and acknowledged to be. */
  readonly cutAsked: Map<number, Offset>
  readonly cutDone: Map<number, Offset>
}

export function modelTopic(id: TopicId, name: string, partitions: number): ModelTopic {
  return {
    id,
    name,
    partitions,
    partitionsAsked: partitions,
    deleted: 'no',
    cutAsked: new Map(),
    cutDone: new Map(),
  }
}
