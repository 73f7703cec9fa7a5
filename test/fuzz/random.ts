/**
 * Reproducible chance: message `index` of seed `seed` is the same on every run and every machine,
 * whatever came before it. The generator is sfc32 (PractRand), integers only.
 */
export class Random {
  /** One field in so many is wrong. */
  wrongOneIn = 40
  #a = 0
  #b = 0
  #c = 0
  #counter = 1

  /** Starts the chance of one message. */
  restart(seed: number, index: number): void {
    this.#a = seed | 0
    this.#b = index | 0
    this.#c = Math.floor(index / 0x1_0000_0000) ^ 0x9e3779b9
    this.#counter = 1
    for (let i = 0; i < 8; i++) this.word()
  }

  /** 32 bits, signed. */
  word(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum
  }

  /** 0 up to, and without, `count`. */
  below(count: number): number {
    return (this.word() >>> 0) % count
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0
  }

  /** Whether the field at hand is to be wrong. */
  slips(): boolean {
    return this.once(this.wrongOneIn)
  }

  octet(): number {
    return this.word() & 0xff
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  /** In [0, 1). */
  fraction(): number {
    return (this.word() >>> 0) / 0x1_0000_0000
  }
}
