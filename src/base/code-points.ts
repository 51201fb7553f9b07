/**
 * Compares strings by Unicode code points, which is the order of their UTF-8 bytes: negative, 0 or positive.
 *
 * `<` compares UTF-16 units and puts a surrogate pair (above U+FFFF) before U+E000..U+FFFF. Both orders agree unless
 * the first units that differ are a surrogate and one of that range, so the engine's own fast comparison decides
 * nearly always. A surrogate without its partner counts as its own code point.
 */
export function compareCodePoints(a: string, b: string): number {
  if (a === b) return 0
  const byUnits = a < b ? -1 : 1
  const length = Math.min(a.length, b.length)
  let index = 0
  while (index < length && a.charCodeAt(index) === b.charCodeAt(index)) index += 1
  if (index === length) return byUnits
  if (a.charCodeAt(index) < 0xd800 || b.charCodeAt(index) < 0xd800) return byUnits
  // An equal first half of a pair: the code points begin there, and only one of the two strings may have a pair.
  if (index > 0 && isFirstHalf(a.charCodeAt(index - 1))) {
    const difference = (a.codePointAt(index - 1) as number) - (b.codePointAt(index - 1) as number)
    if (difference !== 0) return difference
  }
  return (a.codePointAt(index) as number) - (b.codePointAt(index) as number)
}

function isFirstHalf(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
