import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isMillraceError, MillraceError, messageOf } from '../base/errors.ts'
import { App } from '../streams/app.ts'
import { isConfigurable } from '../streams/options.ts'

/** Loads the app of a pipeline file; `settings` are the `--set key=value` of the command line. */
export async function loadPipeline(file: string, settings: readonly string[]): Promise<App> {
  const path = resolve(file)
  if (!existsSync(path)) {
    throw new MillraceError(
      'MILLRACE_FILE',
      `there is no pipeline file ${path}; \`millrace run FILE\` takes its path`,
    )
  }
  const exported = defaultOf(await importFile(path), path)
  const options = parseSettings(settings)
  if (isConfigurable(exported)) return exported.fromText(options)
  if (settings.length > 0) {
    const reason = `--set reaches only a pipeline whose default export comes from withOptions(...)`
    throw new MillraceError('MILLRACE_INVALID_ARGUMENT', `${reason}, and ${path} exports an app`)
  }
  if (exported instanceof App) return exported
  const way = '`export default app(name, { ... })` or `export default withOptions({ ... }, build)`'
  throw new MillraceError('MILLRACE_INVALID_PLAN', `${path} must have a default export: ${way}`)
}

async function importFile(path: string): Promise<object> {
  try {
    return (await import(pathToFileURL(path).href)) as object
  } catch (error) {
    const where = firstFrameOf(error, path)
    // The command was right, the file is not: a wrong argument in it is a wrong plan.
    if (isMillraceError(error)) {
      throw new MillraceError('MILLRACE_INVALID_PLAN', `${where}: ${error.message}`, { cause: error })
    }
    throw new MillraceError(
      'MILLRACE_INVALID_PLAN',
      `${where}: the pipeline file could not be loaded: ${messageOf(error)}${hintFor(error)}`,
      {
        cause: error,
      },
    )
  }
}

/** What a new folder lacks most often. */
function hintFor(error: unknown): string {
  const commonjs = messageOf(error).includes('import statement outside a module')
  return commonjs ? '; say that the folder holds ES modules: npm pkg set type=module' : ''
}

/** The line of the user's file in a stack, as `file:line:column`. */
function firstFrameOf(error: unknown, path: string): string {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const at = stack.indexOf(path)
  const position = at < 0 ? null : /^:\d+(:\d+)?/.exec(stack.slice(at + path.length))
  return position === null ? path : `${path}${position[0]}`
}

function defaultOf(module: object, path: string): unknown {
  if ('default' in module) return module.default
  throw new MillraceError(
    'MILLRACE_INVALID_PLAN',
    `${path} has no default export: end it with \`export default app(name, { ... })\``,
  )
}

function parseSettings(settings: readonly string[]): Record<string, string> {
  const options: Record<string, string> = {}
  for (const setting of settings) {
    const at = setting.indexOf('=')
    if (at <= 0)
      throw new MillraceError('MILLRACE_INVALID_ARGUMENT', `--set takes key=value, not "${setting}"`)
    options[setting.slice(0, at)] = setting.slice(at + 1)
  }
  return options
}
