import {
  type Finding,
  field,
  isNode,
  isTest,
  lineOf,
  nameOf,
  type SourceFile,
  type SyntaxNode,
  walk,
} from './source-file.ts'

/**
 * The outside world comes as one `Sys` value, so that every run can be repeated in a simulated one. This rule finds
 * code that reaches around it: modules of Node that do input and output, and globals with a clock, timers or chance.
 * What only computes is free: node:zlib, `new Date(ms)`, `Date.UTC`. Exceptions name files, what they use, and why.
 */
export interface Exceptions {
  readonly banned: readonly Exception[]
}

export interface Exception {
  /** A file, or a folder with a slash at its end. */
  readonly path: string
  /** What it may use: 'node:fs', 'setTimeout' ...; '*' is everything. */
  readonly allow: readonly string[]
  readonly reason: string
}

/** Modules of Node that compute and touch nothing. */
const PURE_MODULES = new Set([
  'node:zlib',
  'node:util',
  'node:buffer',
  'node:string_decoder',
  'node:path',
  'node:path/posix',
  'node:async_hooks',
])

const BANNED_GLOBALS = new Set([
  'setTimeout',
  'setInterval',
  'setImmediate',
  'clearTimeout',
  'clearInterval',
  'clearImmediate',
  'performance',
  'crypto',
  'process',
  'console',
  'fetch',
  'WebSocket',
  'EventSource',
  'require',
])

const BANNED_MEMBERS = new Set([
  'Date.now',
  'Math.random',
  'AbortSignal.timeout',
  'Atomics.wait',
  'import.meta.dirname',
  'import.meta.filename',
])

export function checkBanned(
  files: readonly SourceFile[],
  exceptions: readonly Exception[],
): readonly Finding[] {
  return files
    .filter((file) => file.path.startsWith('src/') && !isTest(file.path))
    .flatMap((file) => {
      const allowed = allowedIn(file.path, exceptions)
      return usesOf(file)
        .filter(({ name }) => !allowed.has('*') && !allowed.has(name))
        .map(({ name, line }): Finding => {
          const message = `uses ${name}: take it from Sys, or list the file in tools/exceptions.json with its reason`
          return { rule: 'banned', path: file.path, line, message }
        })
    })
}

/** Exceptions that no file needs any more, and those that give no reason. */
export function checkExceptions(
  files: readonly SourceFile[],
  exceptions: readonly Exception[],
): readonly Finding[] {
  return exceptions.flatMap((exception) => {
    const covered = files.filter((file) => covers(exception.path, file.path) && !isTest(file.path))
    const used = new Set(covered.flatMap(usesOf).map(({ name }) => name))
    const stale = exception.allow.filter((name) => (name === '*' ? used.size === 0 : !used.has(name)))
    const faults = [
      // A part that is not there yet has no use of its exception; one that is there must have.
      ...(covered.length > 0 && stale.length > 0 ? [`needs no ${stale.join(', ')} any more`] : []),
      ...(exception.reason.length < 10 ? ['gives no reason'] : []),
    ]
    return faults.map((fault): Finding => {
      return { rule: 'banned', path: 'tools/exceptions.json', line: 1, message: `${exception.path} ${fault}` }
    })
  })
}

function allowedIn(path: string, exceptions: readonly Exception[]): ReadonlySet<string> {
  return new Set(exceptions.filter((exception) => covers(exception.path, path)).flatMap(({ allow }) => allow))
}

function covers(pattern: string, path: string): boolean {
  return pattern.endsWith('/') ? path.startsWith(pattern) : path === pattern
}

interface Use {
  readonly name: string
  readonly line: number
}

function usesOf(file: SourceFile): readonly Use[] {
  const found: Use[] = file.imports
    .filter(({ specifier }) => specifier.startsWith('node:') && !PURE_MODULES.has(specifier))
    .map(({ specifier, line }) => ({ name: specifier, line }))
  const declared = declaredNames(file.program)
  walk(file.program, (node, parent, name) => {
    const use = memberUse(node) ?? globalUse(node, parent, name, declared) ?? clockUse(node)
    if (use !== null) found.push({ name: use, line: lineOf(file.text, node.start) })
  })
  return found
}

/** `Date.now`, also written as `globalThis.Date.now` or `Date['now']`. */
function memberUse(node: SyntaxNode): string | null {
  if (node.type !== 'MemberExpression') return null
  const object = field(node, 'object')
  const property = nameOf(field(node, 'property'))
  if (!isNode(object) || property === null) return null
  if (nameOf(object) === 'globalThis') return BANNED_GLOBALS.has(property) ? property : null
  const owner =
    object.type === 'MetaProperty' ? 'import.meta' : (nameOf(object) ?? nameOf(field(object, 'property')))
  const path = `${owner}.${property}`
  return BANNED_MEMBERS.has(path) ? path : null
}

/** `new Date()` and `Date()` read the clock; `new Date(ms)` does not. */
function clockUse(node: SyntaxNode): string | null {
  if (node.type !== 'NewExpression' && node.type !== 'CallExpression') return null
  if (nameOf(field(node, 'callee')) !== 'Date') return null
  const given = field(node, 'arguments')
  const reads = node.type === 'CallExpression' || (Array.isArray(given) && given.length === 0)
  return reads ? 'Date.now' : null
}

/** An identifier that means the global: no name of a property, and nothing the file declares itself. */
function globalUse(
  node: SyntaxNode,
  parent: SyntaxNode | null,
  name: string,
  declared: ReadonlySet<string>,
): string | null {
  if (node.type !== 'Identifier' || parent === null) return null
  const identifier = nameOf(node)
  if (identifier === null || !BANNED_GLOBALS.has(identifier) || declared.has(identifier)) return null
  const isPropertyName = (name === 'property' || name === 'key') && field(parent, 'computed') !== true
  const isShorthand = field(parent, 'shorthand') === true && name === 'value'
  return (isPropertyName && !isShorthand) || parent.type.startsWith('TS') ? null : identifier
}

/** Names that the file's own functions, parameters, variables and imports bind, anywhere: coarse, without scopes. */
function declaredNames(program: SyntaxNode): ReadonlySet<string> {
  const names = new Set<string>()
  walk(program, (node, parent, name) => {
    if (node.type !== 'Identifier' || parent === null) return
    const declares =
      (name === 'id' && /^(VariableDeclarator|FunctionDeclaration|ClassDeclaration)$/.test(parent.type)) ||
      (name === 'params' && parent.type.includes('Function')) ||
      (name === 'local' && parent.type.startsWith('Import'))
    const identifier = nameOf(node)
    if (declares && identifier !== null) names.add(identifier)
  })
  return names
}
