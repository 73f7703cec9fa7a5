/**
 * What is known of every node: addresses, AS, cluster id, labels, pod CIDRs. Facts come from the
 * core Node (annotations of ours, then Calico's, then its addresses) and from Calico's own Node
 * resource; the first that says something valid wins.
 */
import { createHash } from 'node:crypto'
import {
  type InterfaceAddress,
  type IpVersion,
  parseAddress,
  parseInterfaceAddress,
} from '../config/address.ts'
import { compareText } from '../config/problem.ts'
import type { CalicoNodeResource, CoreNodeResource, ResourceSet } from '../config/resources.ts'
import { type LeafName, leafKinds } from '../config/schema/leaf.ts'
import { warn } from './problem.ts'
import type { Labels } from './selector.ts'
import type { Problem } from './types.ts'

export interface NodeFacts {
  readonly name: string
  readonly labels: Labels
  readonly ipv4: InterfaceAddress | null
  readonly ipv6: InterfaceAddress | null
  /** null: the cluster's AS. */
  readonly asn: number | null
  readonly clusterId: string | null
  /** Canonical, in the order of the Node. */
  readonly podCidrs: readonly string[]
}

export interface NodeSurvey {
  /** Sorted by name. */
  readonly nodes: readonly NodeFacts[]
  readonly byName: ReadonlyMap<string, NodeFacts>
  readonly byAddress: ReadonlyMap<string, NodeFacts>
  readonly problems: readonly Problem[]
}

/** Our annotations first: they can correct what Calico's say. */
const annotationGroups = ['routelet.io', 'projectcalico.org'] as const

const surveys = new WeakMap<ResourceSet, NodeSurvey>()

/** Remembered by the identity of the set, which never changes once made. */
export function surveyNodes(resources: ResourceSet): NodeSurvey {
  const known = surveys.get(resources)
  if (known !== undefined) return known
  const survey = makeSurvey(resources)
  surveys.set(resources, survey)
  return survey
}

export function addressOf(node: NodeFacts, family: IpVersion): string | null {
  return (family === 4 ? node.ipv4 : node.ipv6)?.address ?? null
}

/** The node's IPv4 address, else a hash of its name, as Calico makes it for IPv6-only nodes. */
export function routerIdOf(node: NodeFacts): string {
  if (node.ipv4 !== null) return node.ipv4.address
  const bytes = createHash('sha256').update(node.name).digest().subarray(0, 4)
  const [first = 0, ...rest] = bytes
  // Above 223 lie multicast and reserved addresses, which BGP identifiers avoid.
  return [first > 223 ? first - 32 : first, ...rest].join('.')
}

function makeSurvey(resources: ResourceSet): NodeSurvey {
  const problems: Problem[] = []
  const calicoNodes = new Map(resources.calicoNodes.map((node) => [node.name, node]))
  const coreNodes = new Map(resources.nodes.map((node) => [node.name, node]))
  const names = [...new Set([...coreNodes.keys(), ...calicoNodes.keys()])].sort(compareText)
  const nodes = names.map((name) => {
    const reader = new NodeReader(name, coreNodes.get(name), calicoNodes.get(name), problems)
    return reader.read()
  })
  const byAddress = new Map<string, NodeFacts>()
  for (const node of nodes) {
    for (const address of [node.ipv4?.address, node.ipv6?.address]) {
      if (address === undefined) continue
      const other = byAddress.get(address)
      if (other === undefined) byAddress.set(address, node)
      else problems.push(sharedAddress(node.name, other.name, address))
    }
  }
  return { nodes, byName: new Map(nodes.map((node) => [node.name, node])), byAddress, problems }
}

function sharedAddress(name: string, other: string, address: string): Problem {
  const message = `${address} is also the address of node ${other}`
  return warn('DuplicateAddress', `Node/${name}`, message, 'give each node its own address')
}

class NodeReader {
  readonly #name: string
  readonly #core: CoreNodeResource | undefined
  readonly #calico: CalicoNodeResource | undefined
  readonly #problems: Problem[]

  constructor(
    name: string,
    core: CoreNodeResource | undefined,
    calico: CalicoNodeResource | undefined,
    problems: Problem[],
  ) {
    this.#name = name
    this.#core = core
    this.#calico = calico
    this.#problems = problems
  }

  read(): NodeFacts {
    const bgp = this.#calico?.body.spec.bgp
    const clusterId = this.#annotation('RouteReflectorClusterID', 'cluster-id')
    const asn = this.#annotation('ASNumber', 'as-number')
    return {
      name: this.#name,
      labels: { ...this.#calico?.labels, ...this.#core?.labels },
      ipv4: this.#address(4, bgp?.ipv4Address),
      ipv6: this.#address(6, bgp?.ipv6Address),
      asn: (asn as number | null) ?? bgp?.asNumber ?? null,
      clusterId: (clusterId as string | null) ?? bgp?.routeReflectorClusterID ?? null,
      podCidrs: this.#podCidrs(),
    }
  }

  #podCidrs(): string[] {
    const spec = this.#core?.body.spec
    if (spec === undefined) return []
    const single = spec.podCIDR === undefined ? [] : [spec.podCIDR]
    return [...new Set(spec.podCIDRs.length > 0 ? spec.podCIDRs : single)]
  }

  #address(family: IpVersion, calico: string | undefined): InterfaceAddress | null {
    const annotated = this.#annotation(`IPv${family}Address`, 'interface-address')
    for (const text of [annotated, calico]) {
      if (typeof text !== 'string') continue
      const read = parseInterfaceAddress(text)
      if (read.ok && read.value.family === family) return read.value
      const message = `${text} is not an IPv${family} address`
      this.#problems.push(warn('BadNodeAddress', `Node/${this.#name}`, message, 'correct it'))
    }
    for (const { type, address } of this.#core?.body.status.addresses ?? []) {
      if (type !== 'InternalIP') continue
      const read = parseAddress(address)
      if (!read.ok) {
        const message = `status.addresses: "${address}" is not an address: ${read.error}`
        this.#problems.push(warn('BadNodeAddress', `Node/${this.#name}`, message, 'correct it'))
      } else if (read.value.family === family) {
        return { address: read.value.text, family, length: null }
      }
    }
    return null
  }

  /** The first annotation of this name that is there and valid; invalid ones are reported. */
  #annotation(name: string, format: LeafName): unknown {
    for (const group of annotationGroups) {
      const key = `${group}/${name}`
      const text = this.#core?.annotations[key] ?? this.#calico?.annotations[key]
      if (text === undefined || text === '') continue
      const read = leafKinds[format].read(text)
      if (read.ok) return read.value
      const message = `annotation ${key}: expected ${leafKinds[format].expected}, found "${text}"`
      this.#problems.push(
        warn('BadAnnotation', `Node/${this.#name}`, message, 'it is ignored until corrected'),
      )
    }
    return null
  }
}
