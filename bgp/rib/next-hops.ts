/**
 * Next hops, interned: every distinct next hop of the RIB has a small number, a reference count and
 * what the kernel's view says of it. RFC 4271 §5.1.3 and §9.1.2.1 (resolvability), RFC 2545 §3 (a
 * 32-octet IPv6 next hop: global, then link-local).
 *
 * Id 0 is "this router itself": always reachable, metric 0.
 */
import { formatAddress } from '../prefix.ts'
import type { NextHopState, NextHopTracker } from '../types.ts'
import { growUint8, growUint32 } from './columns.ts'
import { PrefixTable } from './prefix-table.ts'

/** Next hops up to 32 octets are keyed by eight words; the table's length holds the octet count. */
const keyWords = 8

export class NextHops {
  readonly #table = new PrefixTable(keyWords)
  readonly #key = new Uint32Array(keyWords)
  readonly #tracker: NextHopTracker
  #references = new Uint32Array(64)
  #reachable = new Uint8Array(64)
  #metric = new Uint32Array(64)
  /** Text of the address that is resolved → ids (a 32-octet one is resolved by its global part). */
  readonly #byText = new Map<string, number[]>()
  /** Outgoing interfaces by text. */
  readonly #interfaces = new Map<string, readonly string[]>()
  /** Tracked, and not answered for yet. */
  readonly #awaited = new Set<string>()

  constructor(tracker: NextHopTracker) {
    this.#tracker = tracker
    this.#reachable[0] = 1
  }

  /** Id of the next hop; the caller owns no reference yet (`retain`). */
  intern(bytes: Uint8Array, length: number): number {
    const key = this.#key
    key.fill(0)
    for (let octet = 0; octet < length; octet++) {
      const word = octet >> 2
      key[word] = (((key[word] as number) << 8) | (bytes[octet] as number)) >>> 0
    }
    const id = this.#table.insert(key, 0, length) + 1
    if (id >= this.#references.length) this.#grow()
    return id
  }

  retain(id: number): void {
    if (id === 0) return
    if (this.#references[id] === 0) this.#begin(id)
    ;(this.#references[id] as number)++
  }

  release(id: number): void {
    if (id === 0) return
    const left = (this.#references[id] as number) - 1
    this.#references[id] = left
    if (left === 0) this.#end(id)
  }

  /** Gives back an interned id that was never retained. */
  discard(id: number): void {
    if (id !== 0 && this.#references[id] === 0) this.#table.remove(id - 1)
  }

  /** How many next hops the tracker has yet to say anything of. */
  get awaited(): number {
    return this.#awaited.size
  }

  reachable(id: number): boolean {
    return this.#reachable[id] === 1
  }

  /** Outgoing interfaces; none where they are not known. */
  interfaces(id: number): readonly string[] {
    return this.#interfaces.get(this.text(id)[0] ?? '') ?? []
  }

  metric(id: number): number {
    return this.#metric[id] as number
  }

  /** Octets: 4, 16 or 32; 0 for the router itself. */
  octets(id: number): number {
    return id === 0 ? 0 : (this.#table.lengths[id - 1] as number)
  }

  /** Copies the octets of a next hop; returns how many. */
  copy(id: number, into: Uint8Array): number {
    const octets = this.octets(id)
    const at = (id - 1) * keyWords
    for (let octet = 0; octet < octets; octet++) {
      const word = this.#table.addresses[at + (octet >> 2)] as number
      into[octet] = (word >>> (24 - (octet & 3) * 8)) & 0xff
    }
    return octets
  }

  /** Addresses as text: one, or global and link-local. */
  text(id: number): string[] {
    if (id === 0) return []
    const bytes = new Uint8Array(32)
    const octets = this.copy(id, bytes)
    if (octets === 4) return [formatAddress(bytes, 0, 4)]
    const first = formatAddress(bytes, 0, 16)
    return octets === 32 ? [first, formatAddress(bytes, 16, 16)] : [first]
  }

  /** Takes the tracker's news; returns the ids whose reachability or metric changed. */
  apply(states: readonly NextHopState[]): number[] {
    const changed: number[] = []
    for (const state of states) {
      const sharing = this.#byText.get(state.nextHop)
      // An answer may have been on its way when it was given up.
      if (sharing === undefined) continue
      const reachable = state.reachable ? 1 : 0
      this.#awaited.delete(state.nextHop)
      if (state.interfaces !== undefined) this.#interfaces.set(state.nextHop, state.interfaces)
      for (const id of sharing) {
        if (this.#reachable[id] === reachable && this.#metric[id] === state.metric) continue
        this.#reachable[id] = reachable
        this.#metric[id] = state.metric
        changed.push(id)
      }
    }
    return changed
  }

  #begin(id: number): void {
    this.#reachable[id] = 0
    this.#metric[id] = 0
    const text = this.text(id)[0] as string
    const sharing = this.#byText.get(text)
    if (sharing === undefined) {
      this.#byText.set(text, [id])
      this.#awaited.add(text)
      this.#tracker.track(text)
    } else {
      const twin = sharing[0] as number
      this.#reachable[id] = this.#reachable[twin] as number
      this.#metric[id] = this.#metric[twin] as number
      sharing.push(id)
    }
  }

  #end(id: number): void {
    const text = this.text(id)[0] as string
    const sharing = (this.#byText.get(text) ?? []).filter((other) => other !== id)
    if (sharing.length === 0) {
      this.#byText.delete(text)
      this.#awaited.delete(text)
      this.#interfaces.delete(text)
      this.#tracker.untrack(text)
    } else {
      this.#byText.set(text, sharing)
    }
    this.#table.remove(id - 1)
  }

  #grow(): void {
    const rows = Math.max(this.#references.length * 2, this.#table.capacity + 1)
    this.#references = growUint32(this.#references, rows)
    this.#reachable = growUint8(this.#reachable, rows)
    this.#metric = growUint32(this.#metric, rows)
  }
}
