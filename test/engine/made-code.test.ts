import { spawnSync } from 'node:child_process'
import { expect, test, vi } from 'vitest'
import { windowsOutputs } from './windows-world.ts'

/**
 * The engine makes code for its inner loops, and goes other ways where a process does not allow that: nothing of what
 * comes out may depend on it.
 */
test('a process that does not allow code to be made gives the same rows as one that does', () => {
  const made = vi.spyOn(globalThis, 'Function')
  const here = windowsOutputs()
  const bodies = made.mock.calls.map((call) => String(call.at(-1))).join('\n')
  made.mockRestore()
  // Else both had gone the other ways.
  for (const part of ['function parseShape(', 'function writeRow(', 'add(group, value)'])
    expect(bodies).toContain(part)
  for (const [name, records] of Object.entries(here)) expect(records.length, name).toBeGreaterThan(5)

  const world = new URL('./windows-world.ts', import.meta.url).href
  const program = `
    import { windowsOutputs } from ${JSON.stringify(world)}
    let refused = false
    try { new Function() } catch { refused = true }
    process.stdout.write(JSON.stringify({ refused, outputs: windowsOutputs() }))`
  const flags = ['--disallow-code-generation-from-strings', '--input-type=module']
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, '-e', program], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  expect(stderr).toBe('')
  const there = JSON.parse(stdout) as { readonly refused: boolean; readonly outputs: typeof here }
  expect(there.refused).toBe(true)
  // As texts, so that the order of members counts, and `__proto__` as one of them.
  const lines = (outputs: typeof here): string[] =>
    Object.entries(outputs).flatMap(([name, records]) =>
      records.map((record) => `${name} ${JSON.stringify(record)}`),
    )
  expect(lines(there.outputs)).toEqual(lines(here))
})
