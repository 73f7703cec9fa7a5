/**
 * The kernel's state as far as it matters to us, kept up to date by its notifications: links,
 * neighbours that don't answer, next hops declared dead, and the routes of others.
 */
import { type Address, addressText, type Family, formatAddress } from './address.ts'
import { ForeignRoutes } from './foreign.ts'
import type { LinkMessage, NeighbourMessage } from './netlink.ts'
import { neighbourStates } from './numbers.ts'
import type { Gateway } from './types.ts'
import type { Way, Ways } from './way.ts'

/** Neighbours remembered as silent at most; the kernel's own tables end at 1024 by default. */
const neighboursMax = 65_536
/**
 * How long a next hop stays dead by somebody's word alone. By then BGP has withdrawn what it learned
 * there; whoever else still names it says that it lives.
 */
const verdictMs = 120_000
/** Next hops declared dead at one time; more would be all peers of a node at once. */
const verdictsMax = 4096

interface Verdict {
  readonly untilMs: number
  readonly interfaces: readonly number[]
}

export type Foreign = Readonly<Record<Family, ForeignRoutes>>

export class KernelView {
  readonly links = new Map<number, LinkMessage>()
  foreign: Foreign
  readonly #ways: Ways
  /** Gateways that failed to answer since we listen: `index address`. */
  readonly #dead = new Set<string>()
  /** Those that had failed before: an old verdict, to be asked for again before it is believed. */
  readonly #suspects = new Set<string>()
  /** Next hops declared dead: until when, and the interfaces they were reached through. */
  readonly #verdicts = new Map<string, Verdict>()

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
    if (!gone && (message.state & neighbourStates.valid) === 0) return false
    const revived = this.#dead.delete(key)
    if (revived) this.#acquitNeighbour(message)
    return revived
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

  /** Somebody knows that this next hop is dead. False when that was known. */
  condemn(address: Address, interfaces: readonly number[], nowMs: number): boolean {
    const key = hopText(address)
    if (this.#verdicts.size >= verdictsMax || this.#verdicts.has(key)) return false
    this.#verdicts.set(key, { untilMs: nowMs + verdictMs, interfaces })
    return true
  }

  /** It lives again, or nobody asks any more. True when it was thought dead. */
  acquit(address: Address): boolean {
    return this.#verdicts.delete(hopText(address))
  }

  /** An interface came back: so may those that were reached through it. */
  acquitInterface(interfaceIndex: number): void {
    for (const [key, { interfaces }] of this.#verdicts) {
      if (interfaces.includes(interfaceIndex)) this.#verdicts.delete(key)
    }
  }

  /** Ends verdicts that are over. True when one was. */
  expireVerdicts(nowMs: number): boolean {
    const before = this.#verdicts.size
    for (const [key, { untilMs }] of this.#verdicts) {
      if (untilMs <= nowMs) this.#verdicts.delete(key)
    }
    return this.#verdicts.size < before
  }

  /** When the next verdict is over; infinite without one. */
  get verdictDueMs(): number {
    let due = Number.POSITIVE_INFINITY
    for (const { untilMs } of this.#verdicts.values()) due = Math.min(due, untilMs)
    return due
  }

  isCondemned(address: Address): boolean {
    return this.#verdicts.size > 0 && this.#verdicts.has(hopText(address))
  }

  /** Whether a gateway is a next hop that was declared dead. */
  isCondemnedAt(interfaceIndex: number, gateway: string): boolean {
    if (this.#verdicts.size === 0) return false
    const zoned = `${gateway}%${this.nameOf(interfaceIndex)}`
    return this.#verdicts.has(gateway) || this.#verdicts.has(zoned)
  }

  #acquitNeighbour(message: NeighbourMessage): void {
    const text = formatAddress(message.family, message.address)
    this.#verdicts.delete(text)
    this.#verdicts.delete(`${text}%${this.nameOf(message.interface)}`)
  }

  /** A way's next hops, for people. */
  gatewaysOf(way: Pick<Way, 'legs'>): Gateway[] {
    return way.legs.map((leg) => ({
      interface: this.nameOf(leg.interface),
      gateway: leg.gateway,
    }))
  }
}

/** Canonical text of a next hop, with its zone. */
function hopText(address: Address): string {
  const text = addressText(address)
  return address.zone === null ? text : `${text}%${address.zone}`
}
