import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const START_MS = 20_000

/** What a finished command left. */
export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * A folder as a user has one: pipeline files, input, a data directory, and millrace in `node_modules`. Every command
 * is a process of its own.
 */
export class CliWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'))
  readonly #running: CommandProcess[] = []

  constructor() {
    mkdirSync(join(this.folder, 'node_modules'))
    symlinkSync(root, join(this.folder, 'node_modules', 'millrace'))
    symlinkSync(join(root, 'node_modules', 'zod'), join(this.folder, 'node_modules', 'zod'))
    this.put('package.json', '{ "type": "module" }')
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  put(name: string, content: string): string {
    writeFileSync(this.path(name), content)
    return name
  }

  get(name: string): string {
    return readFileSync(this.path(name), 'utf8')
  }

  has(name: string): boolean {
    return existsSync(this.path(name))
  }

  /** Whether a file below a folder, which a process is writing to, has a text in it. */
  holds(folder: string, text: string): boolean {
    const has = (path: string): boolean => {
      try {
        const stats = statSync(path)
        if (!stats.isDirectory()) return readFileSync(path).includes(text)
        return readdirSync(path).some((name) => has(join(path, name)))
      } catch {
        // Gone meanwhile.
        return false
      }
    }
    return has(this.path(folder))
  }

  drop(name: string): void {
    rmSync(this.path(name), { recursive: true, force: true })
  }

  /** Runs a command to its end; `input` is its standard input. */
  async millrace(words: readonly string[], input = ''): Promise<Finished> {
    const command = this.start(words)
    command.child.stdin.end(input)
    return command.finished
  }

  /** Starts a command that goes on. */
  start(words: readonly string[]): CommandProcess {
    const command = new CommandProcess(words, this.folder)
    this.#running.push(command)
    return command
  }

  /** Starts an app on a free port and waits until it answers. */
  async startApp(file: string, more: readonly string[] = []): Promise<RunningCommand> {
    const command = this.start(['run', file, '--port', '0', ...more])
    const text = await command.says(/http:\/\/127\.0\.0\.1:\d+/)
    return { command, url: text }
  }

  /** JSON lines of a command that must succeed. */
  async rows(words: readonly string[]): Promise<readonly Record<string, unknown>[]> {
    const { code, stdout, stderr } = await this.millrace(words)
    if (code !== 0) throw new Error(`millrace ${words.join(' ')} ended with ${code}: ${stderr}`)
    return stdout
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]))
  }

  async remove(): Promise<void> {
    for (const { child } of this.#running) if (child.exitCode === null) child.kill('SIGKILL')
    await Promise.all(this.#running.map(({ finished }) => finished))
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export interface RunningCommand {
  readonly command: CommandProcess
  readonly url: string
}

/** A command that runs: what it says, and how it ends. */
export class CommandProcess {
  readonly child: ChildProcessWithoutNullStreams
  readonly finished: Promise<Finished>
  stdout = ''
  stderr = ''
  readonly #listeners = new Set<() => void>()

  constructor(words: readonly string[], folder: string) {
    this.child = spawn(process.execPath, [join(root, 'src/cli/main.ts'), ...words], { cwd: folder })
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      this.#tell()
    })
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      this.#tell()
    })
    // A command that fails early does not read its input.
    this.child.stdin.on('error', () => undefined)
    this.finished = new Promise((resolve, reject) => {
      this.child.on('error', reject)
      this.child.on('close', (code) => {
        resolve({ code, stdout: this.stdout, stderr: this.stderr })
        this.#tell()
      })
    })
  }

  /** Waits for a text on either output, and answers with it. */
  says(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const stop = setTimeout(() => settle(new Error(`did not say ${pattern} in time`)), START_MS)
      const settle = (outcome: string | Error): void => {
        clearTimeout(stop)
        this.#listeners.delete(look)
        if (typeof outcome === 'string') resolve(outcome)
        else reject(new Error(`${outcome.message}: ${this.stdout}${this.stderr}`))
      }
      const look = (): void => {
        const found = pattern.exec(`${this.stdout}\n${this.stderr}`)
        if (found !== null) settle(found[0])
        else if (this.child.exitCode !== null) settle(new Error(`ended before it said ${pattern}`))
      }
      this.#listeners.add(look)
      look()
    })
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
