/**
 * What `body`, the code of a function over these names, returns; undefined in a process that does not allow code to be
 * made (`--disallow-code-generation-from-strings`), where the caller goes another way.
 *
 * For inner loops alone whose shape is known only when they run: V8 then sees one function, one call target and one
 * object shape a place. Nothing of the data may get into `body` but numbers and texts in quotes.
 */
export function madeCode<T>(names: Readonly<Record<string, unknown>>, body: string): T | undefined {
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- the one place where code is made; the head says from what
    return new Function(...Object.keys(names), body)(...Object.values(names)) as T
  } catch (error) {
    if (error instanceof EvalError) return undefined
    throw error
  }
}
