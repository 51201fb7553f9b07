import { describe, expect, test } from 'vitest'
import { requireNode, tooOldNode } from './require-node.ts'

describe('the floor of Node', () => {
  test.each(['24.6.0', '24.21.1', '25.0.0', '26.10.0', '100.0.0'])('takes %s', (version) => {
    expect(tooOldNode(version)).toBeNull()
  })

  test.each(['24.5.9', '22.18.0', '20.20.2', '9.99.0'])(
    'refuses %s in one line that says what to do',
    (version) => {
      const message = tooOldNode(version)
      expect(message).toContain(version)
      expect(message).toContain('24.6')
      expect(message).not.toContain('\n')
    },
  )

  test('this test runs on a Node that is recent enough', () => {
    expect(requireNode()).toBe(true)
  })
})
