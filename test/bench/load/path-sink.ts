/**
 * What a sink with ADD-PATH (RFC 7911) knows: several next hops for each prefix, told apart by path
 * ids whose values are the daemon's own business. Which paths it should have is a matter of the
 * daemon's choice among equals; that they are enough, distinct, and announced at present is not.
 */
import { effect } from './board.ts'

export class PathSink {
  readonly player: number
  lastUpdateAt = 0
  readonly #prefixes: number
  /** path id × prefixes + prefix → player number plus one. */
  readonly #paths = new Map<number, number>()

  constructor(player: number, prefixes: number) {
    this.player = player
    this.#prefixes = prefixes
  }

  /** Notes one prefix of an UPDATE; `from` 0 withdraws. Gives an `effect`. */
  put(prefix: number, pathId: number, from: number): number {
    if (prefix < 0 || prefix >= this.#prefixes) return effect.foreign
    if (from === this.player + 1) return effect.own
    const key = pathId * this.#prefixes + prefix
    const before = this.#paths.get(key) ?? 0
    if (before === from) return effect.same
    if (from === 0) this.#paths.delete(key)
    else this.#paths.set(key, from)
    return effect.changed
  }

  clear(): void {
    this.#paths.clear()
  }

  /** Paths of all prefixes. */
  get size(): number {
    return this.#paths.size
  }

  /** How many paths of a prefix it may have when so many others announce it; see `fault`. */
  static bounds(others: number, limit: number): { readonly least: number; readonly most: number } {
    return {
      least: Math.min(Math.max(limit - 1, 1), others),
      most: Math.min(limit, others),
    }
  }

  /**
   * What is wrong, or null. `announcing` holds a 1 for each player that announces; a daemon that sends
   * `limit` paths may leave the sink's own one out of them, or put another in its place.
   */
  fault(announcing: Uint8Array, limit: number): string | null {
    const others =
      announcing.reduce((sum, one) => sum + one, 0) - (announcing[this.player] as number)
    const { least, most } = PathSink.bounds(others, limit)
    const counts = new Uint32Array(this.#prefixes)
    const seen = new Set<number>()
    for (const [key, from] of this.#paths) {
      const prefix = key % this.#prefixes
      if (announcing[from - 1] !== 1) return `has a path via player ${from - 1}, which withdrew it`
      const pair = from * this.#prefixes + prefix
      if (seen.has(pair)) return `has two paths of a prefix via player ${from - 1}`
      seen.add(pair)
      counts[prefix]!++
    }
    const prefix = counts.findIndex((count) => count < least || count > most)
    if (prefix < 0) return null
    return `has ${counts[prefix]} paths of prefix ${prefix} instead of ${least} to ${most}`
  }
}
