import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')

/** Rows of the table: a fault, the file of its test, the title of its test. */
const rows = [
  ...readFileSync(join(root, 'docs/internals/FAULTS.md'), 'utf8').matchAll(
    /^\| (.+) \| `(\S+)` \| (.+) \|$/gm,
  ),
].map(([, fault = '', file = '', title = '']) => ({ fault, file, title }))

test('the table of faults has rows', () => {
  expect(rows.length).toBeGreaterThan(20)
})

test.each(rows)('$fault: its test exists', ({ file, title }) => {
  const path = join(root, file)
  expect(existsSync(path), file).toBe(true)
  // As it is written in the source, quotes escaped or not.
  const text = readFileSync(path, 'utf8').replaceAll("\\'", "'")
  expect(text.includes(`'${title}'`) || text.includes(`"${title}"`), `${file}: ${title}`).toBe(true)
})
