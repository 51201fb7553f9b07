import { expect, test } from 'vitest'
import {
  bytes,
  checkShape,
  count,
  fields,
  flag,
  list,
  nullable,
  oneOf,
  optional,
  text,
  whole,
} from './argument-shapes.ts'

const shape = fields({
  name: text,
  at: count,
  epoch: whole,
  done: flag,
  raw: bytes,
  instance: nullable(text),
  note: optional(text),
  version: oneOf(1, 2),
  parts: list(fields({ partition: count })),
})
const right = {
  name: '',
  at: 0,
  epoch: -1,
  done: false,
  raw: new Uint8Array(0),
  instance: null,
  version: 2,
  parts: [{ partition: 0 }],
}

test('what has the shape passes, with fields that nobody asked for', () => {
  expect(() => checkShape(shape, { ...right, more: 1 }, 'it')).not.toThrow()
  expect(() => checkShape(shape, { ...right, note: 'n', instance: 'i' }, 'it')).not.toThrow()
})

test.each([
  [{ name: 1 }, 'it.name is 1, expected a text'],
  [{ name: undefined }, 'it.name is missing, expected a text'],
  [{ at: -1 }, 'it.at is -1, expected a whole number from 0 on'],
  [{ at: 2 ** 53 }, 'it.at is 9007199254740992, expected a whole number from 0 on'],
  [{ epoch: 1.5 }, 'it.epoch is 1.5, expected a whole number'],
  [{ epoch: '1' }, 'it.epoch is "1", expected a whole number'],
  [{ done: 0 }, 'it.done is 0, expected true or false'],
  [{ raw: [1] }, 'it.raw is [1], expected bytes'],
  [{ instance: undefined }, 'it.instance is missing, expected a text'],
  [{ note: new Uint8Array(3) }, 'it.note is 3 bytes, expected a text'],
  [{ version: 3 }, 'it.version is 3, expected 1 or 2'],
  [{ parts: {} }, 'it.parts is {}, expected a list'],
  [{ parts: [{ partition: 1 }, {}] }, 'it.parts[1].partition is missing, expected a whole number from 0 on'],
  [{ parts: [null] }, 'it.parts[0] is null, expected fields'],
])('%j does not', (wrong, message) => {
  const refused = expect.objectContaining({ code: 'MILLRACE_INVALID_ARGUMENT', message })
  expect(() => checkShape(shape, { ...right, ...wrong }, 'it')).toThrow(refused)
})
