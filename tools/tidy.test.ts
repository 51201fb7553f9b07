import { describe, expect, test } from 'vitest'
import { checkBanned, checkExceptions } from './banned.ts'
import { checkCycles } from './cycles.ts'
import { checkDeadFiles } from './dead-files.ts'
import { decisionFault } from './decision.ts'
import { checkLayers, type LayerList, layerFingerprint, layerOf, readLayerList } from './layers.ts'
import { checkNames } from './names.ts'
import { checkSizes, SIZES } from './sizes.ts'
import { type Finding, parseSource, type SourceFile } from './source-file.ts'
import { checkSynchronous } from './synchronous.ts'
import { formatFinding, ROOT, tidy } from './tidy.ts'
import { checkWords } from './words.ts'

/** The repository keeps its own rules; and every rule is shown to fail on what it forbids, or it would prove nothing. */

test('this repository is tidy', () => {
  expect(tidy(ROOT).map(formatFinding)).toEqual([])
})

const LIST: LayerList = {
  version: 1,
  layers: {
    'src/base': [],
    'src/port/port.ts': ['src/base'],
    'src/port': ['src/port/port.ts'],
    'src/cli': ['*'],
  },
  packages: { commander: ['src/cli'], '@scope/name': ['src/port'] },
  synchronous: ['src/base'],
}

function files(sources: Readonly<Record<string, string>>): readonly SourceFile[] {
  return Object.entries(sources).map(([path, text]) => parseSource(path, text))
}

function messages(findings: readonly Finding[]): readonly string[] {
  return findings.map(formatFinding)
}

describe('imports are found in every form', () => {
  test.each([
    "import { a } from './other.ts'",
    "import type { A } from './other.ts'",
    "import './other.ts'",
    "export { a } from './other.ts'",
    "export * from './other.ts'",
    "export type * from './other.ts'",
    "const a = await import('./other.ts')",
    "type A = import('./other.ts').A",
  ])('%s', (text) => {
    const [file] = files({ 'src/base/a.ts': `// first line\n${text}` })
    expect(file?.imports).toEqual([{ specifier: './other.ts', target: 'src/base/other.ts', line: 2 }])
  })

  test('a file that cannot be parsed is an error with its path, not a file without imports', () => {
    expect(() => parseSource('src/base/broken.ts', 'const = 1')).toThrow('src/base/broken.ts')
  })
})

describe('layers', () => {
  const check = (path: string, text: string): readonly string[] =>
    messages(checkLayers(files({ [path]: text }), LIST))

  test('the longest key decides', () => {
    expect(layerOf('src/port/port.ts', LIST)).toBe('src/port/port.ts')
    expect(layerOf('src/port/other.ts', LIST)).toBe('src/port')
    expect(layerOf('src/portal/a.ts', LIST)).toBeNull()
  })

  test.each([
    [
      'an import upwards',
      'src/base/a.ts',
      "import { a } from '../port/port.ts'",
      'src/base may not import src/port/port.ts',
    ],
    ['a type import too', 'src/base/a.ts', "import type { A } from '../port/port.ts'", 'may not import'],
    [
      'what only a neighbour may',
      'src/port/a.ts',
      "import { a } from '../base/a.ts'",
      'src/port may not import src/base',
    ],
    [
      'a package of another layer',
      'src/base/a.ts',
      "import { a } from 'commander'",
      'may not import the package commander',
    ],
    [
      'a part of a package',
      'src/base/a.ts',
      "import a from '@scope/name/part'",
      'may not import the package @scope/name',
    ],
    ['an unlisted package', 'src/cli/a.ts', "import a from 'left-pad'", 'does not list'],
    ['its own package', 'src/cli/a.ts', "import { app } from 'millrace'", 'imports its own package'],
    ['an index file', 'src/cli/a.ts', "import { a } from '../base/index.ts'", 'index.ts is for users'],
    ['a test', 'src/cli/a.ts', "import { a } from '../base/a.test.ts'", 'imports the test'],
    [
      'support of a test',
      'src/cli/a.ts',
      "import { a } from '../base/log-test-world.ts'",
      'imports the test',
    ],
    ['no ending', 'src/cli/a.ts', "import { a } from '../base/a'", 'with its .ts ending'],
    ['a folder that is in no layer', 'src/new/a.ts', '', 'lies in no layer'],
  ])('refuse %s', (_, path, text, message) => {
    expect(check(path, text)).toEqual([expect.stringContaining(message)])
  })

  test.each([
    ['itself', 'src/base/a.ts', "import { a } from './b.ts'"],
    ['what the list names', 'src/port/a.ts', "import { a } from './port.ts'"],
    ['all, for an entry', 'src/cli/a.ts', "import { a } from '../port/a.ts'\nimport { b } from 'commander'"],
    [
      'all, for a test',
      'src/base/a.test.ts',
      "import { a } from '../cli/a.ts'\nimport { test } from 'vitest'",
    ],
  ])('allow %s', (_, path, text) => {
    expect(check(path, text)).toEqual([])
  })

  test('a list in which two layers may import each other is refused', () => {
    const list = { ...LIST, layers: { 'src/a': ['src/b'], 'src/b': ['src/c'], 'src/c': ['src/a'] } }
    expect(messages(checkLayers([], list))).toContainEqual(expect.stringContaining('may import each other'))
  })

  test('a list that names an unknown layer is refused', () => {
    const list = { ...LIST, layers: { 'src/a': ['src/typo'] } }
    expect(messages(checkLayers([], list))).toEqual([expect.stringContaining('src/typo, which is no layer')])
  })

  test('a change of the list needs a line in its decision record', () => {
    const list = readLayerList(ROOT)
    const record = `version ${list.version}, fingerprint ${layerFingerprint(list)}`
    expect(decisionFault(record, list)).toEqual([])
    const changed = { ...list, layers: { ...list.layers, 'src/base': ['src/log'] } }
    expect(messages(decisionFault(record, changed))).toEqual([expect.stringContaining('layers.json changed')])
  })
})

describe('cycles', () => {
  const check = (sources: Readonly<Record<string, string>>): readonly string[] =>
    messages(checkCycles(files(sources)))

  test('between two files', () => {
    const found = check({ 'src/a/a.ts': "import './b.ts'", 'src/a/b.ts': "import './a.ts'" })
    expect(found).toEqual([expect.stringContaining('cycle between files: src/a/a.ts, src/a/b.ts')])
  })

  test('of types, over three files and re-exports', () => {
    const found = check({
      'src/a/a.ts': "import type { B } from './b.ts'",
      'src/a/b.ts': "export * from './c.ts'",
      'src/a/c.ts': "type A = import('./a.ts').A",
    })
    expect(found).toEqual([expect.stringContaining('src/a/a.ts, src/a/b.ts, src/a/c.ts')])
  })

  test('of a file with itself', () => {
    expect(check({ 'src/a/a.ts': "import './a.ts'" })).toHaveLength(1)
  })

  test('between folders whose files have none', () => {
    const found = check({
      'src/a/one.ts': "import '../b/one.ts'",
      'src/b/one.ts': '',
      'src/b/two.ts': "import '../a/two.ts'",
      'src/a/two.ts': '',
    })
    expect(found).toEqual([expect.stringContaining('the entries of src: src/a, src/b')])
  })

  test('between a folder and a file beside it', () => {
    const found = check({
      'src/a/a.ts': "import './deep/b.ts'",
      'src/a/deep/b.ts': '',
      'src/a/deep/c.ts': "import '../a.ts'",
    })
    expect(found).toEqual([expect.stringContaining('the entries of src/a: src/a/a.ts, src/a/deep')])
  })

  test('not in a diamond, nor between a folder and two files around it', () => {
    const found = check({
      'src/a/top.ts': "import './left.ts'; import './right.ts'",
      'src/a/left.ts': "import './deep/b.ts'",
      'src/a/right.ts': "import './deep/b.ts'",
      'src/a/deep/b.ts': "import '../port.ts'",
      'src/a/port.ts': '',
    })
    expect(found).toEqual([])
  })

  test('not through tests', () => {
    expect(
      check({
        'src/a/a.test.ts': "import '../b/b.ts'",
        'src/b/b.ts': '',
        'src/b/b.test.ts': "import '../a/a.ts'",
        'src/a/a.ts': '',
      }),
    ).toEqual([])
  })
})

describe('banned', () => {
  const path = 'src/base/a.ts'
  const check = (text: string): readonly string[] => messages(checkBanned(files({ [path]: text }), []))

  test.each([
    ['Date.now()', 'Date.now'],
    ['new Date()', 'Date.now'],
    ['Date()', 'Date.now'],
    ['globalThis.Date.now()', 'Date.now'],
    ["Date['now']()", 'Date.now'],
    ['Math.random()', 'Math.random'],
    ['setTimeout(() => {}, 1)', 'setTimeout'],
    ['globalThis.setTimeout(() => {}, 1)', 'setTimeout'],
    ['const later = { setTimeout }', 'setTimeout'],
    ['performance.now()', 'performance'],
    ['crypto.randomUUID()', 'crypto'],
    ['process.env', 'process'],
    ['console.log(1)', 'console'],
    ['fetch(url)', 'fetch'],
    ['AbortSignal.timeout(1)', 'AbortSignal.timeout'],
    ["import { readFileSync } from 'node:fs'", 'node:fs'],
    ["import type { Server } from 'node:net'", 'node:net'],
    ["await import('node:worker_threads')", 'node:worker_threads'],
    ["import { randomUUID } from 'node:crypto'", 'node:crypto'],
  ])('refuses %s', (text, name) => {
    expect(check(text)).toEqual([expect.stringContaining(`uses ${name}:`)])
  })

  test.each([
    'new Date(0).toISOString()',
    'Date.UTC(2026, 0)',
    'value instanceof Date',
    'sys.timers.setTimeout(1)',
    'const settings = { process: 1 }',
    'interface Task { process(record: string): void }',
    'function run(process: () => void) { process() }',
    "import { gzipSync } from 'node:zlib'",
    '// setTimeout, Date.now() and Math.random()',
    "const text = 'Math.random()'",
  ])('allows %s', (text) => {
    expect(check(text)).toEqual([])
  })

  test('an exception covers its file or folder, and only what it names', () => {
    const sources = files({ 'src/sys/node/a.ts': 'Date.now()', 'src/sys/b.ts': 'Date.now(); Math.random()' })
    const exceptions = [
      { path: 'src/sys/node/', allow: ['*'], reason: 'the real world itself' },
      { path: 'src/sys/b.ts', allow: ['Date.now'], reason: 'something that is explained' },
    ]
    expect(messages(checkBanned(sources, exceptions))).toEqual([
      expect.stringContaining('src/sys/b.ts:1  banned: uses Math.random'),
    ])
  })

  test('an exception that nothing needs is refused, and one without a reason', () => {
    const sources = files({ 'src/a/a.ts': 'Date.now()' })
    const exceptions = [{ path: 'src/a/a.ts', allow: ['Date.now', 'fetch'], reason: '' }]
    const found = messages(checkExceptions(sources, exceptions))
    expect(found).toEqual([
      expect.stringContaining('needs no fetch any more'),
      expect.stringContaining('gives no reason'),
    ])
  })
})

describe('synchronous', () => {
  test.each([
    'async function run() {}',
    'const run = async () => 1',
    'await done',
    'work().then(next)',
    'class A { async run() {} }',
  ])('refuses %s', (text) => {
    expect(checkSynchronous(files({ 'src/base/a.ts': text }), ['src/base'])).toHaveLength(1)
  })

  test('asks only the folders of the list, and no tests', () => {
    const text = 'async function run() {}'
    expect(
      checkSynchronous(files({ 'src/run/a.ts': text, 'src/base/a.test.ts': text }), ['src/base']),
    ).toEqual([])
  })
})

describe('sizes', () => {
  const functionOf = (lines: number): string => `export function long() {\n${'  next()\n'.repeat(lines - 2)}}`

  test('a function may have 70 lines and no more', () => {
    expect(checkSizes(files({ 'src/a/a.ts': functionOf(SIZES.functionLinesMax) }))).toEqual([])
    const found = messages(checkSizes(files({ 'src/a/a.ts': `\n${functionOf(SIZES.functionLinesMax + 1)}` })))
    expect(found).toEqual([expect.stringContaining('src/a/a.ts:2  sizes: long has 71 lines')])
  })

  test('methods and arrow functions are functions', () => {
    const body = '\n'.repeat(SIZES.functionLinesMax)
    const found = messages(
      checkSizes(files({ 'src/a/a.ts': `class A { run() {${body}} }\nconst go = () => {${body}}` })),
    )
    expect(found).toEqual([
      expect.stringContaining('run has 71 lines'),
      expect.stringContaining('go has 71 lines'),
    ])
  })

  test('a file ends at 800 lines, a test too', () => {
    const text = '// line\n'.repeat(SIZES.fileLinesMax)
    const found = messages(checkSizes(files({ 'test/a.test.ts': text })))
    expect(found).toEqual([expect.stringContaining('has 801 lines')])
  })

  test('a tenth of long files is too many', () => {
    const long = '// line\n'.repeat(SIZES.fileLinesP90Max + 1)
    const many = (longs: number): readonly SourceFile[] =>
      files(
        Object.fromEntries(
          Array.from({ length: 10 }, (_, index) => [`src/a/f${index}.ts`, index < longs ? long : '']),
        ),
      )
    expect(checkSizes(many(1))).toEqual([])
    expect(messages(checkSizes(many(2)))).toEqual([expect.stringContaining('a tenth of the files')])
  })
})

describe('dead files', () => {
  const sources = files({
    'src/index.ts': "export * from './a/live.ts'",
    'src/a/live.ts': '',
    'src/a/tested.ts': '',
    'src/a/tested.test.ts': "import './tested.ts'; import './contract.ts'",
    'src/a/contract.ts': '',
    'src/a/dead.ts': '',
  })

  test('what no entry reaches is dead, what only tests reach too', () => {
    const found = messages(checkDeadFiles(sources, ['src/index.ts'], { testOnly: [], unwired: [] }))
    expect(found).toEqual([
      expect.stringContaining('src/a/tested.ts:1  dead-files: only tests'),
      expect.stringContaining('src/a/dead.ts:1  dead-files: nothing imports it'),
    ])
  })

  test('a list may say that a file is for tests', () => {
    const exceptions = { testOnly: [{ path: 'src/a/tested.ts', reason: 'a model' }], unwired: [] }
    const found = messages(checkDeadFiles(sources, ['src/index.ts'], exceptions))
    expect(found).toEqual([expect.stringContaining('dead.ts')])
  })

  test('a part that is being built may wait for its wiring, and no longer', () => {
    const unwired = [{ path: 'src/a/', reason: 'being built' }]
    expect(checkDeadFiles(sources, ['src/index.ts'], { testOnly: [], unwired })).toEqual([])
    const wired = files({ 'src/index.ts': "import './a/a.ts'", 'src/a/a.ts': '' })
    const found = messages(checkDeadFiles(wired, ['src/index.ts'], { testOnly: [], unwired }))
    expect(found).toEqual([expect.stringContaining('src/a/ is wired')])
  })
})

describe('names', () => {
  test.each([
    ['src/a/camelCase.ts', 'not in kebab-case'],
    ['src/a/snake_case.ts', 'not in kebab-case'],
    ['src/BadFolder/a.ts', 'not in kebab-case'],
    ['src/a/utils.ts', 'says nothing'],
    ['src/helpers/a.ts', 'says nothing'],
    ['src/a/a.spec.ts', 'is no kind of file'],
  ])('refuse %s', (path, message) => {
    expect(messages(checkNames(files({ [path]: '' })))).toEqual([expect.stringContaining(message)])
  })

  test('refuse a default export in src, not in an example', () => {
    const text = 'export default 1'
    expect(messages(checkNames(files({ 'src/a/a.ts': text, 'examples/a.ts': text })))).toEqual([
      expect.stringContaining('src/a/a.ts'),
    ])
  })

  test('allow the kinds of files', () => {
    expect(
      checkNames(
        files({ 'src/a/crc32c.prop.test.ts': '', 'src/a/b-c.sim.test.ts': '', 'vitest.config.ts': '' }),
      ),
    ).toEqual([])
  })
})

describe('words', () => {
  test.each([`// TODO: later`, `/* FIXME */`, `// @ts-ignore`, `const path = '../shared/data'`, `'/work/x'`])(
    'refuse %s',
    (text) => {
      expect(checkWords(files({ 'src/a/a.ts': `\n${text}` }))).toEqual([expect.objectContaining({ line: 2 })])
    },
  )

  test('allow data beside the repository in tests, and words that only look alike', () => {
    expect(
      checkWords(
        files({
          'test/a.ts': `'../shared/data'`,
          'src/a/a.ts': "import './shared.ts' // todos, hacksaw",
        }),
      ),
    ).toEqual([])
  })
})
