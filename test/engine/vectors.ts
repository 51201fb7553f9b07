import { readFileSync } from 'node:fs'
import { sharedPath } from '../shared-path.ts'

/** A published input and its published output. Cells are texts, numbers or null. */
export type Cell = string | number | null

export interface Vector {
  readonly id: string
  readonly source: string
  readonly operation: string
  readonly input: Readonly<Record<string, unknown>> & { readonly rows?: readonly (readonly Cell[])[] }
  readonly expected: Readonly<Record<string, unknown>> & { readonly rows?: unknown }
}

export function vectors(): readonly Vector[] {
  return (JSON.parse(readFileSync(sharedPath('vectors/classic.json'), 'utf8')) as { vectors: Vector[] })
    .vectors
}

export function vector(id: string): Vector {
  const found = vectors().find((one) => one.id === id)
  if (found === undefined) throw new Error(`there is no vector ${id}`)
  return found
}

/** Rows of a vector's input, which the caller knows the shape of. */
export function inputRows(id: string): readonly (readonly Cell[])[] {
  return vector(id).input.rows ?? []
}

export function expectedRows(id: string): readonly (readonly Cell[])[] {
  return vector(id).expected.rows as readonly (readonly Cell[])[]
}

/** '08:05' in ms. */
export function clockMs(text: Cell | undefined): number {
  const [hours, minutes] = String(text).split(':').map(Number)
  return ((hours ?? 0) * 60 + (minutes ?? 0)) * 60_000
}

export function clockText(ms: number): string {
  return new Date(ms).toISOString().slice(11, 16)
}

/** Lines of JSON. */
export function jsonLines<T>(path: string): readonly T[] {
  const text = readFileSync(sharedPath(path), 'utf8')
  return text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [JSON.parse(line) as T]))
}
