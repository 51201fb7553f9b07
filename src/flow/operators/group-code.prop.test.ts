import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  type Aggregation,
  aggregatesOf,
  average,
  collect,
  count,
  countDistinct,
  custom,
  max,
  min,
  sum,
  top,
} from '../../streams/aggregates.ts'
import type { Mean } from '../aggregates/average.ts'
import { type Aggregate, type ElementBucket, keepsElements } from '../graph/aggregate.ts'
import { MemoryBucket } from './element-buckets.ts'
import { Group } from './group.ts'
import {
  type AnyAggregate,
  type Field,
  type GroupCode,
  groupCode,
  listedGroupCode,
  takeBack,
} from './group-code.ts'

interface Item {
  readonly n: number
  readonly id: string
  /** The place of the aggregate that throws at it. */
  readonly bad: number
}

type Make = (place: number) => Aggregation<Item, unknown>

/** What a function of a user answers, unless the value is bad for the aggregate at this place. */
function unlessBad<R>(place: number, by: (item: Item) => R): (item: Item) => R {
  return (item) => {
    if (item.bad === place) throw new Error(`bad for ${place}`)
    return by(item)
  }
}

const n = ({ n }: Item): number => n
const id = ({ id }: Item): string => id

/** Changed in place, and taken out again. */
const numbers: Make = (place) =>
  custom({
    name: 'numbers',
    create: () => ({ held: [] as number[] }),
    add: (numbers, item: Item) => {
      numbers.held.push(unlessBad(place, n)(item))
      return numbers
    },
    subtract: (numbers, item: Item) => {
      numbers.held.splice(numbers.held.lastIndexOf(n(item)), 1)
      return numbers
    },
    merge: (left) => left,
    result: ({ held }) => held.toSorted((left, right) => left - right),
  })

/** Made anew for each value, which is not taken out; `undefined` is an accumulator too. */
const last: Make = (place) =>
  custom({
    name: 'last',
    create: (): string | undefined => undefined,
    add: (_, item: Item) => unlessBad(place, id)(item),
    merge: (left) => left,
    result: (held) => held,
  })

/** An aggregate that is an object of a class. */
class Longest {
  readonly kind = 'longest'
  readonly #by: (item: Item) => string

  constructor(by: (item: Item) => string) {
    this.#by = by
  }
  create(): string {
    return ''
  }
  add(held: string, item: Item): string {
    const text = this.#by(item)
    return text.length > held.length ? text : held
  }
  merge(left: string): string {
    return left
  }
  result(held: string): string {
    return `${this.kind} ${held}`
  }
  encode(held: string): unknown {
    return held
  }
  decode(stored: unknown): string {
    return stored as string
  }
}

const kinds: readonly Make[] = [
  () => count(),
  (place) => sum(unlessBad(place, n)),
  (place) => min(unlessBad(place, n)),
  (place) => max(unlessBad(place, id)),
  (place) => average(unlessBad(place, n)),
  (place) => countDistinct(unlessBad(place, id)),
  (place) => collect(unlessBad(place, ({ n, id }) => ({ n, id }))),
  (place) => top(2, unlessBad(place, n), { ties: id }),
  numbers,
  last,
  (place) => new Longest(unlessBad(place, id)) as unknown as Aggregation<Item, unknown>,
]

const ODD_NAMES = [
  '7',
  '0',
  '__proto__',
  'key',
  'window',
  'constructor',
  'toString',
  'toJSON',
  '',
  ' ',
  '"',
  "'",
  '\\',
  '\\"',
  '`${group}`',
  '*/',
  '//',
  '\n',
  '\u2028',
  '\u2029',
  '\ud800',
  'grüße 🌊',
  '"]: 1, ["',
  'own0',
]

const names = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom('a', 'b', 'c', 'd', 'e') },
  { weight: 2, arbitrary: fc.constantFrom(...ODD_NAMES) },
  fc.string({ maxLength: 5 }),
)
const LONGEST_LIST = 6
const lists = fc
  .uniqueArray(fc.tuple(names, fc.constantFrom(...kinds)), {
    minLength: 1,
    maxLength: LONGEST_LIST,
    selector: ([name]) => name,
  })
  .chain((list) => fc.boolean().map((subtracts) => fieldsOf(list, subtracts)))
const items: fc.Arbitrary<Item> = fc.record({
  n: fc.integer({ min: -30, max: 30 }).map((tenths) => tenths / 10),
  id: fc.constantFrom('a', 'ab', 'ä', '😀', '', '__proto__'),
  // Mostly none of them.
  bad: fc.integer({ min: -LONGEST_LIST, max: LONGEST_LIST - 1 }),
})
const windows = fc.constantFrom(undefined, { start: 0, end: 60_000 })

function fieldsOf(list: readonly (readonly [string, Make])[], subtracts: boolean): readonly Field[] {
  return list.map(([name, make], place) => {
    const aggregate = make(place) as unknown as Aggregate
    return { name, aggregate: aggregate as AnyAggregate, apart: keepsElements(aggregate, subtracts) }
  })
}

function groupOf(fields: readonly Field[]): Group {
  const group = new Group(0)
  for (const [index, { aggregate, apart }] of fields.entries())
    group.setAccumulator(index, apart ? new MemoryBucket() : aggregate.create())
  return group
}

/** All that a group holds. */
function stateOf(fields: readonly Field[], group: Group): unknown[] {
  return fields.map(({ aggregate, apart }, index) => {
    const accumulator = group.accumulator(index)
    // The running number of `top` may have been used up: what counts is the order of those who have one.
    return apart
      ? [...(accumulator as ElementBucket).entries()].filter(([element]) => element !== '#').map(unnumbered)
      : storedOf(aggregate, accumulator)
  })
}

/** One exact sum has several forms. */
function storedOf(aggregate: AnyAggregate, accumulator: unknown): unknown {
  if (aggregate.kind === 'sum') return aggregate.result(accumulator)
  if (aggregate.kind === 'average') return [(accumulator as Mean).count, aggregate.result(accumulator)]
  return JSON.stringify(aggregate.encode(accumulator))
}

function unnumbered([element, stored]: readonly [string | number, unknown]): unknown[] {
  if (typeof stored !== 'object' || stored === null || !('since' in stored)) return [element, stored]
  const { since: _, ...others } = stored
  return [element, others]
}

function thrown(run: () => void): unknown {
  try {
    run()
    return undefined
  } catch (error) {
    return error
  }
}

/** Members in their order, with `__proto__` as any other. */
function membersOf(row: object): unknown[] {
  expect(Object.getPrototypeOf(row)).toBe(Object.prototype)
  return Object.entries(row)
}

/** A row put together member by member. */
function builtRow(fields: readonly Field[], key: unknown, window: object | undefined, group: Group): object {
  const row = {}
  const put = (name: string, value: unknown) =>
    Object.defineProperty(row, name, { value, writable: true, enumerable: true, configurable: true })
  put('key', key)
  if (window !== undefined) put('window', window)
  for (const [index, { name, aggregate, apart }] of fields.entries()) {
    const accumulator = group.accumulator(index)
    put(
      name,
      apart ? aggregate.elements?.result(accumulator as ElementBucket) : aggregate.result(accumulator),
    )
  }
  return row
}

/** A group that never saw what some aggregate throws at. */
class Untouched {
  readonly group: Group
  readonly #fields: readonly Field[]

  constructor(fields: readonly Field[]) {
    this.#fields = fields
    this.group = groupOf(fields)
  }

  /** What the first of the aggregates to throw throws, or undefined: then the value is in. */
  add(item: Item): unknown {
    for (const { aggregate, apart } of this.#fields) {
      const error = thrown(() => {
        if (apart) aggregate.elements?.add(new MemoryBucket(), item)
        else aggregate.add(aggregate.create(), item)
      })
      if (error !== undefined) return error
    }
    for (const [index, { aggregate, apart }] of this.#fields.entries()) {
      const accumulator = this.group.accumulator(index)
      if (apart) aggregate.elements?.add(accumulator as ElementBucket, item)
      else this.group.setAccumulator(index, aggregate.add(accumulator, item))
    }
    return undefined
  }
}

const ways: readonly (readonly [string, (fields: readonly Field[]) => GroupCode])[] = [
  ['made', groupCode],
  ['listed', listedGroupCode],
]

describe.each(ways)('the %s loops over aggregates', (_, codeOf) => {
  test('throw what an aggregate throws, and leave no trace of its value in any of them', () => {
    const property = fc.property(lists, fc.array(items, { maxLength: 15 }), (fields, values) => {
      const code = codeOf(fields)
      const group = groupOf(fields)
      const untouched = new Untouched(fields)
      for (const value of values) {
        expect(thrown(() => code.add(group, value))).toEqual(untouched.add(value))
        expect(stateOf(fields, group)).toEqual(stateOf(fields, untouched.group))
      }
    })
    fc.assert(property, { numRuns: 300 })
  })

  test('make the row that is put together member by member, whatever their names', () => {
    const property = fc.property(
      lists,
      fc.array(items, { maxLength: 10 }),
      fc.constantFrom('k', 7, null),
      windows,
      (fields, values, key, window) => {
        const code = codeOf(fields)
        const group = groupOf(fields)
        const untouched = new Untouched(fields)
        for (const value of values) {
          thrown(() => code.add(group, value))
          untouched.add(value)
        }
        const row = code.row(key, window, group)
        expect(membersOf(row)).toEqual(membersOf(builtRow(fields, key, window, untouched.group)))
        expect(JSON.stringify(row)).toBe(JSON.stringify(builtRow(fields, key, window, untouched.group)))
        expect(code.row(key, window, group)).not.toBe(row)
      },
    )
    fc.assert(property, { numRuns: 300 })
  })

  test.each(ODD_NAMES)('have a field called %j', (name) => {
    const fields = fieldsOf(
      [
        ['before', () => count()],
        [name, (place) => sum(unlessBad(place, n))],
        ['behind', last],
      ],
      false,
    )
    const code = codeOf(fields)
    const group = groupOf(fields)
    code.add(group, { n: 5, id: 'five', bad: -1 })
    for (const window of [undefined, { start: 1, end: 2 }]) {
      const row = code.row('k', window, group)
      expect(membersOf(row)).toEqual(membersOf(builtRow(fields, 'k', window, group)))
      expect(Object.getOwnPropertyDescriptor(row, name)).toMatchObject({
        value: 5,
        enumerable: true,
        writable: true,
      })
    }
  })

  test('give back what comes in the order in which it came, where one that is equal is there already', () => {
    const collected: Make = () => collect(({ n, id }: Item) => ({ n, id }))
    const fields = fieldsOf(
      [
        ['all', collected],
        ['bad', (place) => sum(unlessBad(place, n))],
      ],
      false,
    )
    expect(fields[0]).toMatchObject({ apart: true })
    const code = codeOf(fields)
    const group = groupOf(fields)
    const [one, two] = [
      { n: 1, id: 'a', bad: -1 },
      { n: 2, id: 'b', bad: -1 },
    ]
    for (const item of [one, two, one, two]) code.add(group, item)
    expect(() => code.add(group, { ...one, bad: 1 })).toThrow('bad for 1')
    const ids = () =>
      (code.row('k', undefined, group)['all'] as { id: string }[]).map(({ id }) => id).join('')
    expect(ids()).toBe('abab')
    code.add(group, one)
    expect(ids()).toBe('ababa')
  })

  test('keep nothing of a value that failed for the next one', () => {
    const fields = fieldsOf(
      [
        ['last', last],
        ['bad', (place) => sum(unlessBad(place, n))],
      ],
      false,
    )
    const code = codeOf(fields)
    const [left, right] = [groupOf(fields), groupOf(fields)]
    code.add(left, { n: 1, id: 'left', bad: -1 })
    code.add(right, { n: 1, id: 'right', bad: -1 })
    for (const group of [left, right, left])
      expect(() => code.add(group, { n: 1, id: 'bad', bad: 1 })).toThrow('bad for 1')
    expect(code.row(1, undefined, left)).toEqual({ key: 1, last: 'left', bad: 1 })
    expect(code.row(2, undefined, right)).toEqual({ key: 2, last: 'right', bad: 1 })
  })
})

describe('which of them it is', () => {
  afterEach(() => vi.restoreAllMocks())

  const fields = fieldsOf(
    [
      ['__proto__', () => count()],
      ['total', (place) => sum(unlessBad(place, n))],
    ],
    false,
  )

  function rowOf(code: GroupCode): unknown[] {
    const group = groupOf(fields)
    code.add(group, { n: 3, id: '', bad: -1 })
    expect(() => code.add(group, { n: 3, id: '', bad: 1 })).toThrow('bad for 1')
    return membersOf(code.row('k', undefined, group))
  }

  test('is the made ones, and where code may not be made the listed ones', () => {
    const made = vi.spyOn(globalThis, 'Function')
    const row = rowOf(groupCode(fields))
    expect(made).toHaveBeenCalledOnce()
    made.mockImplementation(function () {
      throw new EvalError('Code generation from strings disallowed for this context')
    })
    expect(rowOf(groupCode(fields))).toEqual(row)
    expect(made).toHaveBeenCalledTimes(2)
    expect(row).toEqual([
      ['key', 'k'],
      ['__proto__', 1],
      ['total', 3],
    ])
  })
})

describe('a value that is taken out again', () => {
  test('leaves what the others make, where the aggregate can; else nothing changes', () => {
    const property = fc.property(
      lists,
      fc.array(items, { minLength: 1, maxLength: 10 }),
      fc.nat(),
      (fields, given, pick) => {
        const values = given.map((item) => ({ ...item, bad: -1 }))
        const gone = values[pick % values.length] as Item
        const code = groupCode(fields)
        const [group, whole, rest] = [groupOf(fields), groupOf(fields), groupOf(fields)]
        for (const value of values) for (const one of [group, whole]) code.add(one, value)
        // Of equal ones the earliest goes.
        const at = values.findIndex(({ n, id }) => n === gone.n && id === gone.id)
        for (const value of values.toSpliced(at, 1)) code.add(rest, value)
        for (const [index, field] of fields.entries()) takeBack(field, group, index, gone)
        const rows = [group, whole, rest].map((one) => Object.entries(code.row('k', undefined, one)))
        for (const [index, { name, aggregate, apart }] of fields.entries()) {
          if (name === 'key') continue
          const [taken, all, others] = rows.map((row) => row.find(([member]) => member === name)?.[1])
          const subtracts = apart ? aggregate.elements?.subtract : aggregate.subtract
          expect({ index, value: taken }).toEqual({ index, value: subtracts === undefined ? all : others })
        }
      },
    )
    fc.assert(property, { numRuns: 300 })
  })
})

test('the names that users may give go as far as here', () => {
  const given = Object.fromEntries([
    ['__proto__', count()],
    ['7', count()],
  ])
  expect(Object.keys(aggregatesOf(given, 'a step'))).toEqual(['7', '__proto__'])
})
