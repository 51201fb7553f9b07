import { expect, test } from 'vitest'
import { bill } from '../examples/billing.ts'

test('the example of the log alone gives each payment one receipt', async () => {
  expect(await bill('memory:', 40)).toBe(40)
})
