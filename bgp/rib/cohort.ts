/**
 * A cohort: members of an update group that are told the table together, because they joined at the
 * same time. What they have yet to hear is kept, and encoded, once for all of them; the blocks go
 * into a log of the cohort's own, in which every member has a cursor. One that falls too far behind,
 * or needs something else than the others, is split off into a cohort of one.
 */
import type { AdjOut } from './adj-out.ts'
import { BlockLog } from './block-log.ts'
import type { Block, BlockEncoder } from './blocks.ts'
import { CatchUp } from './catch-up.ts'
import { follow, hasRoom, type Member } from './member.ts'

/** In place of a member's number: a cohort of any number of members. */
export const shared = -1

export class Cohort {
  readonly catchUp: CatchUp
  /**
   * Its only member: that one's own paths are left out, and withdrawn where it had been told
   * another. `shared`: they are encoded for the others, as holes for the member they came from.
   */
  readonly alone: number
  readonly members = new Set<Member>()
  readonly #log = new BlockLog()

  constructor(alone: number, catchUp = new CatchUp()) {
    this.alone = alone
    this.catchUp = catchUp
  }

  add(member: Member): void {
    member.cohort = this
    member.cursor = this.#log.end
    this.members.add(member)
  }

  remove(member: Member): void {
    this.#log.skip(member.cursor)
    this.members.delete(member)
    member.cohort = null
    this.#log.trim()
  }

  /** Blocks that were encoded apart, for one of the members. */
  append(blocks: readonly Block[]): void {
    this.#log.append(blocks, this.members.size)
  }

  /** Whether this member has taken all there is. */
  caughtUp(member: Member): boolean {
    return !this.catchUp.pending && member.cursor === this.#log.end
  }

  /**
   * Gives members what they have room for, and encodes one more step if one of them waits for it.
   * @param lagging called with members that have to be split off
   * @returns whether more can be done now
   */
  feed(out: AdjOut, encoder: BlockEncoder, lagging: (member: Member) => void): boolean {
    const { catchUp } = this
    this.#deliver(lagging)
    if (!catchUp.pending || !this.#awaited) return false
    catchUp.encode(this.alone, out, encoder)
    this.append(encoder.finish(-1))
    this.#deliver(lagging)
    return catchUp.pending && this.#awaited
  }

  /**
   * What a member has yet to hear, as a catch-up of its own: what it has not taken of the log, and
   * what is not encoded yet.
   */
  restOf(member: Member): CatchUp {
    const rest = this.catchUp.copy()
    this.#log.noteInto(rest, member.cursor)
    return rest
  }

  #deliver(lagging: (member: Member) => void): void {
    for (const member of this.members) if (follow(member, this.#log)) lagging(member)
    this.#log.trim()
  }

  /** Whether a member has taken all that is encoded, and could take more. */
  get #awaited(): boolean {
    for (const member of this.members) {
      if (member.cursor === this.#log.end && hasRoom(member)) return true
    }
    return false
  }
}
