import { type Finding, lineOf, type SourceFile } from './source-file.ts'

/** What must not be written into a file, except where the words themselves are the subject. */
const ABOUT_WORDS = new Set(['tools/words.ts', 'tools/tidy.test.ts'])

const EVERYWHERE: readonly Word[] = [
  { pattern: /\b(TODO|FIXME|XXX|HACK)\b/, message: 'a note for later: do it, or open an issue' },
  { pattern: /@ts-ignore|@ts-nocheck/, message: 'use @ts-expect-error with its reason' },
]

const IN_SOURCES: readonly Word[] = [
  { pattern: /\.\.\/shared\b|(^|[\s'"`(])\/work\//m, message: 'names a folder outside of the repository' },
]

interface Word {
  readonly pattern: RegExp
  readonly message: string
}

export function checkWords(files: readonly SourceFile[]): readonly Finding[] {
  return files
    .filter((file) => !ABOUT_WORDS.has(file.path))
    .flatMap((file) => {
      const words = file.path.startsWith('src/') ? [...EVERYWHERE, ...IN_SOURCES] : EVERYWHERE
      return words.flatMap(({ pattern, message }) => {
        const found = pattern.exec(file.text)
        if (found === null) return []
        return [
          {
            rule: 'words',
            path: file.path,
            line: lineOf(file.text, found.index),
            message: `'${found[0].trim()}': ${message}`,
          },
        ]
      })
    })
}
