/** A growing set of small numbers, one bit each: which prefixes a member has yet to hear of. */

/** Most sets are empty, and stay so. */
const none = new Uint32Array(0)
const wordsMin = 64

export class Bitmap {
  count = 0
  #words = none

  has(index: number): boolean {
    return ((this.#words[index >>> 5] ?? 0) & (1 << (index & 31))) !== 0
  }

  add(index: number): void {
    const at = index >>> 5
    if (at >= this.#words.length) {
      const grown = new Uint32Array(Math.max(this.#words.length * 2, at + 1, wordsMin))
      grown.set(this.#words)
      this.#words = grown
    }
    const bit = 1 << (index & 31)
    if ((this.#words[at] as number) & bit) return
    this.#words[at] = (this.#words[at] as number) | bit
    this.count++
  }

  delete(index: number): void {
    const at = index >>> 5
    const bit = 1 << (index & 31)
    if (((this.#words[at] ?? 0) & bit) === 0) return
    this.#words[at] = (this.#words[at] as number) & ~bit
    this.count--
  }

  copy(): Bitmap {
    const copy = new Bitmap()
    copy.#words = this.#words.slice()
    copy.count = this.count
    return copy
  }

  /** The first member not below `from`, or -1. */
  next(from: number): number {
    let at = from >>> 5
    if (at >= this.#words.length) return -1
    let word = (this.#words[at] as number) & (0xffffffff << (from & 31))
    for (;;) {
      if (word !== 0) return at * 32 + (31 - Math.clz32(word & -word))
      if (++at >= this.#words.length) return -1
      word = this.#words[at] as number
    }
  }
}
