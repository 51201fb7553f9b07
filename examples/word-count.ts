/**
 * Word count, the first page of every book.
 *
 *   npx millrace run examples/word-count.ts
 *   npx millrace view list words
 */
import { app, stream, text, topic, view } from 'millrace'

export const lines = topic('lines', { value: text() }) // text() is plain UTF-8; a schema makes JSON
const words = stream(lines)
  .flatMap((line) => line.toLowerCase().match(/\p{L}+/gu) ?? [])
  .keyBy((word) => word)
  .count('words') // a table: 'the' -> { key: 'the', count: 3 }
export default app('word-count', { words: view(words) })
