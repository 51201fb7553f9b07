import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type {
  ConnectorContext,
  SourceItem,
  SourcePosition,
  SourceReader,
} from '../../flow/graph/connector.ts'
import { carriedBy } from '../../streams/carried.ts'
import { nodeSys } from '../../sys/node/node-sys.ts'
import type { ByteSource } from './byte-source.ts'

/** A temporary folder and a context in it, for the tests of this folder. */
export class FilesTestWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'millrace-files-'))
  readonly warnings: string[] = []
  wakes = 0
  readonly context: ConnectorContext

  constructor() {
    const lines = { write: (_level: string, message: string) => void this.warnings.push(message) }
    this.context = { sys: { ...nodeSys(), lines }, baseFolder: this.folder, wake: () => void this.wakes++ }
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  put(name: string, content: string | Uint8Array): string {
    writeFileSync(this.path(name), content)
    return name
  }

  content(name: string): string {
    return readFileSync(this.path(name), 'utf8')
  }

  open(source: unknown, position?: SourcePosition): SourceReader {
    const connector = carriedBy(source).connector?.source
    if (connector === undefined) throw new Error('this is no source')
    return connector.open(this.context, 0, position)
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** All items until the end, polled `max` at a time. */
export function drained(reader: SourceReader, max = 100): SourceItem[] {
  const items: SourceItem[] = []
  while (!reader.ended()) items.push(...reader.poll(max))
  reader.close()
  return items
}

/** A source of given bytes that reads as many at a time as `sizes` says, over and over. */
export function choppedBytes(content: Uint8Array, sizes: readonly number[]): ByteSource {
  let position = 0
  let turn = 0
  const next = (wanted: number): number => {
    const size = sizes[turn++ % sizes.length] ?? 1
    return Math.min(wanted, size, content.length - position)
  }
  return {
    read: (target) => {
      const count = next(target.length)
      target.set(content.subarray(position, position + count))
      position += count
      return count
    },
    skip: (bytes) => {
      const count = next(bytes)
      position += count
      return count
    },
    progress: () => ({ done: position, total: content.length }),
    close: () => undefined,
  }
}
