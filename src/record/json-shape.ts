/** An object of JSON as it was written once: what stood between its scalar values, and how it is put together. */
export interface JsonShape {
  /** The text before each value, and behind the last: one more than there are values. ASCII. */
  readonly literals: readonly string[]
  /** The object as a JavaScript expression over v0, v1, … */
  readonly expression: string
}

const VALUES_MAX = 32
const LITERAL_BYTES_MAX = 512
/**
 * Keys that may stand in generated code, quoted. No digit first: keys like "7" are not kept in the order they come.
 * No escapes, no quotes, nothing but ASCII; and `__proto__` means something else in code than in JSON.
 */
const KEY = /"([A-Za-z_$@][A-Za-z0-9_$@.:/ -]{0,63})"/y
const SPACE = /[ \t\n\r]*/y
/** The content is not looked at: the text is known to be JSON. */
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/y
const SCALAR = /[^ \t\n\r,}[{]+/y

/**
 * The shape of a text that JSON.parse took; undefined where it is none to be expected again word by word: no object,
 * an array in it, odd or too many keys.
 */
export function shapeOf(text: string): JsonShape | undefined {
  const walk = new ShapeWalk(text)
  const expression = walk.object()
  if (expression === undefined || walk.literals.length === 0 || walk.literals.length > VALUES_MAX)
    return undefined
  const literals = [...walk.literals, text.slice(walk.literalStart)]
  if (literals.reduce((sum, literal) => sum + literal.length, 0) > LITERAL_BYTES_MAX) return undefined
  return { literals, expression }
}

class ShapeWalk {
  readonly literals: string[] = []
  literalStart = 0
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** The object at the cursor as an expression; the cursor is behind it then. */
  object(): string | undefined {
    this.#take(SPACE)
    if (this.#text[this.#at] !== '{') return undefined
    const keys = new Set<string>()
    const members: string[] = []
    do {
      this.#at += 1
      this.#take(SPACE)
      if (keys.size === 0 && this.#text[this.#at] === '}') break
      const key = this.#take(KEY)
      if (key === undefined || key === '"__proto__"' || keys.has(key)) return undefined
      keys.add(key)
      this.#take(SPACE)
      // The colon.
      this.#at += 1
      const value = this.#value()
      if (value === undefined) return undefined
      members.push(`${key}:${value}`)
      this.#take(SPACE)
    } while (this.#text[this.#at] === ',')
    this.#at += 1
    return `{${members.join()}}`
  }

  #value(): string | undefined {
    this.#take(SPACE)
    if (this.#text[this.#at] === '{') return this.object()
    const start = this.#at
    if (this.#take(STRING) === undefined && this.#take(SCALAR) === undefined) return undefined
    this.literals.push(this.#text.slice(this.literalStart, start))
    this.literalStart = this.#at
    return `v${this.literals.length - 1}`
  }

  /** What matches at the cursor, which moves behind it. */
  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)?.[0]
    if (match !== undefined) this.#at += match.length
    return match
  }
}
