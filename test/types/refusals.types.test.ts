import { beforeAll, describe, expect, test } from 'vitest'
import { compile, type Diagnostic, root } from './compiler.ts'
import { PREFACE, REFUSED } from './refusals.ts'

/*
 * Error messages are an interface: what is printed for each refused program is in refusals.txt, to be read by people.
 * After a wanted change: npx vitest run test/types -u, then read the difference.
 */
describe('programs that cannot work', () => {
  const messages = new Map<string, string[]>()
  let unexpected: Diagnostic[] = []

  beforeAll(() => {
    const first = PREFACE.split('\n').length
    const program = `${PREFACE}\n${REFUSED.map((code) => `{ ${code} }`).join('\n')}\n`
    const { diagnostics } = compile({ 'program.ts': program })
    unexpected = diagnostics.filter(({ line }) => line <= first)
    for (const code of REFUSED) messages.set(code, [])
    for (const { line, message } of diagnostics) messages.get(REFUSED[line - first - 1] ?? '')?.push(message)
  })

  test('what they share compiles', () => {
    expect(unexpected).toEqual([])
  })

  test.each(REFUSED)('%s', (code) => {
    expect(messages.get(code), 'it compiles').not.toEqual([])
  })

  test('the messages are those of refusals.txt', async () => {
    const text = REFUSED.map((code) => `${code}\n${indented(messages.get(code) ?? [])}\n`).join('\n')
    await expect(text).toMatchFileSnapshot('refusals.txt')
  })

  test('the messages are short', () => {
    const all = [...messages.values()].map((lines) => lines.join('\n')).sort((a, b) => a.length - b.length)
    const at = (share: number) => all[Math.floor(all.length * share)]?.length
    expect(at(0.5)).toBeLessThanOrEqual(140)
    expect(at(0.9)).toBeLessThanOrEqual(500)
    expect(Math.max(...all.map((message) => message.split('\n').length))).toBeLessThanOrEqual(10)
  })
})

function indented(lines: readonly string[]): string {
  return lines.map((message) => message.replaceAll(root, '.').replaceAll(/^/gm, '    ')).join('\n')
}
