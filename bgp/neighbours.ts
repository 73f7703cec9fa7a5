/**
 * Dynamic neighbours (a range of addresses instead of one) and what a changed configuration means
 * for a running session.
 */
import type { PeerEntry } from './peer-entry.ts'
import { covers, type Prefix, parseHost, parsePrefix } from './prefix.ts'
import type { PeerSession } from './session/peer.ts'
import type { ListenerKey, PeerConfig, RefusedRange } from './types.ts'

/** A dynamic neighbour's own configuration: its range's, with its address. */
export function dynamicConfig(range: PeerConfig, address: string): PeerConfig {
  return { ...range, name: `${range.name}.${address}`, address, range: null, passive: true }
}

/** Who is let in without being named, and where no router is, as addresses are compared with it. */
export interface DoorRules {
  readonly ranges: readonly { readonly config: PeerConfig; readonly prefix: Prefix }[]
  readonly pods: readonly { readonly refused: RefusedRange; readonly prefix: Prefix }[]
}

/** Made with every change of them, so that a connection costs no reading of text but its address. */
export function doorRules(
  peers: readonly PeerConfig[],
  refuse: readonly RefusedRange[],
): DoorRules {
  return {
    ranges: peers.flatMap((config) =>
      config.range === null ? [] : [{ config, prefix: parsePrefix(config.range) }],
    ),
    pods: refuse
      .filter(({ match }) => match === 'covered')
      .map((refused) => ({ refused, prefix: parsePrefix(refused.prefix) })),
  }
}

/** Where a connection goes: to a peer's session, to a new one of a range, or away. */
export type Admission =
  | { readonly session: PeerSession }
  | { readonly range: PeerConfig }
  | { readonly refused: string }

/**
 * Peers that are there, found by what a connection is known by: thousands may come at once, so none
 * of them may cost a walk through all others.
 */
export class Neighbourhood {
  readonly #byAddress = new Map<string, PeerEntry[]>()
  readonly #accepted = new Map<string, number>()

  /** The entry's address and range stay what they are until it is removed. */
  add(entry: PeerEntry): void {
    const address = entry.config.address as string
    const known = this.#byAddress.get(address)
    if (known === undefined) this.#byAddress.set(address, [entry])
    else known.push(entry)
    this.#count(entry, 1)
  }

  remove(entry: PeerEntry): void {
    const address = entry.config.address as string
    const known = this.#byAddress.get(address)
    if (!known?.includes(entry)) return
    const others = known.filter((each) => each !== entry)
    if (others.length > 0) this.#byAddress.set(address, others)
    else this.#byAddress.delete(address)
    this.#count(entry, -1)
  }

  /** The peer of this address; of several, the one that was there first. */
  at(address: string): PeerEntry | null {
    return this.#byAddress.get(address)?.[0] ?? null
  }

  /** How many neighbours this range has. */
  acceptedBy(range: string): number {
    return this.#accepted.get(range) ?? 0
  }

  #count({ range }: PeerEntry, by: number): void {
    if (range !== null) this.#accepted.set(range, this.acceptedBy(range) + by)
  }
}

/** Peers that are named win over ranges. */
export function admit(
  address: string,
  neighbourhood: Neighbourhood,
  { ranges, pods }: DoorRules,
): Admission {
  const known = neighbourhood.at(address)
  if (known !== null) return { session: known.session }
  const host = parseHost(address)
  const found = ranges.find(({ prefix }) => covers(prefix, host))
  if (found === undefined) return { refused: 'no peer is configured for it' }
  const { config: range, prefix } = found
  if (range.heldDown !== null || range.shutdown) return { refused: `${range.name} is held down` }
  // Pods are no routers: their addresses are refused unless the range lies inside their CIDR.
  const pod = pods.find((each) => covers(each.prefix, host))
  if (pod !== undefined && !covers(pod.prefix, prefix)) {
    const { prefix: cidr, reason } = pod.refused
    return { refused: `it lies in ${cidr} (${reason}), where no router is` }
  }
  if (neighbourhood.acceptedBy(range.name) >= range.rangeLimit) {
    return { refused: `${range.name} already has ${range.rangeLimit} neighbours` }
  }
  return { range }
}

/** MD5 keys of all peers and ranges (RFC 2385). */
export function listenerKeys(peers: readonly PeerConfig[]): (ListenerKey & { family: 4 | 6 })[] {
  const keys: (ListenerKey & { family: 4 | 6 })[] = []
  for (const { address, range, password } of peers) {
    const prefix = address ?? range
    if (password === null || prefix === null) continue
    keys.push({ prefix, password, family: prefix.includes(':') ? 6 : 4 })
  }
  return keys
}

/** What shapes the exchange of routes but not the session. */
const routing = [
  'routeReflectorClient',
  'clusterId',
  'nextHopMode',
  'export',
  'allowedLocalAsns',
  'asOverride',
  'enforceFirstAs',
  'addPathLimit',
  'filters',
] as const satisfies readonly (keyof PeerConfig)[]

export function routesDiffer(a: PeerConfig, b: PeerConfig): boolean {
  return routing.some((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]))
}
