import type { MillraceError } from '../../base/errors.ts'
import type { Answer } from '../broker.ts'
import type {
  CommitPositions,
  GroupDescription,
  GroupListing,
  GroupMember,
  GroupPort,
  GroupPositions,
  JoinedGroup,
  JoinGroup,
  LeaveGroup,
  NewPosition,
  SyncedGroup,
  SyncGroup,
} from '../groups.ts'
import type { Connection } from './connection.ts'
import type { RemoteState } from './remote-state.ts'

/** Groups of a log that an app in another process holds. */
export class RemoteGroups implements GroupPort {
  readonly #connection: Connection
  readonly #state: () => RemoteState
  /** Where this process is, for people: members without one would be gone when the app starts again. */
  readonly #host: string

  constructor(connection: Connection, state: () => RemoteState, host: string) {
    this.#connection = connection
    this.#state = state
    this.#host = host
  }

  join(request: JoinGroup, answer: Answer<JoinedGroup>): void {
    this.#connection.callAlone('groups.join', [this.#placed(request)], answer)
  }

  reserveMember(request: JoinGroup, answer: Answer<string>): void {
    this.#connection.callAlone('groups.reserveMember', [this.#placed(request)], answer)
  }

  sync(request: SyncGroup, answer: Answer<SyncedGroup>): void {
    this.#connection.callAlone('groups.sync', [request], answer)
  }

  heartbeat(request: GroupMember, answer: Answer<void>): void {
    this.#connection.callAlone('groups.heartbeat', [request], answer)
  }

  leave(request: LeaveGroup, answer: Answer<readonly (MillraceError | undefined)[]>): void {
    this.#connection.call<readonly (MillraceError | null)[]>('groups.leave', [request], (error, outcomes) =>
      // In a message a member that left is null.
      answer(
        error,
        outcomes?.map((outcome) => outcome ?? undefined),
      ),
    )
  }

  commit(request: CommitPositions, answer: Answer<void>): void {
    this.#connection.call('groups.commit', [request], answer)
  }

  positions(group: string, answer: Answer<GroupPositions>): void {
    this.#connection.call('groups.positions', [group], answer)
  }

  list(): readonly GroupListing[] {
    return this.#state()
      .groups()
      .map(({ group, state, protocolType, members }) => {
        return { group, state, protocolType, members: members.length }
      })
  }

  describe(group: string): GroupDescription | undefined {
    return this.#state().group(group)
  }

  reset(group: string, positions: readonly NewPosition[], answer: Answer<void>): void {
    this.#connection.call('groups.reset', [group, positions], answer)
  }

  delete(group: string, answer: Answer<void>): void {
    this.#connection.call('groups.delete', [group], answer)
  }

  #placed(request: JoinGroup): JoinGroup {
    return { ...request, host: this.#host }
  }
}
