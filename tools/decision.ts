import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type LayerList, layerFingerprint } from './layers.ts'
import type { Finding } from './source-file.ts'

/** The record of the list of layers, in which every change of the list is written down with its fingerprint. */
export const LAYERS_RECORD = 'docs/decisions/0002-layers.md'

/** A change of tools/layers.json is a decision: the record has to name the version and fingerprint of the list. */
export function checkDecision(root: string, list: LayerList): readonly Finding[] {
  return decisionFault(readFileSync(join(root, LAYERS_RECORD), 'utf8'), list)
}

export function decisionFault(record: string, list: LayerList): readonly Finding[] {
  const line = `version ${list.version}, fingerprint ${layerFingerprint(list)}`
  if (record.includes(line)) return []
  const message = `tools/layers.json changed: raise its version if needed, and add why under '${line}'`
  return [{ rule: 'layers', path: LAYERS_RECORD, line: 1, message }]
}
