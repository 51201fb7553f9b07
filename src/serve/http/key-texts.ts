import type { Key, KeyPart } from '../../record/key-codec.ts'
import { HttpProblem } from './http-problem.ts'

/** A tuple of more elements is given as JSON. */
const GUESSED_ELEMENTS_MAX = 6

/**
 * The keys that a path can mean, the likeliest first. A segment is a text, or a number or boolean that looks like one;
 * JSON says it exactly (`"5"` is the text, `["a",5]` a tuple). Several segments are a tuple, or a text with slashes:
 * `/views/pages//home` finds the row of '/home'.
 */
export function keysOfPath(segments: readonly string[]): readonly Key[] {
  const [only] = segments
  if (segments.length === 1 && only !== undefined) return [...exactly(only), ...guesses(only)]
  const joined = segments.join('/')
  if (segments.length > GUESSED_ELEMENTS_MAX) return [joined, segments]
  let tuples: KeyPart[][] = [[]]
  for (const segment of segments) {
    const parts = [...exactly(segment).filter(isPart), ...guesses(segment)]
    tuples = tuples.flatMap((tuple) => parts.map((part) => [...tuple, part]))
  }
  return [...tuples, joined]
}

/** A key of a range, of the kind that the view's keys have; without a row to compare with, as it reads. */
export function keyLike(text: string, example: Key | undefined): Key {
  const [exact] = exactly(text)
  if (exact !== undefined && (Array.isArray(exact) || !Array.isArray(example))) return exact
  if (Array.isArray(example))
    return [(exact as KeyPart | undefined) ?? partLike(text, example[0] as KeyPart | undefined)]
  return partLike(text, example as KeyPart | undefined)
}

function partLike(text: string, example: KeyPart | undefined): KeyPart {
  if (example === undefined || typeof example === 'string') return text
  const part = guesses(text).find((guess) => typeof guess === typeof example)
  if (part !== undefined) return part
  const problem = `${JSON.stringify(text)} is no ${typeof example}, as the keys of this view are`
  throw new HttpProblem(400, 'MILLRACE_INVALID_ARGUMENT', problem)
}

/** JSON of a text in quotes, or of a tuple. */
function exactly(text: string): readonly Key[] {
  if (!/^(".*"|\[.*\])$/s.test(text)) return []
  try {
    const value: unknown = JSON.parse(text)
    return isKey(value) ? [value] : []
  } catch {
    return []
  }
}

function guesses(text: string): readonly KeyPart[] {
  if (text === 'true' || text === 'false') return [text, text === 'true']
  return /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(text) ? [text, Number(text)] : [text]
}

function isKey(value: unknown): value is Key {
  return isPart(value) || (Array.isArray(value) && value.every(isPart))
}

function isPart(value: unknown): value is KeyPart {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
