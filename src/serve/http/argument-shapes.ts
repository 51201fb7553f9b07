import { MillraceError } from '../../base/errors.ts'

/** Says what is wrong with a value, in words; undefined: nothing. `where` names it. */
export type Shape = (value: unknown, where: string) => string | undefined

export const text: Shape = (value, where) =>
  typeof value === 'string' ? undefined : wrong(value, where, 'a text')
export const flag: Shape = (value, where) =>
  typeof value === 'boolean' ? undefined : wrong(value, where, 'true or false')
export const whole: Shape = (value, where) =>
  Number.isSafeInteger(value) ? undefined : wrong(value, where, 'a whole number')
export const count: Shape = (value, where) =>
  Number.isSafeInteger(value) && (value as number) >= 0
    ? undefined
    : wrong(value, where, 'a whole number from 0 on')
export const bytes: Shape = (value, where) =>
  value instanceof Uint8Array ? undefined : wrong(value, where, 'bytes')
/** What is inside is checked by whoever uses it. */
export const anything: Shape = (value, where) =>
  typeof value === 'object' && value !== null ? undefined : wrong(value, where, 'fields')

export function nullable(shape: Shape): Shape {
  return (value, where) => (value === null ? undefined : shape(value, where))
}

export function optional(shape: Shape): Shape {
  return (value, where) => (value === undefined ? undefined : shape(value, where))
}

export function oneOf(...values: readonly unknown[]): Shape {
  return (value, where) => (values.includes(value) ? undefined : wrong(value, where, values.join(' or ')))
}

export function list(shape: Shape): Shape {
  return (value, where) => {
    if (!Array.isArray(value)) return wrong(value, where, 'a list')
    for (const [index, one] of value.entries()) {
      const problem = shape(one, `${where}[${index}]`)
      if (problem !== undefined) return problem
    }
    return undefined
  }
}

export function fields(shapes: Readonly<Record<string, Shape>>): Shape {
  return (value, where) => {
    if (typeof value !== 'object' || value === null) return wrong(value, where, 'fields')
    for (const [name, shape] of Object.entries(shapes)) {
      const problem = shape((value as Readonly<Record<string, unknown>>)[name], `${where}.${name}`)
      if (problem !== undefined) return problem
    }
    return undefined
  }
}

/** @throws MillraceError MILLRACE_INVALID_ARGUMENT. */
export function checkShape(shape: Shape, value: unknown, where: string): void {
  const problem = shape(value, where)
  if (problem !== undefined) throw new MillraceError('MILLRACE_INVALID_ARGUMENT', problem)
}

function wrong(value: unknown, where: string, expected: string): string {
  const shown = value instanceof Uint8Array ? `${value.length} bytes` : (JSON.stringify(value) ?? 'missing')
  return `${where} is ${shown.length > 60 ? `${shown.slice(0, 60)}...` : shown}, expected ${expected}`
}
