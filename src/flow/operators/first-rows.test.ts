import { describe, expect, test } from 'vitest'
import { countAggregate } from '../aggregates/count.ts'
import { topAggregate } from '../aggregates/top.ts'
import type { Aggregate } from '../graph/aggregate.ts'
import { FirstRows } from './first-rows.ts'

interface Row {
  readonly by: number
  readonly other?: number
}

const erased = (aggregate: unknown): Aggregate => aggregate as Aggregate
const topBy = (n: number) => erased(topAggregate(n, (row: Row) => row.by))
const window = { start: 0, end: 10 }

function passed(rows: FirstRows, by: readonly number[], of = window, group = 'all'): number[] {
  return by.filter((one) => rows.mayCount(of, group, { by: one }))
}

describe('the first rows of a window', () => {
  test('are those that are among the first n when they come', () => {
    const rows = FirstRows.of({ best: topBy(2) }) as FirstRows
    expect(passed(rows, [5, 1, 3, 2, 9, 4])).toEqual([5, 1, 3, 9])
  })

  test('an equal one that comes later is not', () => {
    const rows = FirstRows.of({ best: topBy(2) }) as FirstRows
    expect(passed(rows, [5, 5, 5])).toEqual([5, 5])
  })

  test('are of each group and of each window by itself', () => {
    const rows = FirstRows.of({ best: topBy(1) }) as FirstRows
    expect(passed(rows, [5, 1])).toEqual([5])
    expect(passed(rows, [2, 1], window, 'other')).toEqual([2])
    expect(passed(rows, [1], { start: 5, end: 15 })).toEqual([1])
    // Sessions end together and begin apart.
    expect(passed(rows, [1], { start: 6, end: 15 })).toEqual([1])
  })

  test('with several tops a row passes that one of them wants', () => {
    const least = erased(topAggregate(1, (row: Row) => -row.by))
    const rows = FirstRows.of({ best: topBy(1), least }) as FirstRows
    expect(passed(rows, [5, 7, 6, 4, 4.5])).toEqual([5, 7, 4])
  })

  test('a row that one top fails at passes, and is not counted as one of the first of another', () => {
    const failing = erased(
      topAggregate(1, (row: Row) => {
        if (row.other === undefined) throw new Error('no order')
        return row.other
      }),
    )
    const rows = FirstRows.of({ best: topBy(1), failing }) as FirstRows
    expect(rows.mayCount(window, 'all', { by: 9 })).toBe(true)
    expect(rows.mayCount(window, 'all', { by: 5, other: 1 })).toBe(true)
    expect(rows.mayCount(window, 'all', { by: 4, other: 1 })).toBe(false)
  })

  test('an aggregate that needs every row has all of them sent', () => {
    expect(FirstRows.of({ best: topBy(1), all: erased(countAggregate()) })).toBeUndefined()
  })
})
