import { expect, test } from 'vitest'
import { type Output, printRows } from './output.ts'

function printed(rows: readonly Record<string, unknown>[]): string {
  let all = ''
  const output: Output = {
    isTerminal: true,
    gone: new AbortController().signal,
    write: (text) => {
      all += text
    },
    note: () => undefined,
  }
  printRows(output, rows, 'table')
  return all
}

test('a table: numbers to the right, texts to the left, nothing as nothing', () => {
  expect(
    printed([
      { name: 'a', count: 5, more: null },
      { name: 'long', count: 12, more: { x: 1 } },
    ]),
  ).toBe('name  count  more\na         5\nlong     12  {"x":1}\n')
  expect(printed([])).toBe('(none)\n')
})

test('what records hold cannot break the table, nor command the terminal', () => {
  expect(printed([{ key: 'a\nb\u001b[2Jc\u009b', value: 'ü' }])).toBe(
    'key                       value\na\\u000ab\\u001b[2Jc\\u009b  ü\n',
  )
})
