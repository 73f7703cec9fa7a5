/**
 * The decision process, RFC 4271 §9.1.2.2 with RFC 4456 §9: elimination by an ordered table of named
 * rules. Each rule keeps the paths with its lowest key; MED compares only within a neighbour AS.
 * The result cannot depend on the order of arrival, and every loser can be told its rule.
 *
 * The paths that are still together after the interior cost form the ECMP set, which the rules that
 * follow put in order: so neither does it depend on the order of arrival who is left out.
 */
import type { AttributeStore } from './attribute-store.ts'
import type { NextHops } from './next-hops.ts'
import type { PathTable } from './paths.ts'
import { localPeer, type PeerTable } from './peers.ts'

/** What the rules read. */
export interface DecisionTables {
  readonly paths: PathTable
  readonly attributes: AttributeStore
  readonly nextHops: NextHops
  readonly peers: PeerTable
  /** LOCAL_PREF of paths that carry none (eBGP, own). */
  localPreference: number
  maxPaths: number
  asPathRelax: boolean
}

export interface Rule {
  readonly name: string
  readonly rfc: string
  /** Lower is better. */
  readonly key: (tables: DecisionTables, path: number) => number
  /** Compared only between paths that agree in this; absent: between all. */
  readonly within?: (tables: DecisionTables, path: number) => number
}

/** Index of the first rule that comes after multipath selection. */
export const multipathRules = 7

export const rules: readonly Rule[] = [
  {
    name: 'local origin',
    rfc: 'RFC 4271 §9.1',
    key: (t, path) => (t.paths.peer[path] === localPeer ? 0 : 1),
  },
  {
    name: 'higher LOCAL_PREF',
    rfc: 'RFC 4271 §9.1.1',
    key: (t, path) => -localPreferenceOf(t, path),
  },
  {
    name: 'shorter AS path',
    rfc: 'RFC 4271 §9.1.2.2 a',
    key: (t, path) => t.attributes.pathLength[setOf(t, path)] as number,
  },
  {
    name: 'lower ORIGIN',
    rfc: 'RFC 4271 §9.1.2.2 b',
    key: (t, path) => t.attributes.origin[setOf(t, path)] as number,
  },
  {
    name: 'lower MED',
    rfc: 'RFC 4271 §9.1.2.2 c',
    key: (t, path) => t.attributes.med[setOf(t, path)] as number,
    within: (t, path) => t.attributes.neighbourAsn[setOf(t, path)] as number,
  },
  {
    name: 'eBGP over iBGP',
    rfc: 'RFC 4271 §9.1.2.2 d',
    key: (t, path) => (t.peers.ebgp[t.paths.peer[path] as number] === 1 ? 0 : 1),
  },
  {
    name: 'lower interior cost to the next hop',
    rfc: 'RFC 4271 §9.1.2.2 e',
    key: (t, path) => t.nextHops.metric(t.attributes.nextHop[setOf(t, path)] as number),
  },
  {
    name: 'lower router id',
    rfc: 'RFC 4271 §9.1.2.2 f, RFC 4456 §9',
    key: (t, path) => {
      const originator = t.attributes.originatorId[setOf(t, path)] as number
      return originator !== 0
        ? originator
        : (t.peers.routerId[t.paths.peer[path] as number] as number)
    },
  },
  {
    name: 'shorter CLUSTER_LIST',
    rfc: 'RFC 4456 §9',
    key: (t, path) => t.attributes.clusterCount[setOf(t, path)] as number,
  },
  ...[0, 1, 2, 3].map((word) => ({
    name: 'lower peer address',
    rfc: 'RFC 4271 §9.1.2.2 g',
    key: (t: DecisionTables, path: number) =>
      t.peers.address[(t.paths.peer[path] as number) * 4 + word] as number,
  })),
  {
    name: 'lower path id',
    rfc: 'RFC 7911 §3',
    key: (t, path) => t.paths.pathId[path] as number,
  },
]

function setOf(tables: DecisionTables, path: number): number {
  return tables.paths.attributes[path] as number
}

/** LOCAL_PREF as compared: the attribute, or the configured default. */
export function localPreferenceOf(tables: DecisionTables, path: number): number {
  const set = setOf(tables, path)
  return (tables.attributes.marks[set] as number) & 8
    ? (tables.attributes.localPref[set] as number)
    : tables.localPreference
}

/** Whether a path takes part at all. */
export function eligible(tables: DecisionTables, path: number): boolean {
  return (
    tables.paths.reason[path] === 0 &&
    tables.nextHops.reachable(tables.attributes.nextHop[setOf(tables, path)] as number)
  )
}

/**
 * Long-lived: `run` leaves its result in the fields and allocates nothing once its scratch columns
 * are large enough.
 */
export class Decision {
  /** Path row, or 0 when there is none. */
  best = 0
  /** The ECMP set, best first; holds `multipathCount` rows. */
  multipath = new Uint32Array(16)
  multipathCount = 0
  /** What `rank` found, best first; holds `rankedCount` rows. */
  ranked = new Uint32Array(16)
  rankedCount = 0
  /** What `rank` has yet to place. */
  #pool = new Uint32Array(16)
  #candidates = new Uint32Array(16)
  #keys = new Float64Array(16)
  #count = 0
  readonly #tables: DecisionTables

  constructor(tables: DecisionTables) {
    this.#tables = tables
  }

  /**
   * Decides among the list that starts at path row `head`.
   * @param ordered whether the ECMP set is wanted in the order of the rules, and of paths with one
   *   next hop the best; without, it is in order only where it had to be cut
   */
  run(head: number, ordered = false): void {
    this.#collect(head)
    this.best = 0
    this.multipathCount = 0
    if (this.#count === 0) return
    if (this.#count === 1) {
      this.#settleOn(this.#candidates[0] as number)
      return
    }
    let rule = 0
    for (; rule < multipathRules && this.#count > 1; rule++) this.#apply(rules[rule] as Rule)
    this.#keepMultipath()
    rule = multipathRules
    for (; rule < rules.length && this.#count > 1; rule++) this.#apply(rules[rule] as Rule)
    this.best = this.#candidates[0] as number
    this.#finishMultipath(ordered)
  }

  /**
   * Puts the best `limit` usable paths in order: the best, then the best of the others, and so on.
   * It is decided anew each time, since a path that is taken away may have hidden, by its MED, the
   * paths of its neighbour AS from the rules that follow (so no sort by keys gives this order).
   */
  rank(head: number, limit: number): void {
    this.#collect(head)
    let left = this.#count
    if (left > this.#pool.length) this.#pool = new Uint32Array(this.#candidates.length)
    const pool = this.#pool
    for (let index = 0; index < left; index++) pool[index] = this.#candidates[index] as number
    const wanted = Math.min(limit, left)
    if (wanted > this.ranked.length) this.ranked = new Uint32Array(wanted * 2)
    this.rankedCount = 0
    while (this.rankedCount < wanted) {
      for (let index = 0; index < left; index++) this.#candidates[index] = pool[index] as number
      this.#count = left
      for (const rule of rules) {
        if (this.#count === 1) break
        this.#apply(rule)
      }
      const best = this.#candidates[0] as number
      this.ranked[this.rankedCount++] = best
      let at = 0
      while (pool[at] !== best) at++
      pool[at] = pool[--left] as number
    }
  }

  /** Rule by which each path lost; the best and the ineligible are absent. Cold. */
  explain(head: number): Map<number, Rule> {
    const lost = new Map<number, Rule>()
    this.#collect(head)
    for (const rule of rules) {
      if (this.#count <= 1) break
      const before = this.#candidates.slice(0, this.#count)
      this.#apply(rule)
      const kept = new Set(this.#candidates.subarray(0, this.#count))
      for (const path of before) if (!kept.has(path)) lost.set(path, rule)
    }
    return lost
  }

  /** Most prefixes have one usable path: there is nothing to compare. */
  #settleOn(path: number): void {
    this.best = path
    this.multipath[0] = path
    this.multipathCount = 1
  }

  #collect(head: number): void {
    const tables = this.#tables
    const { next } = tables.paths
    let count = 0
    for (let path = head; path !== 0; path = next[path] as number) {
      if (!eligible(tables, path)) continue
      if (count === this.#candidates.length) this.#growScratch()
      this.#candidates[count++] = path
    }
    this.#count = count
  }

  #apply(rule: Rule): void {
    if (rule.within !== undefined) {
      this.#applyWithin(rule, rule.within)
      return
    }
    const candidates = this.#candidates
    const keys = this.#keys
    const count = this.#count
    let lowest = Number.POSITIVE_INFINITY
    for (let index = 0; index < count; index++) {
      const key = rule.key(this.#tables, candidates[index] as number)
      keys[index] = key
      if (key < lowest) lowest = key
    }
    let kept = 0
    for (let index = 0; index < count; index++) {
      if (keys[index] === lowest) candidates[kept++] = candidates[index] as number
    }
    this.#count = kept
  }

  /** A path survives unless another one of its group has a lower key. */
  #applyWithin(rule: Rule, within: (tables: DecisionTables, path: number) => number): void {
    const tables = this.#tables
    const candidates = this.#candidates
    const lowest = new Map<number, number>()
    for (let index = 0; index < this.#count; index++) {
      const path = candidates[index] as number
      const group = within(tables, path)
      const key = rule.key(tables, path)
      const known = lowest.get(group)
      if (known === undefined || key < known) lowest.set(group, key)
    }
    let kept = 0
    for (let index = 0; index < this.#count; index++) {
      const path = candidates[index] as number
      if (rule.key(tables, path) === lowest.get(within(tables, path))) candidates[kept++] = path
    }
    this.#count = kept
  }

  #keepMultipath(): void {
    if (this.#count > this.multipath.length) this.multipath = new Uint32Array(this.#count * 2)
    for (let index = 0; index < this.#count; index++) {
      this.multipath[index] = this.#candidates[index] as number
    }
    this.multipathCount = this.#count
  }

  /** Best first, one path a next hop, at most `maxPaths`, equal neighbours unless relaxed. */
  #finishMultipath(ordered: boolean): void {
    const { attributes, paths, maxPaths, asPathRelax } = this.#tables
    const set = this.multipath
    const { best } = this
    if (ordered || this.multipathCount > maxPaths) this.#sortMultipath()
    const bestSet = paths.attributes[best] as number
    let kept = 0
    const offered = this.multipathCount
    // Own routes are not forwarded to anybody, so they have no ECMP set but themselves.
    const alone = paths.peer[best] === localPeer
    for (let index = 0; index < offered && kept < maxPaths - 1 && !alone; index++) {
      const path = set[index] as number
      if (path === best) continue
      const other = paths.attributes[path] as number
      if (!asPathRelax && attributes.neighbourAsn[other] !== attributes.neighbourAsn[bestSet]) {
        continue
      }
      if (attributes.nextHop[other] === attributes.nextHop[bestSet]) continue
      let twin = false
      for (let earlier = 0; earlier < kept; earlier++) {
        const kin = paths.attributes[set[earlier] as number] as number
        if (attributes.nextHop[kin] === attributes.nextHop[other]) twin = true
      }
      if (!twin) set[kept++] = path
    }
    for (let index = kept; index > 0; index--) set[index] = set[index - 1] as number
    set[0] = best
    this.multipathCount = kept + 1
  }

  /** Insertion sort by the rules behind the border; mostly the first key tells. */
  #sortMultipath(): void {
    const set = this.multipath
    const keys = this.#keys
    const first = rules[multipathRules] as Rule
    for (let index = 0; index < this.multipathCount; index++) {
      const path = set[index] as number
      const key = first.key(this.#tables, path)
      let at = index
      while (at > 0) {
        const before = keys[at - 1] as number
        if (before < key || (before === key && this.#precedes(set[at - 1] as number, path))) break
        set[at] = set[at - 1] as number
        keys[at] = before
        at--
      }
      set[at] = path
      keys[at] = key
    }
  }

  #precedes(a: number, b: number): boolean {
    for (let index = multipathRules + 1; index < rules.length; index++) {
      const { key } = rules[index] as Rule
      const difference = key(this.#tables, a) - key(this.#tables, b)
      if (difference !== 0) return difference < 0
    }
    return a < b
  }

  #growScratch(): void {
    const grown = new Uint32Array(this.#candidates.length * 2)
    grown.set(this.#candidates)
    this.#candidates = grown
    this.#keys = new Float64Array(grown.length)
  }
}
