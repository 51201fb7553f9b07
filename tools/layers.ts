import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Finding, isTest, type SourceFile } from './source-file.ts'

/**
 * The list of who may import whom. A key is a folder with all below it, or one file; the longest key that matches a
 * path is its layer. A layer may import itself, what it lists, and with '*' everything that is not above all (the
 * entries). The list is law: it changes with a decision record, which names its fingerprint.
 */
export interface LayerList {
  readonly version: number
  readonly layers: Readonly<Record<string, readonly string[]>>
  /** Which layers may import a package. A package that is not listed may not be imported by src at all. */
  readonly packages: Readonly<Record<string, readonly string[]>>
  /** Folders that hold no async function, no await and no promise chain. */
  readonly synchronous: readonly string[]
}

export function readLayerList(root: string): LayerList {
  return JSON.parse(readFileSync(join(root, 'tools/layers.json'), 'utf8')) as LayerList
}

/** Changes whenever the meaning of the list does, not with its layout. */
export function layerFingerprint(list: LayerList): string {
  return createHash('sha256').update(JSON.stringify(list)).digest('hex').slice(0, 12)
}

export function layerOf(path: string, list: LayerList): string | null {
  let best: string | null = null
  for (const layer of Object.keys(list.layers)) {
    const matches = path === layer || path.startsWith(`${layer}/`)
    if (matches && (best === null || layer.length > best.length)) best = layer
  }
  return best
}

export function checkLayers(files: readonly SourceFile[], list: LayerList): readonly Finding[] {
  return [
    ...checkList(list),
    ...files.filter((file) => file.path.startsWith('src/')).flatMap((file) => checkFile(file, list)),
  ]
}

function checkFile(file: SourceFile, list: LayerList): readonly Finding[] {
  const layer = layerOf(file.path, list)
  if (layer === null) {
    return [
      finding(file.path, 1, `lies in no layer of tools/layers.json: ${Object.keys(list.layers).join(', ')}`),
    ]
  }
  return file.imports.flatMap(({ specifier, target, line }) => {
    const message =
      target === null ? packageFault(specifier, file, layer, list) : targetFault(target, file, layer, list)
    return message === null ? [] : [finding(file.path, line, message)]
  })
}

function targetFault(target: string, file: SourceFile, layer: string, list: LayerList): string | null {
  if (!target.endsWith('.ts')) return `imports '${target}': name the file itself, with its .ts ending`
  if (target.endsWith('.test.ts') || (isTest(target) && !isTest(file.path))) {
    return `imports the test ${target}: move what both need into a file of its own`
  }
  if (isTest(file.path)) return null
  if (target.endsWith('/index.ts') && file.path !== 'src/index.ts')
    return `imports ${target}: index.ts is for users, import the file itself`
  const other = layerOf(target, list)
  if (other === null) return `imports ${target}, which lies in no layer`
  if (other === layer) return null
  const allowed = list.layers[layer] ?? []
  if (allowed.includes('*') || allowed.includes(other)) return null
  return `${layer} may not import ${other} (${target}); it may import ${allowed.join(', ') || 'nothing'}`
}

function packageFault(specifier: string, file: SourceFile, layer: string, list: LayerList): string | null {
  // What Node itself offers is the affair of tools/banned.ts.
  if (specifier.startsWith('node:') || isTest(file.path)) return null
  if (specifier === 'millrace' || specifier.startsWith('millrace/'))
    return 'imports its own package: import the file itself'
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
  const layers = list.packages[name]
  if (layers === undefined) return `imports the package ${name}, which tools/layers.json does not list`
  return layers.includes(layer)
    ? null
    : `${layer} may not import the package ${name}; ${layers.join(', ')} may`
}

/** A list that names unknown layers, or in which two layers may import each other, allows what nobody meant. */
function checkList(list: LayerList): readonly Finding[] {
  const findings: Finding[] = []
  for (const [layer, allowed] of Object.entries(list.layers)) {
    for (const other of allowed) {
      if (other !== '*' && list.layers[other] === undefined) {
        findings.push(finding('tools/layers.json', 1, `${layer} may import ${other}, which is no layer`))
      }
      if (reaches(other, layer, list, new Set())) {
        findings.push(finding('tools/layers.json', 1, `${layer} and ${other} may import each other`))
      }
    }
  }
  return findings
}

function reaches(from: string, goal: string, list: LayerList, seen: Set<string>): boolean {
  if (seen.has(from)) return false
  seen.add(from)
  const allowed = list.layers[from] ?? []
  return allowed.includes(goal) || allowed.some((next) => reaches(next, goal, list, seen))
}

function finding(path: string, line: number, message: string): Finding {
  return { rule: 'layers', path, line, message }
}
