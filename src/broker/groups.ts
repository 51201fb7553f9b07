import type { LeaderEpoch, Offset, PartitionId, Timestamp, TopicId } from '../base/brands.ts'
import type { MillraceError } from '../base/errors.ts'
import type { Answer } from './broker.ts'

/**
 * Consumer groups: Kafka's classic protocol. Metadata and assignments of members are bytes that the coordinator never
 * reads, so that the assignors of any client work.
 *
 * A member joins, waits for the answer (the join phase ends when all known members joined, or at the deadline), and
 * syncs; the leader's sync brings the assignments of all. From then on it sends heartbeats. A heartbeat that is refused
 * with MILLRACE_REBALANCE_IN_PROGRESS means: commit, then join again with the same member id.
 *
 * Errors of every call: MILLRACE_UNKNOWN_MEMBER and MILLRACE_FENCED_INSTANCE (forget the member id; the second: another
 * process has the instance id), MILLRACE_ILLEGAL_GENERATION and MILLRACE_REBALANCE_IN_PROGRESS (join again),
 * MILLRACE_INVALID_ARGUMENT, MILLRACE_DISK, MILLRACE_CLOSED.
 */
export interface GroupPort {
  /** Answers when the join phase ends. MILLRACE_INCONSISTENT_PROTOCOL: the others have no protocol in common with it. */
  join(request: JoinGroup, answer: Answer<JoinedGroup>): void
  /** A member id for a `join` that has to come within the session timeout: what Kafka's MEMBER_ID_REQUIRED gives. */
  reserveMember(request: JoinGroup, answer: Answer<string>): void
  /** Answers when the leader's assignments are there and durable. */
  sync(request: SyncGroup, answer: Answer<SyncedGroup>): void
  heartbeat(request: GroupMember, answer: Answer<void>): void
  /** Answers with one outcome for each member, in their order; a member that is unknown does not hold up the others. */
  leave(request: LeaveGroup, answer: Answer<readonly (MillraceError | undefined)[]>): void
  /**
   * Positions by member and generation; or outside membership (member '', generation -1), which is taken only while
   * the group is empty. All or nothing, durable when it answers.
   */
  commit(request: CommitPositions, answer: Answer<void>): void
  /**
   * What was committed before this call, when it is durable. An unknown group has no positions. Never answers
   * without positions because of a fault: that is an error.
   */
  positions(group: string, answer: Answer<GroupPositions>): void
  /** Every group, by name. */
  list(): readonly GroupListing[]
  describe(group: string): GroupDescription | undefined
  /** Sets positions. Refused while the group has members: MILLRACE_GROUP_ACTIVE. */
  reset(group: string, positions: readonly NewPosition[], answer: Answer<void>): void
  /** Removes the group and its positions. MILLRACE_GROUP_ACTIVE while it has members, MILLRACE_UNKNOWN_GROUP. */
  delete(group: string, answer: Answer<void>): void
}

export interface JoinGroup {
  readonly group: string
  /** '' the first time, then what the first join answered. */
  readonly member: string
  /** Of a static member: it takes the place of whoever had this id. Null: a dynamic member. */
  readonly instance: string | null
  /** Name of the client for people; member ids begin with it. */
  readonly client: string
  /** Where the member is, for people. '' means in this process: it is gone when the log is opened again. */
  readonly host: string
  /** Without a heartbeat for so long the member is removed. */
  readonly sessionTimeoutMs: number
  /** So long the others wait in a rebalance for this member to join again, and then for its sync. */
  readonly rebalanceTimeoutMs: number
  /** 'consumer' for readers of topics. All members of a group have the same. */
  readonly protocolType: string
  /** The assignors that the member can follow, best first. */
  readonly protocols: readonly GroupProtocol[]
}

export interface GroupProtocol {
  readonly name: string
  readonly metadata: Uint8Array
}

export interface JoinedGroup {
  readonly member: string
  readonly generation: number
  /** The protocol that most members want of those that all have. */
  readonly protocol: string
  readonly leader: string
  /** All members with their metadata for `protocol`; empty for all but the leader. */
  readonly members: readonly JoinedMember[]
  /** A static leader came back and nothing changed: it syncs without assignments and keeps what it had. */
  readonly skipAssignment: boolean
}

export interface JoinedMember {
  readonly member: string
  readonly instance: string | null
  readonly metadata: Uint8Array
}

/** Who speaks in the name of a group. */
export interface GroupMember {
  readonly group: string
  readonly member: string
  readonly generation: number
  readonly instance: string | null
}

export interface SyncGroup extends GroupMember {
  /** From the leader for all members (who is left out gets an empty one); empty from the others. */
  readonly assignments: readonly MemberAssignment[]
}

export interface MemberAssignment {
  readonly member: string
  readonly assignment: Uint8Array
}

export interface SyncedGroup {
  readonly protocol: string
  readonly assignment: Uint8Array
}

export interface LeaveGroup {
  readonly group: string
  /** A static member leaves by its instance id; its member id may be ''. */
  readonly members: readonly { readonly member: string; readonly instance: string | null }[]
}

/** What a caller commits. */
export interface NewPosition {
  readonly topic: TopicId
  readonly partition: PartitionId
  /** The next record to process. */
  readonly offset: Offset
  /** -1 when the caller does not know it. */
  readonly leaderEpoch: LeaderEpoch
  /** Text of the committer, at most 4,096 UTF-16 units. */
  readonly metadata: string
}

export interface GroupPosition extends NewPosition {
  readonly committedAt: Timestamp
}

export interface GroupPositions {
  readonly positions: readonly GroupPosition[]
  /**
   * Partitions whose position a transaction that has not ended may still change. Whoever must not process anything
   * twice asks again until its partitions are not among them.
   */
  readonly pending: readonly { readonly topic: TopicId; readonly partition: PartitionId }[]
}

export interface CommitPositions extends GroupMember {
  readonly positions: readonly NewPosition[]
}

/** `Dead` is a group that is not there (any more): `list` never shows it. */
export type GroupStateName = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable'

export interface GroupListing {
  readonly group: string
  readonly state: GroupStateName
  /** 'consumer', 'millrace' for the applications of the engine, '' when only positions were ever committed. */
  readonly protocolType: string
  readonly members: number
}

export interface GroupDescription extends Omit<GroupListing, 'members'> {
  readonly generation: number
  readonly protocol: string
  readonly leader: string
  readonly members: readonly GroupMemberDescription[]
  readonly positions: readonly GroupPosition[]
}

export interface GroupMemberDescription {
  readonly member: string
  readonly instance: string | null
  readonly client: string
  readonly host: string
  readonly metadata: Uint8Array
  readonly assignment: Uint8Array
}
