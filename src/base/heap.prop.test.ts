import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Heap } from './heap.ts'

const ascending = (a: number, b: number) => a - b

describe('heap', () => {
  test('an empty heap gives nothing', () => {
    const heap = new Heap(ascending)
    expect([heap.size, heap.peek(), heap.pop()]).toEqual([0, undefined, undefined])
    expect(heap.replace(3)).toBeUndefined()
    expect(heap.pop()).toBe(3)
  })

  test('undefined is an element like another', () => {
    const heap = new Heap<number | undefined>((a, b) => (a ?? 0) - (b ?? 0))
    heap.push(1)
    heap.push(undefined)
    heap.push(-1)
    expect([heap.pop(), heap.pop(), heap.pop(), heap.size]).toEqual([-1, undefined, 1, 0])
  })

  test('gives everything in order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), (values) => {
        const heap = new Heap(ascending)
        for (const value of values) heap.push(value)
        expect([...heap.values()].sort(ascending)).toEqual(values.toSorted(ascending))
        expect(values.map(() => heap.pop())).toEqual(values.toSorted(ascending))
        expect(heap.size).toBe(0)
      }),
    )
  })

  test('equals a sorted list under any mix of calls', () => {
    const call = fc.oneof(
      fc.record({ kind: fc.constant('push' as const), value: fc.integer({ min: 0, max: 9 }) }),
      fc.record({ kind: fc.constant('replace' as const), value: fc.integer({ min: 0, max: 9 }) }),
      fc.record({ kind: fc.constant('pop' as const), value: fc.constant(0) }),
    )
    fc.assert(
      fc.property(fc.array(call, { maxLength: 60 }), (calls) => {
        const heap = new Heap(ascending)
        const list: number[] = []
        for (const { kind, value } of calls) {
          if (kind === 'push') heap.push(value)
          if (kind === 'pop') expect(heap.pop()).toBe(list.shift())
          if (kind === 'replace') expect(heap.replace(value)).toBe(list.shift())
          if (kind !== 'pop') list.push(value)
          list.sort(ascending)
          expect(heap.size).toBe(list.length)
          expect(heap.peek()).toBe(list[0])
        }
      }),
    )
  })

  test('clear empties it', () => {
    const heap = new Heap(ascending)
    heap.push(1)
    heap.clear()
    expect([heap.size, heap.pop()]).toEqual([0, undefined])
  })
})
