import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { build } from '../tools/build.ts'

/**
 * The package as its users get it: built, packed, installed into an empty folder, and the first pipeline of the README
 * run there by the command that the README names. The installed files hold no TypeScript sources, so nothing here can
 * pass by reaching into the repository.
 */

const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'millrace-package-'))
const built = join(folder, 'built')
const user = join(folder, 'user')

// Commands of the user run on the Node of this test, whatever else the machine has.
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}` }

function npm(args: readonly string[], cwd: string): string {
  return execFileSync('npm', args, { cwd, env, encoding: 'utf8' })
}

beforeAll(() => {
  build(root, built)
  const [tarball] = JSON.parse(npm(['pack', '--json', '--pack-destination', folder], built)) as [
    { filename: string },
  ]
  mkdirSync(user)
  writeFileSync(join(user, 'package.json'), '{ "private": true, "type": "module" }')
  npm(['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, tarball.filename)], user)
}, 180_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the published package', () => {
  test('has no fault that publint knows', async () => {
    const { messages, pkg } = await publint({ pkgDir: built, level: 'suggestion', strict: true, pack: 'npm' })
    expect(messages.map((message) => formatMessage(message, pkg as Record<string, unknown>))).toEqual([])
  })

  test('holds compiled files, types and papers, no sources and no tests', () => {
    const files = readdirSync(join(user, 'node_modules/millrace'), { recursive: true, encoding: 'utf8' })
    expect(files).toEqual(
      expect.arrayContaining([
        'index.js',
        'index.d.ts',
        'cli/main.js',
        'LICENSE',
        'README.md',
        'tsconfig.json',
      ]),
    )
    expect(files.filter((file) => /(?<!\.d)\.ts$/.test(file))).toEqual([])
    expect(files.filter((file) => file.includes('.test.'))).toEqual([])
  })

  test('can be imported by every entry', () => {
    const script =
      "for (const entry of ['millrace', 'millrace/files', 'millrace/testing']) console.log(Object.keys(await import(entry)).length > 0)"
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: user,
      encoding: 'utf8',
    })
    expect(output).toBe('true\ntrue\ntrue\n')
  })

  test("type-checks in a user's project, with the setting that it offers", () => {
    writeFileSync(join(user, 'word-count.ts'), firstPipeline())
    writeFileSync(
      join(user, 'tsconfig.json'),
      JSON.stringify({
        extends: 'millrace/tsconfig.json',
        compilerOptions: { types: [] },
        files: ['word-count.ts'],
      }),
    )
    const compile = (): string =>
      execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], {
        cwd: user,
        encoding: 'utf8',
      })
    expect(compile()).toBe('')
    // And does so with the real types: a wrong field is an error.
    writeFileSync(
      join(user, 'word-count.ts'),
      firstPipeline().replace('line.toLowerCase()', 'line.toLowerCas()'),
    )
    expect(compile).toThrow()
  })
})

test("the README's first pipeline runs where the package was installed", async () => {
  writeFileSync(join(user, 'word-count.ts'), firstPipeline())
  writeFileSync(join(user, 'poem.txt'), firstInput())
  const port = 20_000 + (process.pid % 20_000)
  const millrace = join(user, 'node_modules/.bin/millrace')
  const child = spawn(millrace, ['run', 'word-count.ts', '--port', String(port)], { cwd: user, env })
  const output = collect(child)
  const ended = once(child, 'exit')
  const countReaches = (count: number): Promise<unknown> =>
    until(async () => {
      if (child.exitCode !== null)
        throw new Error(`millrace run ended with ${child.exitCode}:\n${output.text}`)
      const response = await fetch(`http://127.0.0.1:${port}/views/words/the`)
      const row = response.ok ? ((await response.json()) as { count: number }) : null
      return row !== null && row.count >= count ? row : null
    })
  try {
    expect(await countReaches(3)).toMatchObject({ key: 'the', count: 3 })
    appendFileSync(join(user, 'poem.txt'), appendedInput())
    expect(await countReaches(4)).toMatchObject({ key: 'the', count: 4 })
    child.kill('SIGINT')
    expect((await ended)[0], output.text).toBe(0)
  } finally {
    child.kill('SIGKILL')
  }
}, 60_000)

/** The code block below the README's mark. */
function firstPipeline(): string {
  const code = /<!-- first pipeline: word-count\.ts -->\n```ts\n([\s\S]*?)```/.exec(readme())?.[1]
  if (code === undefined) throw new Error('README.md has no block marked as the first pipeline')
  return code
}

/** The text that the README tells its reader to put into poem.txt. */
function firstInput(): string {
  const text = /^echo '(.*)' > poem\.txt$/m.exec(readme())?.[1]
  if (text === undefined) throw new Error('README.md does not say what is in poem.txt')
  return `${text}\n`
}

/** The line that it tells them to append. */
function appendedInput(): string {
  const text = /^echo '(.*)' >> poem\.txt/m.exec(readme())?.[1]
  if (text === undefined) throw new Error('README.md does not append to poem.txt')
  return `${text}\n`
}

function readme(): string {
  return readFileSync(join(root, 'README.md'), 'utf8')
}

function collect(child: ChildProcess): { text: string } {
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output.text += chunk.toString()
    })
  }
  return output
}

/** Asks again until there is an answer; a refused connection is none yet. */
async function until<T>(ask: () => Promise<T | null>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      const answer = await ask()
      if (answer !== null) return answer
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
    }
    if (attempt === 200) throw new Error('no answer after 20 s')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
