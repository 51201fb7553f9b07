import { type Finding, isTest, type SourceFile } from './source-file.ts'

/**
 * No cycle of imports, types included, between files; nor, on any level of folders, between the entries of a folder.
 * For the second, every file stands for the entry that holds it: with flow/engine.ts -> flow/task/run.ts ->
 * flow/port.ts, the entries of `flow` are engine.ts -> task/ -> port.ts, which is no cycle; but would run.ts import
 * engine.ts, it were one. Tests are left out: nothing may import them.
 *
 * Cost: one strongly-connected-components pass for the files and one per folder, linear in the imports.
 */
export function checkCycles(files: readonly SourceFile[]): readonly Finding[] {
  const real = files.filter((file) => !isTest(file.path))
  const known = new Set(real.map((file) => file.path))
  const edges = real.flatMap((file) =>
    file.imports.flatMap(({ target }) =>
      target !== null && known.has(target) ? [{ from: file.path, to: target }] : [],
    ),
  )
  const folders = new Set(real.flatMap((file) => ancestors(file.path)))
  return [
    ...cyclesOf(edges).map((cycle) => describe('files', cycle)),
    ...[...folders].flatMap((folder) =>
      cyclesOf(lift(edges, folder))
        // A cycle of files alone was reported already.
        .filter((cycle) => cycle.some((entry) => !entry.endsWith('.ts')))
        .map((cycle) => describe(`the entries of ${folder}`, cycle)),
    ),
  ]
}

interface Edge {
  readonly from: string
  readonly to: string
}

function describe(what: string, cycle: readonly string[]): Finding {
  return {
    rule: 'cycles',
    path: cycle[0] ?? '',
    line: 1,
    message: `cycle between ${what}: ${cycle.join(', ')}`,
  }
}

/** 'src/log/segment.ts' lies in 'src' and 'src/log'. */
function ancestors(path: string): readonly string[] {
  const parts = path.split('/')
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'))
}

/** The edges between different direct entries of a folder. */
function lift(edges: readonly Edge[], folder: string): readonly Edge[] {
  const prefix = `${folder}/`
  const entry = (path: string): string | null =>
    path.startsWith(prefix) ? prefix + (path.slice(prefix.length).split('/')[0] ?? '') : null
  return edges.flatMap((edge) => {
    const from = entry(edge.from)
    const to = entry(edge.to)
    return from === null || to === null || from === to ? [] : [{ from, to }]
  })
}

/** The strongly connected components of more than one node, or of a node that points at itself (Tarjan 1972). */
function cyclesOf(edges: readonly Edge[]): readonly (readonly string[])[] {
  const next = new Map<string, Set<string>>()
  for (const { from, to } of edges) {
    const targets = next.get(from)
    if (targets === undefined) next.set(from, new Set([to]))
    else targets.add(to)
  }
  const order = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const found: string[][] = []
  const visit = (node: string): number => {
    const index = order.size
    let lowest = index
    order.set(node, index)
    stack.push(node)
    for (const target of next.get(node) ?? []) {
      if (!order.has(target)) lowest = Math.min(lowest, visit(target))
      else if (stack.includes(target))
        lowest = Math.min(lowest, low.get(target) ?? order.get(target) ?? lowest)
    }
    low.set(node, lowest)
    if (lowest === index) {
      const component = stack.splice(stack.indexOf(node))
      if (component.length > 1 || next.get(node)?.has(node)) found.push(component.sort())
    }
    return lowest
  }
  for (const node of next.keys()) if (!order.has(node)) visit(node)
  return found
}
