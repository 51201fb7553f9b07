import { spawnSync } from 'node:child_process'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { madeCode } from './made-code.ts'

const FILE = new URL('./made-code.ts', import.meta.url).href

describe('made code', () => {
  afterEach(() => vi.restoreAllMocks())

  test('sees its names, whatever their order, and nothing of who makes it', () => {
    const add = madeCode<(right: number) => number>(
      { left: 1, twice: (n: number) => 2 * n },
      'return right => twice(left) + right',
    )
    expect(add?.(40)).toBe(42)
    expect(madeCode({}, 'return [typeof names, typeof body, typeof madeCode].join()')).toBe(
      'undefined,undefined,undefined',
    )
  })

  test('is made anew each time: what it holds is its own', () => {
    const counter = () =>
      madeCode<() => number>({}, 'let count = 0\nreturn () => (count += 1)') as () => number
    const [first, second] = [counter(), counter()]
    expect([first(), first(), second()]).toEqual([1, 2, 1])
  })

  test('errors of the code itself are not taken for a process that does not allow it', () => {
    expect(() => madeCode({}, 'return }')).toThrow(SyntaxError)
    expect(() => madeCode({ 'no name': 1 }, 'return 1')).toThrow(SyntaxError)
    expect(() => madeCode({ nothing: undefined }, 'return nothing.length')).toThrow(TypeError)
    expect(() => madeCode({}, 'throw new RangeError("mine")')).toThrow(new RangeError('mine'))
  })

  test('is undefined where making it is refused', () => {
    vi.spyOn(globalThis, 'Function').mockImplementation(function () {
      throw new EvalError('Code generation from strings disallowed for this context')
    })
    expect(madeCode({}, 'return 1')).toBeUndefined()
  })

  test.each([
    ['--disallow-code-generation-from-strings', 'undefined'],
    ['--no-warnings', '1'],
  ])('in a process of its own with %s it is %s', (flag, answer) => {
    const program = `
      import { madeCode } from ${JSON.stringify(FILE)}
      process.stdout.write(String(madeCode({ one: 1 }, 'return one')))`
    const { stdout, stderr } = spawnSync(process.execPath, [flag, '--input-type=module', '-e', program], {
      encoding: 'utf8',
    })
    expect({ stdout, stderr }).toEqual({ stdout: answer, stderr: '' })
  })
})
