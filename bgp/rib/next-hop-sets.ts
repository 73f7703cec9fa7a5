/**
 * ECMP sets handed to the kernel writer, interned: the same next hops learned from the same peers
 * have the same id, so "did the forwarding of this prefix change?" is one comparison of numbers.
 * Ids only grow and are never reused; a set that no prefix uses any more is forgotten.
 */
import type { NextHopSet } from '../types.ts'
import { RowList } from './columns.ts'

interface Entry {
  readonly hash: number
  /** Next hop id and peer number, alternating, ordered by next hop. */
  readonly members: Uint32Array
  references: number
}

export class NextHopSets {
  readonly #byHash = new Map<number, number[]>()
  readonly #entries = new Map<number, Entry>()
  readonly #fresh = new RowList()
  #nextId = 1

  get size(): number {
    return this.#entries.size
  }

  /** Id of the set with these members (sorted by the caller's order of next hops). */
  intern(members: Uint32Array, length: number): number {
    let hash = length
    for (let index = 0; index < length; index++) {
      hash = Math.imul(hash ^ (members[index] as number), 0x85ebca6b)
      hash ^= hash >>> 15
    }
    const ids = this.#byHash.get(hash)
    if (ids !== undefined) {
      for (const id of ids) if (this.#equals(id, members, length)) return id
    }
    const id = this.#nextId++
    this.#entries.set(id, { hash, members: members.slice(0, length), references: 0 })
    if (ids === undefined) this.#byHash.set(hash, [id])
    else ids.push(id)
    this.#fresh.push(id)
    return id
  }

  retain(id: number): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined) entry.references++
  }

  release(id: number): void {
    const entry = this.#entries.get(id)
    if (entry === undefined || --entry.references > 0) return
    this.#entries.delete(id)
    const left = (this.#byHash.get(entry.hash) ?? []).filter((other) => other !== id)
    if (left.length === 0) this.#byHash.delete(entry.hash)
    else this.#byHash.set(entry.hash, left)
  }

  /** Sets made since the last call, described for the kernel writer. */
  takeFresh(
    nextHopText: (id: number) => string,
    peerText: (peer: number) => string | null,
  ): NextHopSet[] {
    const sets: NextHopSet[] = []
    for (let index = 0; index < this.#fresh.length; index++) {
      const id = this.#fresh.rows[index] as number
      const entry = this.#entries.get(id)
      if (entry === undefined) continue
      const nextHops: string[] = []
      const peers = new Set<string>()
      for (let at = 0; at < entry.members.length; at += 2) {
        nextHops.push(nextHopText(entry.members[at] as number))
        const peer = peerText(entry.members[at + 1] as number)
        if (peer !== null) peers.add(peer)
      }
      sets.push({ id, nextHops, peers: [...peers] })
    }
    this.#fresh.clear()
    return sets
  }

  #equals(id: number, members: Uint32Array, length: number): boolean {
    const known = (this.#entries.get(id) as Entry).members
    if (known.length !== length) return false
    for (let index = 0; index < length; index++) if (known[index] !== members[index]) return false
    return true
  }
}
