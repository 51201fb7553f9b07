import { expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import type { Destination, Source } from '../../streams/seams.ts'
import { stream } from '../../streams/source-stream.ts'
import { csv, jsonl, lines } from './index.ts'

const Row = z.object({ key: z.string(), count: z.coerce.number() })

test('what is read has the type of the schema, without one it says what is known', () => {
  expectTypeOf(lines('a')).toEqualTypeOf<Source<null, string>>()
  expectTypeOf(jsonl('a')).toExtend<Source<null, unknown>>()
  expectTypeOf(jsonl('a', Row)).toExtend<Source<null, { key: string; count: number }>>()
  expectTypeOf(csv('a')).toEqualTypeOf<Source<null, Readonly<Record<string, string>>>>()
  expectTypeOf(csv('a', Row, { delimiter: ';' })).toEqualTypeOf<
    Source<null, { key: string; count: number }>
  >()
})

test('what is written must fit the schema', () => {
  const words = stream(lines('a')).map((line) => ({ key: line, count: 1 }))
  expect(words.to(jsonl('out', Row))).toBeDefined()
  expect(words.to(jsonl('out'))).toBeDefined()
  const Strict = z.object({ key: z.string(), count: z.number() })
  expectTypeOf(jsonl('out', Strict)).toExtend<Destination<unknown, { key: string; count: number }>>()
  // @ts-expect-error a row without its count
  words.map(({ key }) => ({ key })).to(jsonl('out', Strict))
  // @ts-expect-error a file of lines is read, not written
  expect(() => words.to(lines('out'))).toThrow(/can only be read/)
})
