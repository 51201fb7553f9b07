import { describe, expect, test } from 'vitest'
import { compareSnapshots, describeEntry } from './api-snapshot.ts'
import { publishedManifest } from './build.ts'

describe('the published manifest', () => {
  const published = publishedManifest({
    name: 'millrace',
    version: '1.2.3',
    bin: { millrace: 'dist/cli/main.js' },
    exports: {
      '.': './src/index.ts',
      './testing': './src/testing/index.ts',
      './tsconfig.json': './tsconfig.pipeline.json',
    },
    dependencies: { commander: '^1.0.0' },
    devDependencies: { vitest: '^1.0.0' },
    scripts: { test: 'vitest' },
  })

  test('points at what was compiled', () => {
    expect(published.exports).toEqual({
      '.': { types: './index.d.ts', default: './index.js' },
      './testing': { types: './testing/index.d.ts', default: './testing/index.js' },
      './tsconfig.json': './tsconfig.json',
    })
    expect(published.bin).toEqual({ millrace: 'cli/main.js' })
  })

  test('holds what users need and nothing of the repository', () => {
    expect(published).toMatchObject({
      name: 'millrace',
      version: '1.2.3',
      dependencies: { commander: '^1.0.0' },
    })
    expect(published).not.toHaveProperty('devDependencies')
    expect(published).not.toHaveProperty('scripts')
  })
})

describe('the snapshot of the public face', () => {
  const sources: Readonly<Record<string, string>> = {
    'index.d.ts':
      "import { Inner } from './a.js'\nexport { one as first, type Two } from './a.js'\nexport * from './b.js'\nexport { Inner }",
    'a.d.ts':
      '/** Says what. */\nexport declare function one(\n  value: string,\n): void\nexport interface Two { readonly a: 1 }\nexport declare class Inner {}',
    'b.d.ts':
      'declare const three: number\nexport { three }\nexport declare function over(a: string): void\nexport declare function over(a: number): void',
  }
  const snapshot = (changes: Readonly<Record<string, string>> = {}): string =>
    describeEntry('index.d.ts', (path) => changes[path] ?? sources[path] ?? '')

  test('follows every form of export to its declaration', () => {
    expect(snapshot()).toBe(
      [
        'Inner\n    declare class Inner {}',
        'Two\n    interface Two { readonly a: 1 }',
        'first\n    declare function one( value: string, ): void',
        'over\n    declare function over(a: string): void declare function over(a: number): void',
        'three\n    declare const three: number',
        '',
      ].join('\n'),
    )
  })

  test('comments and layout are no part of it; a type is', () => {
    const commented = sources['a.d.ts']?.replace('Says what.', 'Says more.\n') ?? ''
    expect(snapshot({ 'a.d.ts': commented })).toBe(snapshot())
    const changed = snapshot({ 'a.d.ts': sources['a.d.ts']?.replace('value: string', 'value: number') ?? '' })
    expect(compareSnapshots(snapshot(), changed)).toEqual([
      '-     declare function one( value: string, ): void',
      '+     declare function one( value: number, ): void',
    ])
  })

  test('a name that is gone shows', () => {
    expect(compareSnapshots(snapshot(), snapshot({ 'b.d.ts': '' }))).toContain('- three')
  })
})
