import { describe, expect, test } from 'vitest'
import { VirtualTime } from '../../sim/virtual-time.ts'
import type { TopicSourceNode } from '../graph/plan.ts'
import { NOBODY } from '../operators/operator.ts'
import { SourceLane } from '../task/source-lane.ts'
import type { Input, InputState } from './input.ts'
import { InputGroup } from './input-group.ts'
import { marksText, parseMarks } from './mark.ts'
import type { StoredMarks } from './mark-replay.ts'

const clock = new VirtualTime(0)

/** An input whose records are times, and whose later ones are on their way or not there yet. */
class Times implements Input {
  readonly name = 'times'
  readonly topic = 'id-of-times'
  readonly leaderEpoch = 0
  readonly metadata = undefined
  readonly rank: number
  readonly partition: number
  readonly lanes: readonly SourceLane[]
  ready = false
  headTime = 0
  position = 0
  lastRecordAt = 0
  times: number[]
  later = false

  constructor(
    partition: number,
    times: readonly number[],
    parts: { rank?: number; lanes?: number; wait?: number } = {},
  ) {
    this.partition = partition
    this.rank = parts.rank ?? 0
    this.times = [...times]
    const node = {
      kind: 'topicSource',
      outOfOrdernessMs: 0,
      idleAfterMs: 1000,
      maxTaskIdleMs: parts.wait ?? 0,
    } as TopicSourceNode
    this.lanes = Array.from(
      { length: parts.lanes ?? 1 },
      () => new SourceLane(node, partition, 'window:w', NOBODY, undefined),
    )
  }

  fill(): InputState {
    const next = this.times[this.position]
    if (next === undefined) return this.later ? 'later' : 'empty'
    this.headTime = next
    this.ready = true
    return 'ready'
  }

  take(): void {
    for (const lane of this.lanes) lane.advance(this.headTime)
    this.position += 1
    this.ready = false
  }

  status(): never {
    throw new Error('nobody asks')
  }

  close(): void {}
}

function order(group: InputGroup): string[] {
  const taken: string[] = []
  for (let input = group.choose(); input !== undefined; input = group.choose()) {
    taken.push(`${input.partition}:${input.headTime}`)
    input.take()
  }
  return taken
}

function groupOf(inputs: readonly Input[], stored: readonly StoredMarks[] = [], resumed = false): InputGroup {
  return new InputGroup(inputs, clock, resumed, stored)
}

describe('the next record of several inputs (1.7)', () => {
  test('is the one with the smallest timestamp', () => {
    const group = groupOf([new Times(0, [1, 4]), new Times(1, [2, 3])])
    expect(order(group)).toEqual(['0:1', '1:2', '1:3', '0:4'])
  })

  test('at equal timestamps tables come first, then the partition', () => {
    const group = groupOf([new Times(1, [5], { rank: 9 }), new Times(0, [5], { rank: 9 }), new Times(7, [5])])
    expect(order(group)).toEqual(['7:5', '0:5', '1:5'])
  })

  test('waits for an input that has more, not for one that is caught up', () => {
    const waited = new Times(0, [1])
    const group = groupOf([waited, new Times(1, [2, 3]), new Times(2, [])])
    waited.later = true
    expect(order(group)).toEqual(['0:1'])
    waited.later = false
    expect(order(group)).toEqual(['1:2', '1:3'])
  })
})

describe('an input with maxTaskIdle (1.7)', () => {
  test('is waited for so long when it is caught up, and no longer', () => {
    const waited = new Times(0, [1], { wait: 50 })
    const group = groupOf([waited, new Times(1, [2, 3, 6, 7])])
    expect(order(group)).toEqual(['0:1'])
    clock.advance(49)
    expect(order(group)).toEqual([])
    expect(group.dueAt()).toBe(clock.monotonic() + 1)
    // It comes in time, so the order is that of the times, and there is nothing to mark.
    waited.times.push(2.5)
    expect(order(group)).toEqual(['1:2', '0:2.5'])
    clock.advance(50)
    expect(order(group)).toEqual(['1:3', '1:6', '1:7'])
    expect(group.marks.take()).toBeUndefined()
    waited.times.push(5)
    expect(order(group)).toEqual(['0:5'])
    expect(group.marks.take()?.marks).toHaveLength(1)
  })

  test('does not wait for others that have none, nor they for an input that ended', () => {
    const waited = new Times(0, [], { wait: 50 })
    const group = groupOf([waited, new Times(1, [2])])
    expect(order(group)).toEqual([])
    group.remove(waited)
    expect(order(group)).toEqual(['1:2'])
    expect(order(groupOf([new Times(0, [1], { wait: 50 }), new Times(1, [])]))).toEqual(['0:1'])
  })

  test('is not waited for where marks say what went before it', () => {
    const stored: StoredMarks = {
      offset: 0,
      inputs: [
        ['id-of-times', 0, 0],
        ['id-of-times', 1, 2],
      ],
      marks: [{ moved: [], held: [0], idle: [] }],
    }
    const group = groupOf([new Times(0, [1], { wait: 50 }), new Times(1, [2, 3])], [stored])
    expect(order(group)).toEqual(['1:2', '1:3', '0:1'])
  })
})

describe('what is marked (1.5)', () => {
  test('nothing, while the records alone say the order', () => {
    const late = new Times(0, [1])
    const group = groupOf([late, new Times(1, [2, 3])])
    order(group)
    late.times.push(4)
    order(group)
    expect(group.marks.take()).toBeUndefined()
  })

  test('a record that came when later ones had been taken, with the positions of all', () => {
    const late = new Times(0, [1])
    const group = groupOf([late, new Times(1, [2, 5])])
    order(group)
    late.times.push(4)
    expect(order(group)).toEqual(['0:4'])
    expect(group.marks.take()).toEqual({
      inputs: [
        ['id-of-times', 0, 1],
        ['id-of-times', 1, 2],
      ],
      marks: [{ moved: [], held: [0], idle: [] }],
    })
    expect(group.marks.take()).toBeUndefined()
  })

  test('later marks of a commit say only what moved', () => {
    const [first, second] = [new Times(0, [9]), new Times(1, [])]
    const group = groupOf([first, second])
    order(group)
    second.times.push(8)
    order(group)
    first.times.push(20)
    order(group)
    second.times.push(7)
    order(group)
    expect(group.marks.take()?.marks).toEqual([
      { moved: [], held: [1], idle: [] },
      {
        moved: [
          [0, 2],
          [1, 1],
        ],
        held: [1],
        idle: [],
      },
    ])
  })

  test('the first record of each input after a restart: what was taken before is not known', () => {
    const group = groupOf([new Times(0, [1]), new Times(1, [2, 3])], [], true)
    order(group)
    expect(group.marks.take()?.marks.map(({ held }) => held)).toEqual([[0], [1]])
  })

  test('lanes that become idle; not the only one of a group, which holds nobody back', () => {
    const group = groupOf([new Times(0, []), new Times(1, [5])])
    order(group)
    expect(group.becomeIdle(999)).toBe(false)
    expect(group.becomeIdle(1000)).toBe(true)
    expect(group.marks.take()?.marks).toEqual([
      {
        moved: [],
        held: [],
        idle: [
          [0, 'window:w'],
          [1, 'window:w'],
        ],
      },
    ])
    const alone = groupOf([new Times(0, [])])
    expect(alone.becomeIdle(1000)).toBe(true)
    expect(alone.marks.take()).toBeUndefined()
    const twice = groupOf([new Times(0, [], { lanes: 2 })])
    twice.becomeIdle(1000)
    expect(twice.marks.take()?.marks[0]?.idle).toEqual([
      [0, 'window:w'],
      [0, 'window:w#1'],
    ])
  })

  test('an input that has more, or a record at hand, is not idle', () => {
    const waiting = new Times(0, [1])
    waiting.later = true
    const group = groupOf([waiting, new Times(1, [5])])
    order(group)
    expect(group.becomeIdle(5000)).toBe(false)
  })
})

describe('the same order again', () => {
  const stored: StoredMarks[] = [
    {
      offset: 0,
      inputs: [
        ['id-of-times', 0, 1],
        ['id-of-times', 1, 2],
      ],
      marks: [{ moved: [], held: [0], idle: [[1, 'window:w']] }],
    },
  ]

  test('a marked record waits for the others, and idleness comes where it came', () => {
    const idle = new Times(1, [2, 5, 9])
    const group = groupOf([new Times(0, [1, 4, 10]), idle], stored)
    expect(order(group)).toEqual(['0:1', '1:2', '1:5'])
    expect(group.replaying).toBe(true)
    expect(idle.lanes[0]?.idle).toBe(false)
    expect(group.passIdle()).toBe(true)
    expect(idle.lanes[0]?.idle).toBe(true)
    expect(order(group)).toEqual(['0:4', '1:9', '0:10'])
    expect(group.replaying).toBe(false)
    expect(group.passIdle()).toBe(false)
  })

  test('marks behind the positions do nothing, also not again', () => {
    const [first, second] = [new Times(0, [1, 4]), new Times(1, [2, 5, 9])]
    first.position = 1
    second.position = 3
    const group = groupOf([first, second], stored, true)
    expect(order(group)).toEqual(['0:4'])
    expect(second.lanes[0]?.idle).toBe(false)
    expect(group.firstMark).toBeUndefined()
  })

  test('the first record of marks that is ahead is what a restart has to read from', () => {
    const group = groupOf(
      [new Times(0, [1, 4]), new Times(1, [2, 5])],
      [{ ...(stored[0] as StoredMarks), offset: 17 }],
    )
    expect(group.firstMark).toBe(17)
    order(group)
    group.passIdle()
    order(group)
    expect(group.firstMark).toBeUndefined()
  })

  test('marks of inputs that are not there, such as of a topic that was made anew, are left out', () => {
    const other: StoredMarks = {
      offset: 0,
      inputs: [['another', 0, 7]],
      marks: [{ moved: [], held: [0], idle: [] }],
    }
    expect(order(groupOf([new Times(0, [1]), new Times(1, [2])], [other]))).toEqual(['0:1', '1:2'])
  })

  test('what waits for records that are gone does not wait for ever', () => {
    const group = groupOf([new Times(0, [1, 4]), new Times(1, [2])], stored)
    expect(order(group)).toEqual(['0:1', '1:2', '0:4'])
    // The place of the idle mark is not reached either.
    expect(group.replaying).toBe(true)
    expect(group.endReplay()).toBe(true)
    expect(group.replaying).toBe(false)
  })

  test('a renamed step: what was idle of the input is idle', () => {
    const renamed: StoredMarks = {
      offset: 0,
      inputs: [['id-of-times', 0, 0]],
      marks: [{ moved: [], held: [], idle: [[0, 'window:old']] }],
    }
    const input = new Times(0, [], { lanes: 2 })
    const group = groupOf([input], [renamed])
    expect(group.choose()).toBeUndefined()
    expect(group.passIdle()).toBe(true)
    expect(input.lanes.map(({ idle }) => idle)).toEqual([true, true])
  })
})

describe('marks as they are stored', () => {
  const marks = { inputs: [['t', 0, 3]] as const, marks: [{ moved: [], held: [0], idle: [] }] }

  test('come back as they were', () => {
    expect(parseMarks(marksText(marks), 'app-marks-0@4')).toEqual(marks)
  })

  test('of before, without a version, say nothing', () => {
    expect(parseMarks('{"inputs":[],"leftOut":[]}', 'app-marks-0@4')).toBeUndefined()
  })

  test('of a later version, or no JSON, are refused with their place', () => {
    expect(() => parseMarks('{"version":2}', 'app-marks-0@4')).toThrow(/app-marks-0@4 is a mark of version 2/)
    expect(() => parseMarks('{', 'app-marks-0@4')).toThrow(/app-marks-0@4 is no mark/)
  })
})
