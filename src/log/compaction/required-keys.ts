import { MillraceError, messageOf } from '../../base/errors.ts'
import { batchAttributes, CONTROL_BIT } from '../../record/batch-header.ts'
import { RecordScanner } from './record-scanner.ts'

const scanner = new RecordScanner()

/**
 * Refuses a batch for a compacted topic that has a record without a key: nothing could ever take its place. Looks at
 * every record, as nothing else at an append does.
 *
 * @throws MillraceError MILLRACE_INVALID_ARGUMENT
 */
export function requireKeys(name: string, bytes: Uint8Array, at: number): void {
  if ((batchAttributes(bytes, at) & CONTROL_BIT) !== 0) return
  let count = 0
  try {
    scanner.open(bytes, at)
    let hasKey = true
    while (hasKey && scanner.next()) {
      hasKey = scanner.keyStart >= 0
      if (hasKey) count += 1
    }
    if (hasKey) return
  } catch (cause) {
    const problem = `record ${count} of a batch for ${name} cannot be read: ${messageOf(cause)}`
    throw new MillraceError('MILLRACE_INVALID_ARGUMENT', problem, { cause })
  }
  throw new MillraceError(
    'MILLRACE_INVALID_ARGUMENT',
    `record ${count} of a batch for ${name} has no key, but the topic is compacted: give it a key, or set the topic's cleanup to delete`,
  )
}
