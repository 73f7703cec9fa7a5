/**
 * The kernel's state as far as it matters to us, kept up to date by its notifications: links,
 * neighbours that don't answer, and the routes of others.
 */
import { type Family, formatAddress } from './address.ts'
import { ForeignRoutes } from './foreign.ts'
import type { LinkMessage, NeighbourMessage } from './netlink.ts'
import { neighbourStates } from './numbers.ts'
import type { Gateway } from './types.ts'
import type { Way, Ways } from './way.ts'

/** Neighbours remembered as silent at most; the kernel's own tables end at 1024 by default. */
const neighboursMax = 65_536

export type Foreign = Readonly<Record<Family, ForeignRoutes>>

export class KernelView {
  readonly links = new Map<number, LinkMessage>()
  foreign: Foreign
  readonly #ways: Ways
  /** Gateways that failed to answer since we listen: `index address`. */
  readonly #dead = new Set<string>()
  /** Those that had failed before: an old verdict, to be asked for again before it is believed. */
  readonly #suspects = new Set<string>()

  constructor(ways: Ways) {
    this.#ways = ways
    this.foreign = this.emptyForeign()
  }

  emptyForeign(): Foreign {
    return { 4: new ForeignRoutes(4, this.#ways), 6: new ForeignRoutes(6, this.#ways) }
  }

  linkNamed(name: string): LinkMessage | null {
    for (const link of this.links.values()) if (link.name === name) return link
    return null
  }

  nameOf(interfaceIndex: number): string {
    return this.links.get(interfaceIndex)?.name ?? `if${interfaceIndex}`
  }

  isDead(interfaceIndex: number, gateway: string): boolean {
    return this.#dead.has(`${interfaceIndex} ${gateway}`)
  }

  /** Takes note of a neighbour's state; true when its being dead changed. */
  meetNeighbour(message: NeighbourMessage, gone: boolean): boolean {
    const key = `${message.interface} ${formatAddress(message.family, message.address)}`
    this.#suspects.delete(key)
    if (!gone && (message.state & neighbourStates.failed) !== 0) {
      if (this.#dead.has(key) || this.#dead.size >= neighboursMax) return false
      this.#dead.add(key)
      return true
    }
    // INCOMPLETE is a question under way: it changes nothing.
    if (gone || (message.state & neighbourStates.valid) !== 0) return this.#dead.delete(key)
    return false
  }

  /** A neighbour found in a dump: FAILED there may be hours old. */
  recallNeighbour(message: NeighbourMessage): void {
    const key = `${message.interface} ${formatAddress(message.family, message.address)}`
    if ((message.state & neighbourStates.valid) !== 0) this.#dead.delete(key)
    const failed = (message.state & neighbourStates.failed) !== 0 && !this.#dead.has(key)
    if (failed && this.#suspects.size < neighboursMax) this.#suspects.add(key)
  }

  /** Whether an old verdict on this gateway should be put to the test; true once for each. */
  takeSuspect(interfaceIndex: number, gateway: string): boolean {
    return this.#suspects.size > 0 && this.#suspects.delete(`${interfaceIndex} ${gateway}`)
  }

  forgetInterface(interfaceIndex: number): void {
    this.links.delete(interfaceIndex)
    const start = `${interfaceIndex} `
    for (const set of [this.#dead, this.#suspects]) {
      for (const key of set) if (key.startsWith(start)) set.delete(key)
    }
  }

  /** A way's next hops, for people. */
  gatewaysOf(way: Way): Gateway[] {
    return way.legs.map((leg) => ({
      interface: this.nameOf(leg.interface),
      gateway: leg.gateway,
    }))
  }
}
