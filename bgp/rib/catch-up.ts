/**
 * What members of an update group have yet to hear of: those that joined together, or one that asked
 * for a refresh (RFC 2918) or fell behind (cohort.ts). It is a set of prefixes, not a queue of
 * messages: the newest state of a prefix wins, so it never grows beyond one bit a prefix, however
 * long a member stalls.
 */
import { type AdjOut, noPathId } from './adj-out.ts'
import { Bitmap } from './bitmap.ts'
import type { BlockEncoder } from './blocks.ts'

/** Prefixes of one step. */
const prefixesPerStepMax = 4096

export class CatchUp {
  /** What may have been told already: only that needs withdrawing. */
  told = new Bitmap()
  #wanted = new Bitmap()
  /** Where path ids are used: those withdrawn since, by prefix. */
  readonly #gone = new Map<number, Set<number>>()
  #scan = 0

  get pending(): boolean {
    return this.#wanted.count > 0
  }

  /** The same once more, for a member that goes its own way from here. */
  copy(): CatchUp {
    const copy = new CatchUp()
    copy.told = this.told.copy()
    copy.#wanted = this.#wanted.copy()
    copy.#scan = this.#scan
    for (const [prefix, pathIds] of this.#gone) copy.#gone.set(prefix, new Set(pathIds))
    return copy
  }

  /** This prefix is to be told as it will then be. */
  note(prefix: number): void {
    this.#wanted.add(prefix)
    if (prefix < this.#scan) this.#scan = prefix
  }

  /** Everything told is looked at again: what isn't announced any more is withdrawn. */
  noteTold(): void {
    for (let prefix = this.told.next(0); prefix !== -1; prefix = this.told.next(prefix + 1)) {
      this.note(prefix)
    }
  }

  /** This path id may be known, and is to be forgotten. */
  noteGone(prefix: number, pathId: number): void {
    if (pathId === noPathId) return
    const known = this.#gone.get(prefix)
    if (known === undefined) this.#gone.set(prefix, new Set([pathId]))
    else known.add(pathId)
  }

  /**
   * Puts the next prefixes into the encoder, as the Adj-RIB-Out has them now.
   * @param member whose own paths are left out; -1: nobody's
   */
  encode(member: number, out: AdjOut, encoder: BlockEncoder): void {
    for (let left = prefixesPerStepMax; left > 0 && this.pending; left--) {
      let prefix = this.#wanted.next(this.#scan)
      if (prefix === -1) prefix = this.#wanted.next(0)
      this.#wanted.delete(prefix)
      this.#scan = prefix + 1
      this.#encodeOne(member, prefix, out, encoder)
    }
  }

  #encodeOne(member: number, prefix: number, out: AdjOut, encoder: BlockEncoder): void {
    const gone = this.#gone.get(prefix) ?? new Set([noPathId])
    let announced = false
    for (let entry = out.first(prefix); entry !== 0; entry = out.next(entry)) {
      if (out.sourceOf(entry) === member) continue
      const pathId = out.pathIdOf(entry)
      encoder.announce(prefix, pathId, out.setOf(entry), out.sourceOf(entry))
      gone.delete(pathId)
      announced = true
    }
    if (this.told.has(prefix)) {
      for (const pathId of gone) {
        if (pathId !== noPathId || !out.several) encoder.withdraw(prefix, pathId, -1)
      }
    }
    this.#gone.delete(prefix)
    if (announced) this.told.add(prefix)
    else this.told.delete(prefix)
  }
}
