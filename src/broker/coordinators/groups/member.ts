import type { Answer } from '../../broker.ts'
import type { GroupProtocol, JoinedGroup, JoinGroup, SyncedGroup } from '../../groups.ts'
import type { StoredMember } from './group-record.ts'

/** A new member whose join waits longer than this is taken for gone: Kafka's bound. */
const NEW_MEMBER_JOIN_MS = 300_000

export const NO_BYTES = new Uint8Array(0)

/** A member of a group. What is durable of it is in `StoredMember`; sessions and waiting answers are not. */
export class Member {
  readonly id: string
  readonly instance: string | null
  readonly client: string
  readonly host: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  /** Best first. */
  protocols: readonly GroupProtocol[]
  assignment: Uint8Array = NO_BYTES
  /** On the steady clock: without a sign of life until then it is removed. */
  deadline: number
  /** It never got an answer to a join. */
  isNew: boolean
  join: Answer<JoinedGroup> | undefined
  sync: Answer<SyncedGroup> | undefined

  private constructor(
    id: string,
    from: Pick<StoredMember, 'instance' | 'client' | 'host' | 'sessionTimeoutMs' | 'rebalanceTimeoutMs'>,
    protocols: readonly GroupProtocol[],
    isNew: boolean,
    now: number,
  ) {
    this.id = id
    this.instance = from.instance
    this.client = from.client
    this.host = from.host
    this.sessionTimeoutMs = from.sessionTimeoutMs
    this.rebalanceTimeoutMs = from.rebalanceTimeoutMs
    this.protocols = protocols
    this.isNew = isNew
    this.deadline = now + (isNew ? NEW_MEMBER_JOIN_MS : from.sessionTimeoutMs)
  }

  static joining(id: string, request: JoinGroup, now: number): Member {
    return new Member(id, request, request.protocols, true, now)
  }

  static stored(stored: StoredMember, protocol: string, now: number): Member {
    const protocols = [{ name: protocol, metadata: stored.metadata }]
    return new Member(stored.member, stored, protocols, false, now)
  }

  /** A sign of life. */
  renew(now: number): void {
    this.isNew = false
    this.deadline = now + this.sessionTimeoutMs
  }

  /** Whoever waits for an answer is alive, but a new member only for so long: its caller may have given up. */
  get waits(): boolean {
    return !this.isNew && (this.join !== undefined || this.sync !== undefined)
  }

  isExpired(now: number): boolean {
    return !this.waits && this.deadline <= now
  }

  metadataFor(protocol: string): Uint8Array {
    return this.protocols.find(({ name }) => name === protocol)?.metadata ?? NO_BYTES
  }

  wantsSame(protocols: readonly GroupProtocol[]): boolean {
    if (protocols.length !== this.protocols.length) return false
    return protocols.every((protocol, index) => {
      const mine = this.protocols[index] as GroupProtocol
      return mine.name === protocol.name && Buffer.compare(mine.metadata, protocol.metadata) === 0
    })
  }

  toStored(protocol: string): StoredMember {
    return {
      member: this.id,
      instance: this.instance,
      client: this.client,
      host: this.host,
      sessionTimeoutMs: this.sessionTimeoutMs,
      rebalanceTimeoutMs: this.rebalanceTimeoutMs,
      metadata: this.metadataFor(protocol),
      assignment: this.assignment,
    }
  }
}
