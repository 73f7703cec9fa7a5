/**
 * How long changes take to settle: from the first turn that has work to the last. What fits into one
 * turn says nothing of that and is left out.
 */
export class BusyTime {
  /** The last change of more than one turn, decided and sent; null: none yet. */
  lastMs: number | null = null
  #since: number | null = null
  #turns = 0

  /** Work is there; later calls change nothing until it is done. */
  begin(now: number): void {
    this.#since ??= now
  }

  /** A turn has ended. @returns `workIsLeft` */
  turn(workIsLeft: boolean, now: number): boolean {
    this.#turns++
    if (workIsLeft) return true
    if (this.#turns > 1 && this.#since !== null) this.lastMs = now - this.#since
    this.#since = null
    this.#turns = 0
    return false
  }
}
