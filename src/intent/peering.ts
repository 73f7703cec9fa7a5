/**
 * Who peers with whom: the sessions one node should have, before their parameters. Calico's rules,
 * in Calico's order: global peers, then those scoped to the node, then the reverse of what other
 * nodes were told, then the mesh. The first peering with an address and port wins.
 */
import type { FilterConfig } from '../../bgp/policy/types.ts'
import {
  type IpVersion,
  knownPrefix,
  overlapsPrefix,
  parseEndpoint,
  versionOf,
} from '../config/address.ts'
import type { BgpPeerResource, ResourceSet } from '../config/resources.ts'
import type { BgpPeerSpec } from '../config/schema/bgp-peer.ts'
import { reportNobody } from './effect.ts'
import { addressOf, type NodeFacts, type NodeSurvey } from './node.ts'
import { inform, warn } from './problem.ts'
import { parseSelector, type Selector } from './selector.ts'
import { listenPorts, type Settings } from './settings.ts'
import type { InForce, Problem } from './types.ts'
import { findWorkloads } from './workloads.ts'

export interface Peering {
  readonly scope: 'global' | 'node' | 'reverse' | 'mesh'
  /** The BGPPeer that asks for it; null for the mesh. */
  readonly source: BgpPeerResource | null
  /** The node at the other end, when it is one. */
  readonly remote: NodeFacts | null
  /** A workload of the own node is at the other end. */
  readonly workload: boolean
  /** null when `range` is set. */
  readonly address: string | null
  readonly range: string | null
  readonly family: IpVersion
  readonly port: number
  readonly asn: number
  /** AS presented to the peer. */
  readonly localAsn: number
  /** Calico's rule for two nodes: exactly one of them dials, by the order of their addresses. */
  readonly passive: boolean
}

/** The node whose peerings are wanted, and what surrounds it. */
export interface Vantage {
  readonly own: NodeFacts
  readonly ownAsn: number
  readonly survey: NodeSurvey
  readonly settings: Settings
  readonly resources: ResourceSet
  readonly filters: ReadonlyMap<string, FilterConfig>
  /** What is in force now: a key whose Secret vanished is taken from there. */
  readonly before: InForce | null
}

const bgpPort = 179
const families: readonly IpVersion[] = [4, 6]

export interface Peerings {
  readonly peerings: readonly Peering[]
  readonly problems: readonly Problem[]
}

export function derivePeerings(vantage: Vantage): Peerings {
  return new PeeringDeriver(vantage).derive()
}

class PeeringDeriver {
  readonly #vantage: Vantage
  readonly #portOf: (nodeName: string) => number
  readonly #selectors = new Map<string, Selector>()
  readonly #kept = new Map<string, Peering>()
  readonly #addresses = new Set<string>()
  readonly #problems: Problem[] = []

  constructor(vantage: Vantage) {
    this.#vantage = vantage
    this.#portOf = listenPorts(vantage.resources)
  }

  derive(): Peerings {
    const { own, resources, settings } = this.#vantage
    const selecting = resources.bgpPeers.filter((peer) => this.#selects(peer.body.spec, own))
    const isGlobal = ({ body }: BgpPeerResource) => scopeOf(body.spec) === 'global'
    for (const peer of selecting.filter(isGlobal)) this.#forward(peer, 'global')
    for (const peer of selecting.filter((peer) => !isGlobal(peer))) this.#forward(peer, 'node')
    for (const peer of resources.bgpPeers) this.#reverse(peer)
    if (settings.spec.nodeToNodeMeshEnabled && own.clusterId === null) this.#mesh()
    return { peerings: [...this.#kept.values()], problems: this.#problems }
  }

  #forward(source: BgpPeerResource, scope: 'global' | 'node'): void {
    const { spec } = source.body
    const { own, ownAsn, survey } = this.#vantage
    const localAsn = spec.localASNumber ?? ownAsn
    if (spec.peerSelector !== undefined) {
      const selector = this.#selector(spec.peerSelector)
      const remotes = survey.nodes.filter(
        (remote) => remote !== own && selector.matches(remote.labels),
      )
      const isMeantForOthers = selector.matches(own.labels)
      if (remotes.length === 0 && !isMeantForOthers) this.#problems.push(reportNobody(source))
      for (const remote of remotes) {
        this.#towards(source, scope, remote, families, this.#asnOf(remote), localAsn)
      }
    } else if (spec.peerRange !== undefined && spec.asNumber !== undefined) {
      this.#range(source, scope, spec.peerRange, spec.asNumber, localAsn)
    } else if (spec.peerIP !== undefined && spec.asNumber !== undefined) {
      this.#single(source, scope, spec.peerIP, spec.asNumber, localAsn)
    } else if (spec.localWorkloadSelector !== undefined && spec.asNumber !== undefined) {
      this.#workloads(source, scope, spec.localWorkloadSelector, spec.asNumber, localAsn)
    } else {
      const message = 'peers by interface are not made yet; this one gives no session'
      this.#problems.push(warn('NotEnforced', subjectOf(source), message, 'use peerIP'))
    }
  }

  #single(
    source: BgpPeerResource,
    scope: 'global' | 'node',
    peerIp: string,
    asn: number,
    localAsn: number,
  ): void {
    const { own, survey } = this.#vantage
    const endpoint = parseEndpoint(peerIp)
    if (!endpoint.ok) throw new TypeError(`"${peerIp}" passed validation: ${endpoint.error}`)
    const { text: address, family } = endpoint.value.address
    if (address === addressOf(own, family)) return
    const remote = survey.byAddress.get(address) ?? null
    if (remote !== null && this.#asnOf(remote) !== asn) {
      const message = `it says AS ${asn} for ${address}, but node ${remote.name} has AS `
      const remedy = `set asNumber: ${this.#asnOf(remote)}`
      const problem = `${message}${this.#asnOf(remote)}`
      this.#problems.push(warn('AsMismatch', subjectOf(source), problem, remedy))
    }
    const port = endpoint.value.port ?? (remote === null ? bgpPort : this.#portOf(remote.name))
    const passive = scope === 'global' && remote !== null && this.#waitsFor(address, family)
    const rest = { address, range: null, family, port, asn, localAsn, passive }
    this.#keep({ scope, source, remote, workload: false, ...rest })
  }

  #range(
    source: BgpPeerResource,
    scope: 'global' | 'node',
    range: string,
    asn: number,
    localAsn: number,
  ): void {
    const family = versionOf(range)
    const { own } = this.#vantage
    const pods = own.podCidrs.filter((cidr) =>
      overlapsPrefix(knownPrefix(cidr), knownPrefix(range)),
    )
    if (pods.length > 0) {
      const message = `peerRange ${range} overlaps the pod CIDR ${pods[0]}: pods could peer`
      const remedy = 'choose a range without pods'
      this.#problems.push(warn('RangeCoversPods', subjectOf(source), message, remedy))
    }
    if (source.body.spec.password === undefined) {
      const message = `whoever connects from ${range} becomes a peer`
      const problem = warn('UnauthenticatedRange', subjectOf(source), message, 'set a password')
      this.#problems.push(problem)
    }
    const rest = { address: null, range, family, port: bgpPort, asn, localAsn, passive: true }
    this.#keep({ scope, source, remote: null, workload: false, ...rest })
  }

  #workloads(
    source: BgpPeerResource,
    scope: 'global' | 'node',
    selector: string,
    asn: number,
    localAsn: number,
  ): void {
    const { own, resources } = this.#vantage
    for (const { address, family } of findWorkloads(
      resources,
      own.name,
      this.#selector(selector),
    )) {
      const rest = { address, range: null, family, port: bgpPort, asn, localAsn, passive: false }
      this.#keep({ scope, source, remote: null, workload: true, ...rest })
    }
    if (source.body.spec.filters.length > 0) return
    const message = 'it names no filters: whoever runs such a workload may announce any prefix'
    const remedy = 'name a BGPFilter that accepts what is theirs'
    this.#problems.push(warn('UnfilteredWorkloads', subjectOf(source), message, remedy))
  }

  /** The mirror of what a BGPPeer tells other nodes about this one. */
  #reverse(source: BgpPeerResource): void {
    const { spec } = source.body
    if (spec.reversePeering === 'Manual') return
    const { own, ownAsn, survey } = this.#vantage
    const mirrored = this.#mirroredFamilies(source)
    if (mirrored.length === 0) return
    for (const remote of survey.nodes) {
      if (remote === own || !this.#selects(spec, remote)) continue
      const asn = spec.localASNumber ?? this.#asnOf(remote)
      this.#towards(source, 'reverse', remote, mirrored, asn, ownAsn)
    }
  }

  /** Families in which a BGPPeer names the own node as the peer. */
  #mirroredFamilies(source: BgpPeerResource): readonly IpVersion[] {
    const { spec } = source.body
    const { own, ownAsn } = this.#vantage
    if (spec.peerSelector !== undefined) {
      return this.#selector(spec.peerSelector).matches(own.labels) ? families : []
    }
    const endpoint = spec.peerIP === undefined ? null : parseEndpoint(spec.peerIP)
    if (endpoint === null || !endpoint.ok) return []
    const { address, port } = endpoint.value
    if (address.text !== addressOf(own, address.family)) return []
    if (spec.asNumber !== ownAsn) {
      const message = `it says AS ${spec.asNumber} for ${address.text}, but node ${own.name} has AS ${ownAsn}`
      const problem = `${message}: it gets no session in return`
      this.#problems.push(warn('AsMismatch', subjectOf(source), problem, `set asNumber: ${ownAsn}`))
      return []
    }
    return port === null || port === this.#portOf(own.name) ? [address.family] : []
  }

  #mesh(): void {
    const { own, ownAsn, survey } = this.#vantage
    for (const remote of survey.nodes) {
      if (remote === own || remote.clusterId !== null) continue
      this.#towards(null, 'mesh', remote, families, this.#asnOf(remote), ownAsn)
    }
  }

  /** One session a family that both ends have. */
  #towards(
    source: BgpPeerResource | null,
    scope: Peering['scope'],
    remote: NodeFacts,
    wanted: readonly IpVersion[],
    asn: number,
    localAsn: number,
  ): void {
    for (const family of wanted) {
      const address = addressOf(remote, family)
      if (address === null || addressOf(this.#vantage.own, family) === null) continue
      const ordered = scope === 'mesh' || scope === 'global'
      const passive = ordered && this.#waitsFor(address, family)
      const port = this.#portOf(remote.name)
      const rest = { address, range: null, family, port, asn, localAsn, passive }
      this.#keep({ scope, source, remote, workload: false, ...rest })
    }
  }

  /** Calico compares addresses as text: "10.0.0.9" is greater than "10.0.0.10". */
  #waitsFor(address: string, family: IpVersion): boolean {
    const own = addressOf(this.#vantage.own, family)
    return own !== null && address > own
  }

  #keep(peering: Peering): void {
    const { address, range, port, source, scope } = peering
    const key = address === null ? `range ${range}` : `${address} ${port}`
    if (scope === 'mesh' && address !== null && this.#addresses.has(address)) return
    const incumbent = this.#kept.get(key)
    if (incumbent === undefined) {
      this.#kept.set(key, peering)
      if (address !== null) this.#addresses.add(address)
    } else if (scope !== 'reverse' && source !== null && incumbent.source !== null) {
      const winner = incumbent.source.name
      const message = `${address ?? range} has its session from BGPPeer ${winner} already`
      const remedy = 'remove one of the two, or give them different nodes'
      this.#problems.push(inform('DuplicatePeer', subjectOf(source), message, remedy))
    }
  }

  #selects(spec: BgpPeerSpec, node: NodeFacts): boolean {
    if (spec.nodeSelector !== undefined) {
      return this.#selector(spec.nodeSelector).matches(node.labels)
    }
    return spec.node === undefined || spec.node === node.name
  }

  #selector(text: string): Selector {
    const known = this.#selectors.get(text)
    if (known !== undefined) return known
    const selector = parseSelector(text)
    this.#selectors.set(text, selector)
    return selector
  }

  #asnOf(node: NodeFacts): number {
    return node.asn ?? this.#vantage.settings.spec.asNumber
  }
}

function scopeOf(spec: BgpPeerSpec): 'global' | 'node' {
  return spec.node === undefined && spec.nodeSelector === undefined ? 'global' : 'node'
}

function subjectOf(peer: BgpPeerResource): string {
  return `BGPPeer/${peer.name}`
}
