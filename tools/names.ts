import { type Finding, isTest, lineOf, type SourceFile, walk } from './source-file.ts'

const KEBAB_CASE = /^[a-z0-9]+(-[a-z0-9]+)*$/
const ROLES = new Set(['test', 'prop', 'sim', 'types', 'bench', 'config', 'd'])
const EMPTY_NAMES = /^(utils?|helpers?|misc|common|shared|stuff)$/

/** Files and folders are named for the one thing inside, in kebab-case; src has no default exports. */
export function checkNames(files: readonly SourceFile[]): readonly Finding[] {
  return files.flatMap((file) => [...checkPath(file.path), ...checkDefaultExports(file)])
}

function checkPath(path: string): readonly Finding[] {
  const parts = path.replace(/\.ts$/, '').split('/')
  return parts.flatMap((part, index) => {
    const [stem = '', ...roles] = index === parts.length - 1 ? part.split('.') : [part]
    const faults = [
      ...(KEBAB_CASE.test(stem) ? [] : [`'${stem}' is not in kebab-case`]),
      ...(EMPTY_NAMES.test(stem) ? [`'${stem}' says nothing: name it for the one thing inside`] : []),
      ...roles
        .filter((role) => !ROLES.has(role))
        .map((role) => `'.${role}' is no kind of file: ${[...ROLES].join(', ')}`),
    ]
    return faults.map((message): Finding => ({ rule: 'names', path, line: 1, message }))
  })
}

function checkDefaultExports(file: SourceFile): readonly Finding[] {
  if (!file.path.startsWith('src/') || isTest(file.path)) return []
  const found: Finding[] = []
  walk(file.program, (node) => {
    if (node.type !== 'ExportDefaultDeclaration') return
    const message = 'has a default export: name it, so that it has one name everywhere'
    found.push({ rule: 'names', path: file.path, line: lineOf(file.text, node.start), message })
  })
  return found
}
