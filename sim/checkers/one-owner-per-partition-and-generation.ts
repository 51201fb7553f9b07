import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/** In a generation of a group a partition belongs to one member, also when others of that generation do not answer. */
export class OneOwnerPerPartitionAndGeneration implements Checker {
  readonly name = 'one-owner-per-partition-and-generation'

  check(seen: Seen): string | undefined {
    const owners = new Map<string, string>()
    for (const { group, generation, member, partitions } of seen.owners) {
      for (const partition of partitions) {
        const what = `${partition} in generation ${generation} of ${group}`
        const other = owners.get(what)
        if (other !== undefined && other !== member) return `${what} belongs to ${other} and to ${member}`
        owners.set(what, member)
      }
    }
    return undefined
  }
}
