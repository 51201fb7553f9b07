import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from './build.ts'
import { field, isNode, nameOf, parseSource, type SyntaxNode } from './source-file.ts'

/**
 * What users see, as text in docs/api: every name that an entry exports, with its declaration, without comments. A
 * change of the public face then shows in the diff of a commit and is never an accident.
 *
 *   npm run api             compares, prints the differences
 *   npm run api -- --write  takes over what is there now
 */

const ENTRIES = {
  index: 'index.d.ts',
  testing: 'testing/index.d.ts',
  files: 'connect/files/index.d.ts',
} as const

/** Reads the declaration file at a path; the seam for tests. */
export type ReadDeclarations = (path: string) => string

/** One line per exported name, sorted by name. */
export function describeEntry(entry: string, read: ReadDeclarations): string {
  const names = exportsOf(entry, read, new Map())
  const sorted = [...names].sort(([one], [other]) => (one < other ? -1 : 1))
  return sorted.map(([name, declaration]) => `${name}\n    ${declaration}\n`).join('')
}

/** What each file exports; a file is in it from when its reading began, so that each is read once. */
type Known = Map<string, ReadonlyMap<string, string>>

/** Names to declarations, followed through re-exports. An unknown name is kept as such rather than lost. */
function exportsOf(path: string, read: ReadDeclarations, known: Known): ReadonlyMap<string, string> {
  const before = known.get(path)
  if (before !== undefined) return before
  const found = new Map<string, string>()
  known.set(path, found)
  const { program, text, imports } = parseSource(path, read(path))
  const body = field(program, 'body')
  for (const statement of Array.isArray(body) ? body.filter(isNode) : []) {
    const source = nameOf(field(statement, 'source'))
    const target = imports.find(({ specifier }) => specifier === source)?.target ?? null
    const from = target === null ? null : exportsOf(target.replace(/\.[jt]s$/, '.d.ts'), read, known)
    if (statement.type === 'ExportAllDeclaration') {
      for (const [name, declaration] of from ?? []) found.set(name, declaration)
    } else if (statement.type === 'ExportNamedDeclaration') {
      const locals = from ?? localDeclarations(path, program, text, read, known)
      for (const [name, local] of specifiersOf(statement)) {
        found.set(name, locals.get(local) ?? `re-exported from ${source ?? 'another file'}`)
      }
      const declaration = field(statement, 'declaration')
      if (isNode(declaration)) addDeclaration(found, declaration, text)
    }
  }
  return found
}

function specifiersOf(statement: SyntaxNode): readonly (readonly [string, string])[] {
  const specifiers = field(statement, 'specifiers')
  return (Array.isArray(specifiers) ? specifiers.filter(isNode) : []).map((specifier) => {
    return [nameOf(field(specifier, 'exported')) ?? '', nameOf(field(specifier, 'local')) ?? '']
  })
}

/** What `export { name }` can mean: declared in this file, or imported into it. */
function localDeclarations(
  path: string,
  program: SyntaxNode,
  text: string,
  read: ReadDeclarations,
  known: Known,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const body = field(program, 'body')
  for (const statement of Array.isArray(body) ? body.filter(isNode) : []) {
    if (statement.type !== 'ImportDeclaration') {
      addDeclaration(found, statement, text)
      continue
    }
    const source = nameOf(field(statement, 'source'))
    const target = parseSource(path, text).imports.find(({ specifier }) => specifier === source)?.target
    if (target === null || target === undefined) continue
    const theirs = exportsOf(target.replace(/\.[jt]s$/, '.d.ts'), read, known)
    const specifiers = field(statement, 'specifiers')
    for (const specifier of Array.isArray(specifiers) ? specifiers.filter(isNode) : []) {
      const declaration = theirs.get(nameOf(field(specifier, 'imported')) ?? '')
      const local = nameOf(field(specifier, 'local'))
      if (local !== null && declaration !== undefined) found.set(local, declaration)
    }
  }
  return found
}

function addDeclaration(found: Map<string, string>, node: SyntaxNode, text: string): void {
  const declared = field(node, 'declarations')
  const holders = Array.isArray(declared) ? declared.filter(isNode) : [node]
  for (const holder of holders) {
    const name = nameOf(field(holder, 'id'))
    if (name === null) continue
    const declaration = plain(text.slice(node.start, node.end))
    const overload = found.get(name)
    // Overloads of a function, and an interface beside a function of the same name.
    found.set(name, overload === undefined ? declaration : `${overload} ${declaration}`)
  }
}

/** Without comments and layout, which are no part of the interface. */
function plain(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/\s+/g, ' ')
    .trim()
}

/** The lines that differ, marked as a diff marks them; empty when nothing differs. */
export function compareSnapshots(expected: string, actual: string): readonly string[] {
  const before = new Set(expected.split('\n'))
  const after = new Set(actual.split('\n'))
  return [
    ...[...before].filter((line) => !after.has(line)).map((line) => `- ${line}`),
    ...[...after].filter((line) => !before.has(line)).map((line) => `+ ${line}`),
  ]
}

function main(root: string, write: boolean): number {
  const out = mkdtempSync(join(tmpdir(), 'millrace-api-'))
  try {
    build(root, out)
    let differences = 0
    for (const [name, entry] of Object.entries(ENTRIES)) {
      const file = join(root, 'docs/api', `${name}.txt`)
      const actual = describeEntry(entry, (path) => readFileSync(join(out, path), 'utf8'))
      if (write) {
        mkdirSync(join(root, 'docs/api'), { recursive: true })
        writeFileSync(file, actual)
        continue
      }
      for (const line of compareSnapshots(readFileSync(file, 'utf8'), actual)) {
        console.error(`docs/api/${name}.txt  ${line}`)
        differences++
      }
    }
    if (differences > 0)
      console.error(
        'The public face changed. If it is meant: npm run api -- --write, and say so in CHANGELOG.md',
      )
    else console.log(write ? 'docs/api written' : 'the public face is as docs/api says')
    return differences === 0 ? 0 : 1
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

if (import.meta.main)
  process.exitCode = main(join(import.meta.dirname, '..'), process.argv.includes('--write'))
