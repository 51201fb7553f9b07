import {
  type Finding,
  field,
  isNode,
  isTest,
  lineOf,
  nameOf,
  type SourceFile,
  type SyntaxNode,
  walk,
} from './source-file.ts'

/** What fits a screen is read as a whole; what does not hides something. Lines count comments and blanks too. */
export const SIZES = { functionLinesMax: 70, fileLinesMax: 800, fileLinesP90Max: 400 } as const

export function checkSizes(files: readonly SourceFile[]): readonly Finding[] {
  return [...files.flatMap(checkFile), ...checkDistribution(files)]
}

function checkFile(file: SourceFile): readonly Finding[] {
  const findings: Finding[] = []
  const lines = countLines(file.text)
  if (lines > SIZES.fileLinesMax)
    findings.push(finding(file.path, 1, `has ${lines} lines, more than ${SIZES.fileLinesMax}`))
  // The body of a describe() is a list, not a function that somebody has to hold in mind.
  if (isTest(file.path)) return findings
  walk(file.program, (node, parent) => {
    if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type)) return
    const first = lineOf(file.text, node.start)
    const length = lineOf(file.text, node.end) - first + 1
    if (length <= SIZES.functionLinesMax) return
    const message = `${functionName(node, parent)} has ${length} lines, more than ${SIZES.functionLinesMax}`
    findings.push(finding(file.path, first, message))
  })
  return findings
}

function checkDistribution(files: readonly SourceFile[]): readonly Finding[] {
  const lengths = files
    .filter((file) => file.path.startsWith('src/') && !isTest(file.path))
    .map((file) => countLines(file.text))
    .sort((one, other) => one - other)
  const p90 = lengths[Math.ceil(lengths.length * 0.9) - 1] ?? 0
  if (p90 <= SIZES.fileLinesP90Max) return []
  return [
    finding(
      'src',
      1,
      `a tenth of the files has ${p90} lines or more; at most ${SIZES.fileLinesP90Max} are meant`,
    ),
  ]
}

function functionName(node: SyntaxNode, parent: SyntaxNode | null): string {
  const own = nameOf(field(node, 'id'))
  if (own !== null) return own
  const holder = isNode(parent) ? (nameOf(field(parent, 'key')) ?? nameOf(field(parent, 'id'))) : null
  return holder ?? 'a function'
}

function countLines(text: string): number {
  return lineOf(text, text.length)
}

function finding(path: string, line: number, message: string): Finding {
  return { rule: 'sizes', path, line, message }
}
