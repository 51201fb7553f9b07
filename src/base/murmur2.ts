/**
 * MurmurHash2, 32 bits, exactly as Kafka's `Utils.murmur2`: the same seed and the same order of the tail bytes, so that
 * a key lands in the partition where every Kafka client puts it.
 */
const SEED = 0x9747b28c | 0
const MULTIPLIER = 0x5bd1e995

/** The hash of `bytes[start, end)`, signed as Kafka's. */
export function murmur2(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  let hash = SEED ^ length
  let position = start
  const lastOfFour = end - 3
  while (position < lastOfFour) {
    let word =
      (bytes[position] as number) |
      ((bytes[position + 1] as number) << 8) |
      ((bytes[position + 2] as number) << 16) |
      ((bytes[position + 3] as number) << 24)
    word = Math.imul(word, MULTIPLIER)
    word = Math.imul(word ^ (word >>> 24), MULTIPLIER)
    hash = Math.imul(hash, MULTIPLIER) ^ word
    position += 4
  }
  const left = end - position
  if (left > 0) {
    if (left === 3) hash ^= (bytes[position + 2] as number) << 16
    if (left >= 2) hash ^= (bytes[position + 1] as number) << 8
    hash = Math.imul(hash ^ (bytes[position] as number), MULTIPLIER)
  }
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER)
  return hash ^ (hash >>> 15)
}

/** Kafka's way from a hash to a number >= 0: the sign bit is cleared, not negated. */
export function toPositive(hash: number): number {
  return hash & 0x7fffffff
}
