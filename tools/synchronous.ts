import { type Finding, field, isNode, isTest, lineOf, nameOf, type SourceFile, walk } from './source-file.ts'

/**
 * The hot path answers at once: in the folders of the list there is no async function, no await and no promise chain,
 * for an await per record costs six times a call, and a test driver could not step through it.
 */
export function checkSynchronous(
  files: readonly SourceFile[],
  folders: readonly string[],
): readonly Finding[] {
  return files
    .filter((file) => !isTest(file.path) && folders.some((folder) => file.path.startsWith(`${folder}/`)))
    .flatMap((file) => {
      const found: Finding[] = []
      walk(file.program, (node) => {
        const callee = node.type === 'CallExpression' ? field(node, 'callee') : null
        const chained = isNode(callee) && nameOf(field(callee, 'property')) === 'then'
        if (field(node, 'async') !== true && node.type !== 'AwaitExpression' && !chained) return
        const message = 'is asynchronous, in a folder that answers at once: use a callback of the port'
        found.push({ rule: 'synchronous', path: file.path, line: lineOf(file.text, node.start), message })
      })
      return found
    })
}
