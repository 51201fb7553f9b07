import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { compileFiles, root } from './types/compiler.ts'

/**
 * The documentation is part of the program: every block of TypeScript that is a whole program type-checks, every link
 * leads somewhere, and every rule that a comment names is written down.
 */

const guide = readdirSync(join(root, 'docs/guide')).map((name) => `docs/guide/${name}`)
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'docs/README.md',
  'bench/README.md',
  'examples/README.md',
  ...guide,
  ...readdirSync(join(root, 'docs/internals')).map((name) => `docs/internals/${name}`),
  ...readdirSync(join(root, 'docs/decisions')).map((name) => `docs/decisions/${name}`),
]

describe('programs in the documentation', () => {
  // Inside the repository, so that 'millrace' is the package itself; the folder is not part of git.
  mkdirSync(join(root, 'tmp'), { recursive: true })
  const folder = mkdtempSync(join(root, 'tmp/guide-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const blocks = ['README.md', ...guide].flatMap((page) => programsOf(page))

  test('are found in every page that shows code', () => {
    const shown = new Set(blocks.map(({ page }) => page))
    const silent = guide.filter((page) => !shown.has(page))
    expect(silent).toEqual(['docs/guide/coming-from.md', 'docs/guide/operating.md'])
  })

  test('type-check', () => {
    for (const { page, name, text } of blocks) {
      const path = join(folder, basename(page, '.md'), name)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text)
    }
    const files = blocks.map(({ page, name }) => join(relative(root, folder), basename(page, '.md'), name))
    const { diagnostics } = compileFiles(files)
    // Files of the package itself are the affair of `npm run types`.
    const ours = diagnostics.filter(({ file }) => file.includes(basename(folder)))
    const faults = ours.map(({ file, line, message }) => {
      const [, path] = file.split(basename(folder))
      return `docs/guide${path}:${line} ${message}`
    })
    expect(faults).toEqual([])
  }, 60_000)
})

describe('links', () => {
  test.each(pages)('%s leads somewhere', (page) => {
    const broken = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) => {
      if (/^[a-z]+:/.test(target)) return []
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? page : join(dirname(page), path)
      if (!existsSync(join(root, file))) return [target]
      return anchor === undefined || headingsOf(read(file)).includes(anchor) ? [] : [target]
    })
    expect(broken).toEqual([])
  })
})

describe('rules that comments name', () => {
  const sources = ['src', 'test', 'tools', 'bench'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => read(join(folder, name))),
  )
  const named = (pattern: RegExp): string[] => [
    ...new Set(sources.flatMap((text) => [...text.matchAll(pattern)].map(([, number = '']) => number))),
  ]

  test('of SEMANTICS are written down', () => {
    const rules = rulesOf(read('docs/internals/SEMANTICS.md'))
    expect(named(/SEMANTICS (\d+(?:\.\d+)?)/g).filter((number) => !rules.has(number))).toEqual([])
  })

  test('of STYLE and ARCHITECTURE are written down', () => {
    const style = read('docs/internals/STYLE.md')
    const architecture = read('docs/internals/ARCHITECTURE.md')
    expect(named(/STYLE (\d+)/g).filter((number) => !style.includes(`**${number}. `))).toEqual([])
    expect(named(/ARCHITECTURE (D\d+)/g).filter((number) => !architecture.includes(`**${number}. `))).toEqual(
      [],
    )
  })

  test('of SEMANTICS name tests that exist', () => {
    const files = ['src', 'test'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => basename(name)),
    )
    const tests = read('docs/internals/SEMANTICS.md').matchAll(/`(?:[\w-]+\/)*([\w.-]+\.ts)`/g)
    expect([...tests].map(([, name = '']) => name).filter((name) => !files.includes(name))).toEqual([])
  })
})

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** Blocks that begin with an import, after the comment that names their file, if there is one. */
function programsOf(page: string): { readonly page: string; readonly name: string; readonly text: string }[] {
  return [...read(page).matchAll(/^```ts\n([\s\S]*?)^```/gm)].flatMap(([, text = ''], index) => {
    const [, file] = /^\/\/ (\S+\.ts)\n/.exec(text) ?? []
    const code = file === undefined ? text : text.slice(text.indexOf('\n') + 1)
    return code.startsWith('import ') ? [{ page, name: file ?? `block-${index + 1}.ts`, text }] : []
  })
}

/** As GitHub makes anchors of headings. */
function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

/** '2' and '2.3': sections and the numbered rules in them. */
function rulesOf(text: string): ReadonlySet<string> {
  const rules = new Set<string>()
  let section = ''
  for (const line of text.split('\n')) {
    const heading = /^## (\d+)\. /.exec(line)?.[1]
    const rule = /^(\d+)\. /.exec(line)?.[1]
    if (heading !== undefined) rules.add((section = heading))
    else if (rule !== undefined) rules.add(`${section}.${rule}`)
  }
  return rules
}
