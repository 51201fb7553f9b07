import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { compileFiles, root } from './compiler.ts'

const examples = readdirSync(join(root, 'examples'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => `examples/${name}`)

describe('the examples', () => {
  test('there are some', () => {
    expect(examples).toContain('examples/trending.ts')
  })

  test('compile without a type argument or a cast, and can be emitted with declarations', () => {
    const { diagnostics, declarations } = compileFiles(examples, {
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      outDir: 'out',
      rootDir: root,
      allowImportingTsExtensions: true,
      rewriteRelativeImportExtensions: true,
    })
    expect(diagnostics.filter(({ file }) => file.includes('examples/'))).toEqual([])
    expect([...declarations.keys()].some((name) => name.endsWith('examples/trending.d.ts'))).toBe(true)
  })

  test.each(examples)('%s needs no type argument at a millrace function and no cast', (file) => {
    const text = readFileSync(join(root, file), 'utf8')
    expect(text).not.toMatch(/\bas (?!const\b)[A-Z{(]/)
    expect(text).not.toMatch(/\b(topic|stream|app|view|map|filter|keyBy|aggregate|join|withOptions)<[A-Z{]/)
    expect(text).not.toMatch(/: any\b|<any>/)
  })

  // The rules see every expression whose type is `any`, also those that nobody wrote down.
  test('hold no `any`', () => {
    const rules = ['assignment', 'member-access', 'return', 'call', 'argument'].flatMap((name) => [
      '-D',
      `typescript/no-unsafe-${name}`,
    ])
    const lint = join(root, 'node_modules/.bin/oxlint')
    const run = spawnSync(lint, ['--type-aware', '-A', 'all', ...rules, '-f', 'unix', ...examples], {
      cwd: root,
      encoding: 'utf8',
    })
    expect(
      run.stdout.split('\n').filter((line) => line.startsWith('examples/') || line.includes('/examples/')),
    ).toEqual([])
  })
})
