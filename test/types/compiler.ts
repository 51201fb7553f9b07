import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** The folder of the repository. */
export const root = resolve(import.meta.dirname, '../..')

export interface Diagnostic {
  readonly file: string
  readonly line: number
  readonly code: string
  /** All lines of the message, as the compiler prints them. */
  readonly message: string
}

export interface Compiled {
  readonly diagnostics: readonly Diagnostic[]
  /** What the compiler says of itself with --extendedDiagnostics: 'Instantiations' -> 43460. */
  readonly statistics: ReadonlyMap<string, number>
  /** Emitted declarations by file name. */
  readonly declarations: ReadonlyMap<string, string>
}

/** The part of the package that the types of a pipeline need: the rest of it costs time and may be in work. */
const PATHS = {
  millrace: [join(root, 'src/streams/index.ts')],
  // The log alone, apart: it takes much more of the source to check.
  'millrace/open': [join(root, 'src/run/open.ts')],
  zod: [join(root, 'node_modules/zod/index.d.ts')],
}

/** Compiles programs, given by file name, as a user's project with the strictest settings. */
export function compile(programs: Readonly<Record<string, string>>, options: object = {}): Compiled {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-types-'))
  try {
    for (const [name, text] of Object.entries(programs)) writeFileSync(join(folder, name), text)
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
    const settings = { paths: PATHS, typeRoots: [join(root, 'node_modules/@types')], ...options }
    return compileProject(folder, Object.keys(programs), settings)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Compiles files of the repository itself, which find the package by its own name. */
export function compileFiles(files: readonly string[], options: object = {}): Compiled {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-types-'))
  try {
    const typeRoots = [join(root, 'node_modules/@types')]
    return compileProject(
      folder,
      files.map((file) => join(root, file)),
      { typeRoots, ...options },
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function compileProject(folder: string, files: readonly string[], options: object): Compiled {
  const project = { extends: join(root, 'tsconfig.json'), compilerOptions: options, files, include: [] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(project))
  const compiler = join(root, 'node_modules/.bin/tsc')
  const run = spawnSync(compiler, ['-p', folder, '--extendedDiagnostics', '--pretty', 'false'], {
    cwd: folder,
    encoding: 'utf8',
  })
  if (run.error !== undefined) throw run.error
  return {
    diagnostics: diagnosticsOf(run.stdout),
    statistics: statisticsOf(run.stdout),
    declarations: declarationsOf(folder),
  }
}

function diagnosticsOf(output: string): readonly Diagnostic[] {
  const diagnostics: Diagnostic[] = []
  for (const line of output.split('\n')) {
    const match = /^(.+)\((\d+),\d+\): error (TS\d+): (.*)$/.exec(line)
    const last = diagnostics.at(-1)
    if (match !== null) {
      const [, file = '', at, code = '', message = ''] = match
      diagnostics.push({ file, line: Number(at), code, message })
    } else if (line.startsWith('  ') && last !== undefined) {
      diagnostics[diagnostics.length - 1] = { ...last, message: `${last.message}\n${line}` }
    } else if (line.startsWith('error ')) {
      throw new Error(`the compiler could not run: ${line}`)
    }
  }
  return diagnostics
}

function statisticsOf(output: string): ReadonlyMap<string, number> {
  const found = output.matchAll(/^([A-Z][A-Za-z ]+): +([\d.]+)[sK]?$/gm)
  return new Map([...found].map(([, name = '', value]) => [name, Number(value)]))
}

function declarationsOf(folder: string): ReadonlyMap<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.d.ts'),
  )
  return new Map(files.map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
}
