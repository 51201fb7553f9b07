import type { PartitionId } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import type { ConnectorContext, Sink, SinkWriter } from '../../flow/graph/connector.ts'
import type { Key } from '../../record/key-codec.ts'
import type { Serde } from '../../record/serde.ts'
import type { Disk } from '../../sys/disk.ts'
import { AppendFile } from './append-file.ts'
import { resolvePath } from './file-source.ts'

/** The open files of each disk: the writers of a sink's partitions share one. */
const openFiles = new WeakMap<Disk, Map<string, AppendFile>>()

/**
 * Appends each value as a line of JSON to one file, whatever the number of partitions: rows of a partition in their
 * order, partitions one behind the other in each commit. A null (a row that was deleted) is the line `null`.
 */
export function jsonlSink(path: string, serde: Serde<unknown>): Sink {
  return Object.freeze({
    id: `file:${path}`,
    open: (context: ConnectorContext, partition: PartitionId, committed: string | undefined) =>
      new JsonlWriter(
        shared(context, resolvePath(context.baseFolder, path), partition),
        serde,
        partition,
        committed,
      ),
  })
}

/**
 * The file, as the other partitions of this engine have it open. A partition that is open already means that an engine
 * went without closing its writers (a crash in the simulated world): its file is forgotten.
 */
function shared(context: ConnectorContext, path: string, partition: PartitionId): AppendFile {
  if (path.endsWith('.gz')) {
    const problem = `${path} cannot be written: a compressed file cannot be cut back to what was committed`
    throw new MillraceError(
      'MILLRACE_INVALID_ARGUMENT',
      `${problem}; write the plain file and compress it afterwards`,
    )
  }
  const { sys } = context
  let files = openFiles.get(sys.disk)
  if (files === undefined) {
    files = new Map()
    openFiles.set(sys.disk, files)
  }
  const open = files.get(path)
  if (open !== undefined && !open.closed && !open.has(partition)) return open
  const file = new AppendFile(sys, path)
  files.set(path, file)
  return file
}

class JsonlWriter implements SinkWriter {
  readonly #file: AppendFile
  readonly #serde: Serde<unknown>
  readonly #partition: PartitionId
  #rows = ''

  constructor(
    file: AppendFile,
    serde: Serde<unknown>,
    partition: PartitionId,
    committed: string | undefined,
  ) {
    this.#file = file
    this.#serde = serde
    this.#partition = partition
    file.admit(partition, committed)
  }

  /** Kept in memory until the commit, so that a mark never covers rows of a later one. */
  write(_key: Key | null, value: unknown, _timestamp: number): void {
    this.#rows += `${this.#textOf(value)}\n`
  }

  prepare(answer: (error: Error | undefined, mark: string | undefined) => void): void {
    const rows = Buffer.from(this.#rows, 'utf8')
    this.#rows = ''
    let mark: string
    try {
      mark = this.#file.append(rows)
    } catch (error) {
      answer(error as Error, undefined)
      return
    }
    this.#file.sync((error) => answer(error, error === undefined ? mark : undefined))
  }

  close(): void {
    this.#rows = ''
    this.#file.leave(this.#partition)
  }

  #textOf(value: unknown): string {
    if (value === null) return 'null'
    return this.#serde.encodeText?.(value) ?? Buffer.from(this.#serde.encode(value)).toString('utf8')
  }
}
