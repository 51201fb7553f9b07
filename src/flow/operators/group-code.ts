/**
 * The inner loops over the aggregates of one step: new accumulators, taking a value in, what is stored, the fields of a
 * row.
 *
 * They are made as code (see `madeCode`): each call then goes to one function and each field has its place, so that V8
 * puts them into the code of the step. Over lists of aggregates they are calls to anything and writes to any field, which
 * costs more than what counts and sums do. Where code may not be made, the lists it is. What gets into the code are the
 * names of the fields, in quotes, and numbers.
 */
import { madeCode } from '../../base/made-code.ts'
import type { WriteTarget } from '../../record/write-target.ts'
import { writeCompactValue } from '../../state/compact-values.ts'
import type { Aggregate, ElementBucket } from '../graph/aggregate.ts'
import type { Window } from '../graph/window-spec.ts'
import type { Group } from './group.ts'

export type AnyAggregate = Aggregate<unknown>
export type Row = Record<string, unknown>

/** One aggregate of a step: its name in the row, and whether its elements lie apart from the group. */
export interface Field {
  readonly name: string
  readonly aggregate: AnyAggregate
  readonly apart: boolean
}

export interface GroupCode {
  /**
   * Takes a value into all accumulators. When one of them throws, those before it give it back: it leaves no trace
   * (SEMANTICS 9).
   */
  add(group: Group, value: unknown): void
  /** Begins accumulators that lie in the group. */
  create(group: Group): void
  /** Writes what is stored of each accumulator as compact values; `null` for one that lies apart. */
  write(target: WriteTarget, at: number, end: number, group: Group): number
  /** `{ key, window, ...fields }`, or without a window `{ key, ...fields }`. */
  row(key: unknown, window: Window | undefined, group: Group): Row
}

export function groupCode(fields: readonly Field[]): GroupCode {
  return madeGroupCode(fields) ?? listedGroupCode(fields)
}

/** The same over lists. */
export function listedGroupCode(fields: readonly Field[]): GroupCode {
  return {
    add: (group, value) => {
      const before: unknown[] = []
      try {
        for (const [index, { aggregate, apart }] of fields.entries()) {
          const accumulator = group.accumulator(index)
          if (apart) aggregate.elements?.add(accumulator as ElementBucket, value)
          else group.setAccumulator(index, aggregate.add(accumulator, value))
          before.push(accumulator)
        }
      } catch (error) {
        giveBack(fields, group, value, before)
        throw error
      }
    },
    create: (group) => {
      for (const [index, { aggregate, apart }] of fields.entries())
        if (!apart) group.setAccumulator(index, aggregate.create())
    },
    write: (target, start, end, group) => {
      let at = start
      for (const [index, { aggregate, apart }] of fields.entries()) {
        if (at < 0) return at
        at = writeCompactValue(target, at, end, apart ? null : aggregate.encode(group.accumulator(index)))
      }
      return at
    },
    // Put together from entries: to write a member called `__proto__` would set the prototype.
    row: (key, window, group) =>
      Object.fromEntries([
        ['key', key],
        ...(window === undefined ? [] : [['window', window]]),
        ...fields.map(({ name, aggregate, apart }, index) => {
          const accumulator = group.accumulator(index)
          return [
            name,
            apart ? aggregate.elements?.result(accumulator as ElementBucket) : aggregate.result(accumulator),
          ]
        }),
      ]),
  }
}

function madeGroupCode(fields: readonly Field[]): GroupCode | undefined {
  const own = fields.map((_, index) => `own${index}`)
  const adds = fields.map(({ apart }, index) =>
    apart
      ? `own${index}.add(before${index} = group.accumulator(${index}), value)`
      : `group.setAccumulator(${index}, own${index}.add(before${index} = group.accumulator(${index}), value))`,
  )
  const creates = fields.map(({ apart }, index) =>
    apart ? '' : `group.setAccumulator(${index}, own${index}.create())`,
  )
  const writes = fields.map(({ apart }, index) => {
    const stored = apart ? 'null' : `own${index}.encode(group.accumulator(${index}))`
    return `if (at >= 0) at = writeCompactValue(target, at, end, ${stored})`
  })
  const members = fields.map(
    ({ name }, index) => `${member(name)}: own${index}.result(group.accumulator(${index}))`,
  )
  const body = `
    return {
      add(group, value) {
        let done = 0${fields.map((_, index) => `, before${index}`).join('')}
        try {
          ${adds.map((add, index) => `${add}\ndone = ${index + 1}`).join('\n')}
        } catch (error) {
          giveBack(fields, group, value, [${fields.map((_, index) => `before${index}`).join()}].slice(0, done))
          throw error
        }
      },
      create(group) {
        ${creates.join('\n')}
      },
      write(target, start, end, group) {
        let at = start
        ${writes.join('\n')}
        return at
      },
      row(key, window, group) {
        return window === undefined ? { ${['key', ...members].join()} } : { ${['key', 'window', ...members].join()} }
      },
    }`
  const owners = fields.map(({ aggregate, apart }) => (apart ? aggregate.elements : aggregate))
  const names = Object.fromEntries(own.map((name, index) => [name, owners[index]]))
  return madeCode<GroupCode>({ ...names, fields, giveBack, writeCompactValue }, body)
}

/** In a literal `__proto__` is no field unless it is computed. */
function member(name: string): string {
  return name === '__proto__' ? `['__proto__']` : JSON.stringify(name)
}

/** Takes a value back that the first accumulators took, whose former ones are given. */
function giveBack(fields: readonly Field[], group: Group, value: unknown, before: readonly unknown[]): void {
  for (const [index, former] of before.entries()) {
    const { aggregate, apart } = fields[index] as Field
    if (apart && aggregate.elements?.undo !== undefined)
      aggregate.elements.undo(former as ElementBucket, value)
    else if (apart || aggregate.subtract !== undefined) takeBack(fields[index] as Field, group, index, value)
    // Those that cannot subtract answer a new accumulator and leave the old one as it was.
    else group.setAccumulator(index, former)
  }
}

/** Takes a value out of one accumulator. */
export function takeBack({ aggregate, apart }: Field, group: Group, index: number, value: unknown): void {
  const accumulator = group.accumulator(index)
  if (apart) aggregate.elements?.subtract?.(accumulator as ElementBucket, value)
  else if (aggregate.subtract !== undefined)
    group.setAccumulator(index, aggregate.subtract(accumulator, value))
}
