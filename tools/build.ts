import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { listFiles, parseSource } from './source-file.ts'

/**
 * Builds the publishable package: plain output of tsc with types, beside a package.json of its own. In the repository
 * the exports point at the sources, which Node runs as they are; Node refuses TypeScript below node_modules, so the
 * published ones point at what was compiled. The folder itself is what gets published: `npm publish ./dist`.
 */

interface Manifest {
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

const PUBLISHED_FIELDS = [
  'name',
  'version',
  'description',
  'keywords',
  'license',
  'type',
  'sideEffects',
  'engines',
  'dependencies',
] as const

/** Without it a user's `lib: es2024` knows no AsyncDisposable, and `await using` of an app is a type error. */
const LIB_REFERENCE = '/// <reference lib="esnext.disposable" />\n'

export function build(root: string, out: string): void {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  compile(root, out)
  const published = publishedManifest(manifest)
  for (const target of Object.values(published.exports)) {
    if (typeof target === 'object') prepend(join(out, target.types), LIB_REFERENCE)
  }
  for (const path of listFiles(out, '.').filter((file) => file.endsWith('.d.ts'))) rewriteEndings(out, path)
  for (const path of Object.values(published.bin)) chmodSync(join(out, path), 0o755)
  for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md']) copyFileSync(join(root, name), join(out, name))
  copyFileSync(join(root, 'tsconfig.pipeline.json'), join(out, 'tsconfig.json'))
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(published, null, 2)}\n`)
}

/** Runs the compiler of this repository on this Node; what it says is the message. */
function compile(root: string, out: string): void {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const args = [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', out]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`tsc failed:\n${stdout}${stderr}`)
}

interface Compiled {
  readonly types: string
  readonly default: string
}

/** The manifest of the package as users get it: only what they need, with every path inside the folder. */
export function publishedManifest(manifest: Manifest): {
  readonly exports: Readonly<Record<string, string | Compiled>>
  readonly bin: Readonly<Record<string, string>>
} {
  const compiled = (path: string): string | Compiled => {
    if (path === './tsconfig.pipeline.json') return './tsconfig.json'
    if (!path.endsWith('.ts')) return path
    const stem = path.replace('./src/', './').replace(/\.ts$/, '')
    return { types: `${stem}.d.ts`, default: `${stem}.js` }
  }
  return {
    ...Object.fromEntries(PUBLISHED_FIELDS.map((name) => [name, manifest[name]])),
    bin: mapValues(manifest.bin, (path) => path.replace(/^dist\//, '')),
    exports: mapValues(manifest.exports, compiled),
  }
}

function mapValues<V, R>(
  record: Readonly<Record<string, V>>,
  change: (value: V) => R,
): Readonly<Record<string, R>> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))
}

function prepend(path: string, text: string): void {
  const found = readFileSync(path, 'utf8')
  if (!found.includes('lib="esnext.disposable"')) writeFileSync(path, text + found)
}

/** tsc leaves './file.ts' in declarations, where there is only file.d.ts; './file.js' is what every compiler finds. */
function rewriteEndings(out: string, path: string): void {
  const file = join(out, path)
  let text = readFileSync(file, 'utf8')
  for (const { specifier, target } of parseSource(path, text).imports) {
    if (target === null || !specifier.endsWith('.ts')) continue
    const changed = specifier.replace(/\.ts$/, '.js')
    text = text.replaceAll(`'${specifier}'`, `'${changed}'`).replaceAll(`"${specifier}"`, `"${changed}"`)
  }
  writeFileSync(file, text)
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..')
  const out = join(root, 'dist')
  build(root, out)
  console.log(`built ${listFiles(out, '.').length} files in ${out}`)
}
