/** Code that compares or writes a text which is known when the code is made, four bytes at a time. */

const WORD_BYTES = 4

/**
 * An expression that is true where the bytes of `view` from the variable `at` on are not the text. It may look at all
 * bytes of the text and no more.
 */
export function differsCode(text: string): string {
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.length < WORD_BYTES) {
    return (
      Array.from(bytes, (byte, index) => `view.getUint8(at + ${index}) !== ${byte}`).join(' || ') || 'false'
    )
  }
  const words: string[] = []
  for (let index = 0; index < bytes.length; index += WORD_BYTES) {
    // The last one lies over the one before.
    const from = Math.min(index, bytes.length - WORD_BYTES)
    words.push(`view.getInt32(at + ${from}, true) !== ${bytes.readInt32LE(from)}`)
  }
  return words.join(' || ')
}

/** Statements that write the text into `view` from the variable `at` on, and perhaps up to three bytes behind it. */
export function writeCode(text: string): string {
  const bytes = Buffer.from(text, 'utf8')
  const padded = Buffer.concat([bytes, Buffer.alloc(WORD_BYTES)])
  const words: string[] = []
  for (let index = 0; index < bytes.length; index += WORD_BYTES) {
    words.push(`view.setInt32(at + ${index}, ${padded.readInt32LE(index)}, true)`)
  }
  return `${words.join('\n')}\nat += ${bytes.length}\n`
}
