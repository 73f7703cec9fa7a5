/** One set of next hops that wanted routes name: who wants it, and where it leads now. */
import { type Address, type Family, parseAddress } from './address.ts'
import type { Bundle } from './bundle.ts'
import type { Hop } from './next-hop.ts'
import type { Routed } from './resolver.ts'
import type { WantedSet } from './types.ts'
import { noWay } from './way.ts'

export interface SetState extends Routed {
  readonly wanted: WantedSet
  /** Its next hops as text: sets that differ only in their peers share their groups. */
  readonly identity: string
  /** Rows that want it. */
  readonly rows: Record<Family, number>
  hops: readonly Hop[]
  /** Where its next hops lead, as plain ways. */
  readonly ways: Record<Family, number>
  /** What it shares with sets of the same next hops; null while no row of the family wants it. */
  readonly bundles: Record<Family, Bundle | null>
  /** The ways its routes are to take: a plain one, or through a nexthop object. */
  readonly targets: Record<Family, number>
  /** Every row that wants it is in the queue still. */
  fresh: boolean
}

/** A set that no row wants yet. */
export function makeSet(wanted: WantedSet): SetState {
  return {
    wanted,
    nextHops: parse(wanted.nextHops),
    peers: parse(wanted.peers),
    onLinkOnly: wanted.onLinkOnly ?? false,
    identity: wanted.nextHops.join(),
    rows: { 4: 0, 6: 0 },
    hops: [],
    ways: { 4: noWay, 6: noWay },
    bundles: { 4: null, 6: null },
    targets: { 4: noWay, 6: noWay },
    fresh: true,
  }
}

export function isUsed(set: SetState): boolean {
  return set.rows[4] > 0 || set.rows[6] > 0
}

export function sameSet(a: WantedSet, b: WantedSet): boolean {
  return a.nextHops.join() === b.nextHops.join() && a.peers.join() === b.peers.join()
}

function parse(texts: readonly string[]): Address[] {
  return texts.map(parseAddress).filter((address) => address !== null)
}
