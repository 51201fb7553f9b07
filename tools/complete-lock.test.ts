import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { completePackages } from './complete-lock.ts'
import { ROOT } from './tidy.ts'

test('the lock names the packages of all platforms: run node tools/complete-lock.ts', () => {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Parameters<typeof completePackages>[0]
  }
  const missing = Object.keys(completePackages(packages)).filter((path) => packages[path] === undefined)
  expect(missing).toEqual([])
})

test('what is missing is added with its platform, what is there stays as it is', () => {
  const packages = {
    '': {},
    'node_modules/b': {
      dev: true,
      optionalDependencies: { '@b/linux-x64': '1.0.0', '@b/darwin-arm64': '1.0.0', c: '1.0.0' },
    },
    'node_modules/@b/linux-x64': { version: '1.0.0', cpu: ['x64'], os: ['linux'] },
  }
  expect(completePackages(packages)).toEqual({
    ...packages,
    'node_modules/@b/darwin-arm64': {
      version: '1.0.0',
      cpu: ['arm64'],
      os: ['darwin'],
      dev: true,
      optional: true,
    },
  })
})
