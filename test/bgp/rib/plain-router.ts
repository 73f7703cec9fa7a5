/**
 * What every peer of a router should be told, computed the obvious way: for each peer and prefix by
 * itself, over plain objects, with nothing kept from one question to the next. It shares no code with
 * the RIB; RFC 4271 §9, RFC 4456 §8, RFC 1997, RFC 7911 and RFC 8326 were read once more for it.
 */
import type { FilterRule } from '../../../bgp/policy/types.ts'
import type { PeerConfig } from '../../../bgp/types.ts'

export interface PlainAttributes {
  readonly origin: number
  readonly asPath: readonly number[]
  readonly nextHop: string
  readonly med: number | null
  readonly localPref: number | null
  readonly communities: readonly string[]
  readonly originatorId: string | null
  readonly clusterList: readonly string[]
}

export interface PlainPeer {
  readonly name: string
  readonly asn: number
  readonly routerId: string
  readonly address: string
  readonly local: string
  readonly sendsSeveral: boolean
  config: PeerConfig
  /** By prefix, then path id. */
  readonly paths: Map<string, Map<number, PlainAttributes>>
}

interface Candidate {
  /** null: an own announcement. */
  readonly from: PlainPeer | null
  readonly pathId: number
  readonly attributes: PlainAttributes
}

interface Route extends PlainAttributes {
  /** The export policy set it, so it goes to eBGP too. */
  readonly ownMed: boolean
  readonly setNextHop: string | null
}

const ownAsn = 64512
const ownRouterId = '10.0.0.1'

export class PlainRouter {
  localPreference = 100
  maxPaths = 16
  asPathRelax = true
  draining = false
  readonly peers = new Map<number, PlainPeer>()
  readonly own = new Map<string, readonly string[]>()
  readonly unreachable = new Set<string>()

  /** Lines `PREFIX ATTRIBUTES` in order, as `lineOf` writes them. */
  toldTo(member: PlainPeer): string[] {
    const prefixes = new Set(this.own.keys())
    for (const { paths } of this.peers.values()) for (const each of paths.keys()) prefixes.add(each)
    const lines: string[] = []
    for (const prefix of prefixes) {
      for (const chosen of this.#choose(member, this.#usable(prefix))) {
        if (chosen.from === member) continue
        const sent = this.#send(member, prefix, chosen)
        if (sent !== null) lines.push(lineOf(prefix, sent))
      }
    }
    return lines.sort()
  }

  #choose(member: PlainPeer, usable: readonly Candidate[]): readonly Candidate[] {
    const { addPathSend: mode, addPathLimit } = member.config
    const limit = addPathLimit ?? Number.POSITIVE_INFINITY
    const ranked = this.#rank(usable)
    if (mode === 'None' || !member.sendsSeveral) return ranked.slice(0, 1)
    return (mode === 'Multipath' ? this.#multipath(ranked) : ranked).slice(0, limit)
  }

  #usable(prefix: string): Candidate[] {
    const found: Candidate[] = []
    const communities = this.own.get(prefix)
    if (communities !== undefined) {
      const attributes: PlainAttributes = {
        ...{ origin: 0, asPath: [], nextHop: '', med: null, localPref: null, communities },
        ...{ originatorId: null, clusterList: [] },
      }
      found.push({ from: null, pathId: 0, attributes })
    }
    for (const from of this.peers.values()) {
      for (const [pathId, attributes] of from.paths.get(prefix) ?? []) {
        if (this.#loops(from, attributes) || this.unreachable.has(attributes.nextHop)) continue
        found.push({ from, pathId, attributes })
      }
    }
    return found
  }

  #loops({ config, local }: PlainPeer, attributes: PlainAttributes): boolean {
    if (attributes.asPath.includes(ownAsn) || attributes.nextHop === local) return true
    if (attributes.originatorId === ownRouterId) return true
    return config.clusterId !== null && attributes.clusterList.includes(config.clusterId)
  }

  /** The best, then the best of what is left, and so on. */
  #rank(candidates: readonly Candidate[]): Candidate[] {
    const left = [...candidates]
    const ranked: Candidate[] = []
    while (left.length > 0) {
      const best = this.#best(left)
      ranked.push(best)
      left.splice(left.indexOf(best), 1)
    }
    return ranked
  }

  #best(candidates: readonly Candidate[]): Candidate {
    let left = this.#equal(candidates)
    const lowest = (key: (each: Candidate) => number): void => {
      const least = Math.min(...left.map(key))
      left = left.filter((each) => key(each) === least)
    }
    lowest(({ from, attributes }) => numberOf(attributes.originatorId ?? from?.routerId ?? ''))
    lowest(({ attributes }) => attributes.clusterList.length)
    lowest(({ from }) => numberOf(from?.address ?? ''))
    lowest(({ pathId }) => pathId)
    return left[0] as Candidate
  }

  /** What is level up to the interior cost, which is the same for all here. */
  #equal(candidates: readonly Candidate[]): Candidate[] {
    let left = [...candidates]
    const lowest = (key: (each: Candidate) => number): void => {
      const least = Math.min(...left.map(key))
      left = left.filter((each) => key(each) === least)
    }
    lowest(({ from }) => (from === null ? 0 : 1))
    lowest(({ attributes }) => -(attributes.localPref ?? this.localPreference))
    lowest(({ attributes }) => attributes.asPath.length)
    lowest(({ attributes }) => attributes.origin)
    const before = left
    left = left.filter((each) => !before.some((other) => hasBetterMed(other, each)))
    lowest(({ from }) => (from !== null && isEbgp(from) ? 0 : 1))
    return left
  }

  #multipath(ranked: readonly Candidate[]): Candidate[] {
    const [best] = ranked
    if (best === undefined) return []
    if (best.from === null) return [best]
    const level = this.#equal(ranked)
    const set: Candidate[] = []
    for (const each of ranked.filter((one) => level.includes(one))) {
      const { nextHop, asPath } = each.attributes
      if (set.some((other) => other.attributes.nextHop === nextHop)) continue
      if (!this.asPathRelax && asPath[0] !== best.attributes.asPath[0]) continue
      if (set.length < this.maxPaths) set.push(each)
    }
    return set
  }

  #send(member: PlainPeer, prefix: string, { from, attributes }: Candidate): Sent | null {
    const { communities } = attributes
    const ebgp = isEbgp(member)
    if (communities.includes('65535:65282')) return null
    if (ebgp && ['65535:65281', '65535:65283'].some((each) => communities.includes(each))) {
      return null
    }
    const standing = judge(member, from)
    if (standing === 'never') return null
    const given: Route = { ...attributes, ownMed: from === null, setNextHop: null }
    const decided = filtered(member, prefix, given, from !== null)
    if (decided === 'rejected') return null
    if (decided === 'unmatched' && standing === 'unless accepted') return null
    const route = decided === 'unmatched' ? given : decided
    return this.#encode(member, from, this.draining ? farewell(route) : route)
  }

  #encode(member: PlainPeer, from: PlainPeer | null, route: Route): Sent {
    const { config } = member
    const { origin, communities } = route
    const nextHop = nextHopTo(member, from, route)
    if (isEbgp(member)) {
      const overridden = route.asPath.map((asn) =>
        config.asOverride && asn === member.asn ? ownAsn : asn,
      )
      const med = route.ownMed ? route.med : null
      const asPath = [ownAsn, ...overridden]
      const none = { localPref: null, originatorId: null, clusterList: [] }
      return { origin, asPath, nextHop, med, communities, ...none }
    }
    const { asPath, med, originatorId, clusterList } = route
    const localPref = route.localPref ?? this.localPreference
    const plain = { origin, asPath, nextHop, med, localPref, communities }
    if (from === null || isEbgp(from)) return { ...plain, originatorId, clusterList }
    const added = config.clusterId === null ? [] : [config.clusterId]
    return {
      ...plain,
      originatorId: originatorId ?? from.routerId,
      clusterList: [...added, ...clusterList],
    }
  }
}

export type Sent = PlainAttributes

/** One announcement as text: equal ones are equal text. */
export function lineOf(prefix: string, sent: Sent): string {
  const { origin, asPath, nextHop, med, localPref, originatorId, clusterList } = sent
  const communities = [...sent.communities].sort()
  return `${prefix} ${JSON.stringify([
    ...[origin, asPath, nextHop, med, localPref],
    ...[communities, originatorId, clusterList],
  ])}`
}

function judge(member: PlainPeer, from: PlainPeer | null): 'send' | 'unless accepted' | 'never' {
  const { config } = member
  if (from === null) return 'send'
  if (config.export === 'Own') return 'unless accepted'
  if (isEbgp(member)) {
    const transits = !isEbgp(from) && config.clusterId !== null
    return config.export === 'All' || transits ? 'send' : 'unless accepted'
  }
  if (isEbgp(from)) return 'send'
  if (config.clusterId === null) return 'never'
  return isClient(from) || isClient(member) ? 'send' : 'never'
}

/** The first rule that matches decides. Of conditions there are prefixes, sources and communities. */
function filtered(
  { config }: PlainPeer,
  prefix: string,
  route: Route,
  learned: boolean,
): Route | 'rejected' | 'unmatched' {
  const matches = ({ cidr, source, community }: FilterRule): boolean => {
    if (cidr !== null && cidr !== prefix) return false
    if (community !== null && !route.communities.includes(community)) return false
    return source === null || learned
  }
  const rule = config.filters.flatMap(({ exportV4 }) => exportV4).find(matches)
  if (rule === undefined) return 'unmatched'
  return rule.action === 'Reject' ? 'rejected' : rule.operations.reduce(operate, route)
}

function operate(route: Route, operation: FilterRule['operations'][number]): Route {
  switch (operation.kind) {
    case 'setLocalPref':
      return { ...route, localPref: operation.localPref }
    case 'setMED':
      return { ...route, med: operation.med, ownMed: true }
    case 'prependASPath':
      return { ...route, asPath: [...operation.asns, ...route.asPath] }
    case 'setNextHop':
      return { ...route, setNextHop: operation.nextHop }
    case 'addCommunity': {
      const communities = [...new Set([...route.communities, operation.community])]
      return { ...route, communities }
    }
    default:
      throw new Error(`${operation.kind} is not among the operations of these tests`)
  }
}

function farewell(route: Route): Route {
  const communities = [...new Set([...route.communities, '65535:0'])]
  return { ...route, communities, localPref: 0 }
}

function nextHopTo(member: PlainPeer, from: PlainPeer | null, route: Route): string {
  const { config, local } = member
  if (route.setNextHop !== null) return route.setNextHop === 'self' ? local : route.setNextHop
  if (from === null || config.nextHopMode === 'Self') return local
  if (config.nextHopMode === 'Keep' || !isEbgp(member)) return route.nextHop
  return route.nextHop.startsWith('10.0.0.') ? route.nextHop : local
}

function hasBetterMed(a: Candidate, b: Candidate): boolean {
  if (a.attributes.asPath[0] !== b.attributes.asPath[0]) return false
  return (a.attributes.med ?? 0) < (b.attributes.med ?? 0)
}

function isEbgp({ asn }: PlainPeer): boolean {
  return asn !== ownAsn
}

function isClient(peer: PlainPeer): boolean {
  return peer.config.routeReflectorClient && !isEbgp(peer)
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
}
