import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { DurationMs } from '../base/brands.ts'
import { type Duration, ms } from '../base/duration.ts'
import { MillraceError, messageOf } from '../base/errors.ts'
import type { App } from './app.ts'

/** The schemas of options by their names. */
export type OptionSchemas = Readonly<Record<string, StandardSchemaV1>>

/** What the builder of a pipeline gets: the output of each schema. */
export type Options<S extends OptionSchemas> = { readonly [N in keyof S]: StandardSchemaV1.InferOutput<S[N]> }

/** What a caller gives: the input of each schema; one with a default may be left out. */
export type OptionsGiven<S extends OptionSchemas> = {
  readonly [N in keyof S as undefined extends StandardSchemaV1.InferInput<S[N]>
    ? never
    : N]: StandardSchemaV1.InferInput<S[N]>
} & {
  readonly [N in keyof S as undefined extends StandardSchemaV1.InferInput<S[N]>
    ? N
    : never]?: StandardSchemaV1.InferInput<S[N]>
}

/** An app that takes options: what {@link withOptions} returns. Call it with options to get the app. */
export interface Configurable<S extends OptionSchemas = OptionSchemas, A extends App = App> {
  (...options: {} extends OptionsGiven<S> ? [options?: OptionsGiven<S>] : [options: OptionsGiven<S>]): A
  /** The schemas of its options. */
  readonly options: S
  /** The app with options that are texts, as the command line has them (`--set limit=5`). */
  fromText(options: Readonly<Record<string, string>>): A
}

/**
 * An app with options, as the default export of a pipeline file: each has a Standard Schema, which checks it and may
 * give it a default.
 *
 * @throws MillraceError MILLRACE_INVALID_ARGUMENT, when it is called, naming every option that is wrong.
 * @example
 * export default withOptions({ size: duration('1h'), limit: z.coerce.number().default(10) }, ({ size, limit }) =>
 *   app('trending', { top: view(topPages(size, limit)) }),
 * )
 * // on the command line: --set limit=5; in a program: run(trending({ limit: 5 }), { at: 'memory:' })
 */
export function withOptions<S extends OptionSchemas, A extends App>(
  schemas: S,
  build: (options: Options<S>) => A,
): Configurable<S, A> {
  for (const [name, schema] of Object.entries(schemas)) {
    if (typeof schema?.['~standard']?.validate === 'function') continue
    throw new MillraceError(
      'MILLRACE_INVALID_PLAN',
      `the option '${name}' has no schema: give it one, such as duration('1h')`,
    )
  }
  const configurable = (given: Readonly<Record<string, unknown>> = {}) =>
    build(parse(schemas, given, validate) as Options<S>)
  const fromText = (given: Readonly<Record<string, string>>) =>
    build(parse(schemas, given, validateText) as Options<S>)
  return Object.freeze(
    Object.assign(configurable, { options: Object.freeze({ ...schemas }), fromText }),
  ) as Configurable<S, A>
}

/** Whether a pipeline file's export comes from {@link withOptions}. */
export function isConfigurable(value: unknown): value is Configurable {
  return typeof value === 'function' && 'options' in value && 'fromText' in value
}

/** What {@link duration} returns. A name of its own, so that declarations of pipelines need no other package. */
export interface DurationSchema<In> extends StandardSchemaV1<In, DurationMs> {}

/**
 * A duration as an option: a Standard Schema that takes what {@link Duration} is, and gives milliseconds.
 *
 * @param fallback used when the option is left out; without it the option must be given.
 * @example
 * withOptions({ size: duration('1h') }, ({ size }) => app('pages', { top: view(perPage(tumbling(size)).final()) }))
 */
export function duration(): DurationSchema<Duration>
export function duration(fallback: Duration): DurationSchema<Duration | undefined>
export function duration(fallback?: Duration): DurationSchema<Duration | undefined> {
  const fallbackMs = fallback === undefined ? undefined : ms(fallback)
  return Object.freeze({
    '~standard': Object.freeze({
      version: 1 as const,
      vendor: 'millrace',
      validate(value: unknown): StandardSchemaV1.Result<DurationMs> {
        if (value === undefined && fallbackMs !== undefined) return { value: fallbackMs }
        if (value === undefined) return { issues: [{ message: "a duration is needed, such as '5m'" }] }
        try {
          return { value: ms(value as Duration) }
        } catch (error) {
          return { issues: [{ message: messageOf(error) }] }
        }
      },
    }),
  })
}

type Validated = StandardSchemaV1.Result<unknown>

/** All options at once, so that one message names all that are wrong. */
function parse(
  schemas: OptionSchemas,
  given: Readonly<Record<string, unknown>>,
  check: (schema: StandardSchemaV1, value: unknown) => Validated,
): Record<string, unknown> {
  const names = Object.keys(schemas)
  const problems: string[] = []
  const options: Record<string, unknown> = {}
  for (const name of Object.keys(given)) {
    if (!names.includes(name))
      problems.push(`${name}: there is no such option; there is: ${names.join(', ') || 'none'}`)
  }
  for (const [name, schema] of Object.entries(schemas)) {
    const result = check(schema, given[name])
    if (result.issues === undefined) options[name] = result.value
    else problems.push(`${name}: ${issuesText(result.issues)}`)
  }
  if (problems.length === 0) return options
  throw new MillraceError('MILLRACE_INVALID_ARGUMENT', `wrong options:\n  ${problems.join('\n  ')}`)
}

function validate(schema: StandardSchemaV1, value: unknown): Validated {
  const result = schema['~standard'].validate(value)
  if (!('then' in result)) return result
  result.catch(() => undefined)
  return { issues: [{ message: 'its schema answers with a promise; use one that answers at once' }] }
}

/** A text is taken as it is; if the schema wants something else, as the JSON that it may be: `5`, `true`, `["a"]`. */
function validateText(schema: StandardSchemaV1, value: unknown): Validated {
  const result = validate(schema, value)
  if (result.issues === undefined || typeof value !== 'string') return result
  let parsed: unknown
  try {
    parsed = JSON.parse(value)
  } catch {
    return result
  }
  const second = validate(schema, parsed)
  return second.issues === undefined ? second : result
}

function issuesText(issues: readonly StandardSchemaV1.Issue[]): string {
  return issues
    .map(({ message, path = [] }) => {
      const where = path
        .map((segment) => String(typeof segment === 'object' ? segment.key : segment))
        .join('.')
      return where === '' ? message : `${where}: ${message}`
    })
    .join('; ')
}
