/**
 * The log of an update group: blocks in the order they were encoded, kept until every member that
 * follows the log has taken them. Members hold cursors, which are positions since the beginning.
 */
import { noPathId } from './adj-out.ts'
import type { Block } from './blocks.ts'
import type { CatchUp } from './catch-up.ts'

export class BlockLog {
  #blocks: Block[] = []
  /** Position of the first block that is kept. */
  #start = 0
  /** Bytes of all blocks there ever were. */
  #bytes = 0

  /** The position of the next block. */
  get end(): number {
    return this.#start + this.#blocks.length
  }

  /** Bytes of the blocks that are kept. */
  get bytes(): number {
    return this.empty ? 0 : this.bytesFrom(this.#start)
  }

  get empty(): boolean {
    return this.#blocks.length === 0
  }

  /** @param followers how many members will take them */
  append(blocks: readonly Block[], followers: number): void {
    if (followers === 0) {
      // Nobody follows, so no cursor points here.
      this.#start = this.end + blocks.length
      this.#blocks = []
      return
    }
    for (const block of blocks) {
      this.#bytes += block.bytes.length
      block.end = this.#bytes
      block.waiting = followers
      this.#blocks.push(block)
    }
  }

  at(position: number): Block {
    return this.#blocks[position - this.#start] as Block
  }

  /** The block at a member's cursor, which then points behind it. */
  take(position: number): Block {
    const block = this.at(position)
    block.waiting--
    return block
  }

  /** Bytes a member at this position has yet to take. */
  bytesFrom(position: number): number {
    if (position >= this.end) return 0
    const next = this.at(position)
    return this.#bytes - next.end + next.bytes.length
  }

  /** What stands from this position on is to be told, and may be known, to who hasn't taken it. */
  noteInto(catchUp: CatchUp, position: number): void {
    for (let at = position; at < this.end; at++) {
      const { prefixes, pathIds } = this.at(at)
      for (let index = 0; index < prefixes.length; index++) {
        const prefix = prefixes[index] as number
        catchUp.note(prefix)
        catchUp.told.add(prefix)
        catchUp.noteGone(prefix, pathIds[index] ?? noPathId)
      }
    }
  }

  /** A member leaves the log here; returns the position behind its end. */
  skip(position: number): number {
    for (let at = position; at < this.end; at++) this.at(at).waiting--
    return this.end
  }

  /** Forgets blocks that every follower has taken. */
  trim(): void {
    let taken = 0
    while (taken < this.#blocks.length && (this.#blocks[taken] as Block).waiting === 0) taken++
    if (taken === 0) return
    this.#blocks.splice(0, taken)
    this.#start += taken
  }

  clear(): void {
    this.#start = this.end
    this.#blocks = []
  }
}
