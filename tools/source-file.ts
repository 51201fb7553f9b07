import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { parseSync } from 'oxc-parser'

/**
 * The sources as the tidy rules see them: text, syntax tree and imports, read once. The tree is that of oxc-parser
 * (ESTree with TypeScript nodes); the rules walk it without types, which is enough for all of them.
 */
export interface SourceFile {
  /** From the root of the repository, with slashes: 'src/log/segment.ts'. */
  readonly path: string
  readonly text: string
  readonly program: SyntaxNode
  readonly imports: readonly Import[]
}

export interface Import {
  readonly specifier: string
  /** The repository path that a relative specifier means; null for a package or a module of Node. */
  readonly target: string | null
  readonly line: number
}

/** A node of the tree. Fields beside `type`, `start` and `end` depend on the type: read them with {@link field}. */
export interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly end: number
}

/** What a rule found: one line for people, clickable in a terminal. */
export interface Finding {
  readonly rule: string
  readonly path: string
  readonly line: number
  readonly message: string
}

const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', '.git', '.millrace', 'coverage'])

/** Reads and parses every .ts file below the given folders of `root`; a folder that is not there has no files. */
export function readSourceFiles(root: string, folders: readonly string[]): readonly SourceFile[] {
  return folders
    .flatMap((folder) => listFiles(root, folder))
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .map((path) => parseSource(path, readFileSync(join(root, path), 'utf8')))
}

/** Paths of all files below a folder, sorted, so that findings come in the same order everywhere. */
export function listFiles(root: string, folder: string): readonly string[] {
  const found: string[] = []
  const visit = (path: string): void => {
    for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
      const child = posix.join(path, entry.name)
      if (entry.isDirectory() && !SKIPPED_FOLDERS.has(entry.name)) visit(child)
      else if (entry.isFile()) found.push(child)
    }
  }
  try {
    visit(folder)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
  return found.sort()
}

/** Parses one file; a syntax error is thrown with its place, for a rule must never pass over a file it cannot read. */
export function parseSource(path: string, text: string): SourceFile {
  const result = parseSync(path, text)
  const [first] = result.errors
  if (first !== undefined) throw new Error(`${path}: ${first.message} ${first.codeframe ?? ''}`)
  const program = result.program as unknown as SyntaxNode
  return { path, text, program, imports: findImports(path, text, program) }
}

/** Every way to name a module: import and export ... from (types too), import(), and import types. */
function findImports(path: string, text: string, program: SyntaxNode): readonly Import[] {
  const found: Import[] = []
  walk(program, (node) => {
    if (!IMPORTING_TYPES.has(node.type)) return
    const source = field(node, 'source')
    if (!isNode(source)) return
    const specifier = field(source, 'value')
    if (typeof specifier !== 'string') return
    found.push({ specifier, target: resolveSpecifier(path, specifier), line: lineOf(text, node.start) })
  })
  return found
}

const IMPORTING_TYPES = new Set([
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'ImportExpression',
  'TSImportType',
])

function resolveSpecifier(path: string, specifier: string): string | null {
  return specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : null
}

/** Calls `visit` for every node, parents first, with the nearest parent and the name of the field it hangs on. */
export function walk(
  node: SyntaxNode,
  visit: (node: SyntaxNode, parent: SyntaxNode | null, name: string) => void,
  parent: SyntaxNode | null = null,
  name = '',
): void {
  visit(node, parent, name)
  for (const [key, value] of Object.entries(node)) {
    if (Array.isArray(value)) {
      for (const item of value) if (isNode(item)) walk(item, visit, node, key)
    } else if (isNode(value)) walk(value, visit, node, key)
  }
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

export function field(node: SyntaxNode, name: string): unknown {
  return (node as unknown as Readonly<Record<string, unknown>>)[name]
}

/** The name of an identifier or a string literal, else null. */
export function nameOf(node: unknown): string | null {
  if (!isNode(node)) return null
  const name = node.type === 'Literal' ? field(node, 'value') : field(node, 'name')
  return typeof name === 'string' ? name : null
}

/** Lines are counted from 1, as editors do. */
export function lineOf(text: string, position: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at !== -1 && at < position; at = text.indexOf('\n', at + 1)) line++
  return line
}

/**
 * Tests, their support (`log-test-world.ts`, `test-disk.ts`) and contracts, the suites that every implementation of a
 * port runs: they may reach everywhere, are measured less strictly.
 */
export function isTest(path: string): boolean {
  return /(\.(test|bench)|(^|[/-])test-[a-z-]+|(^|\/)contract)\.ts$/.test(path) || path.startsWith('test/')
}
