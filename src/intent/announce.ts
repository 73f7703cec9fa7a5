/**
 * What a node says of itself: its pods' prefixes, its own addresses, the Services it stands for. And
 * what it never believes from others: its own pod prefixes and the cluster's service ranges.
 */
import type { Announcement, RefusedRange } from '../../bgp/types.ts'
import { coversPrefix, knownPrefix } from '../config/address.ts'
import { compareText } from '../config/problem.ts'
import type { ResourceSet } from '../config/resources.ts'
import type { BgpConfigurationSpec } from '../config/schema/bgp-configuration.ts'
import { findWellKnownCommunity } from '../config/schema/leaf.ts'
import { type CalicoRoutes, deriveCalicoRoutes } from './calico-ipam.ts'
import { addressOf, type NodeFacts } from './node.ts'
import { deriveServiceRoutes, serviceLists } from './services.ts'
import type { Problem } from './types.ts'

export interface Announced {
  /** Sorted; each prefix once, with all reasons for it. */
  readonly announcements: readonly Announcement[]
  /** Those that come and go with the endpoints of services. */
  readonly unsteady: readonly string[]
  /** Aggregates whose unused part is unreachable. */
  readonly blackholes: readonly string[]
  readonly refuse: readonly RefusedRange[]
  readonly problems: readonly Problem[]
}

export function deriveAnnounced(
  own: NodeFacts,
  spec: BgpConfigurationSpec,
  resources: ResourceSet,
): Announced {
  const calico = deriveCalicoRoutes(own, resources)
  const services = deriveServiceRoutes(own, spec, resources)
  const ledger = new Ledger()
  for (const cidr of own.podCidrs) ledger.add(cidr, `pod CIDR of node ${own.name}`)
  for (const { prefix, reason } of [...calico.blocks, ...calico.hosts]) ledger.add(prefix, reason)
  if (spec.announceNodeAddresses) {
    for (const host of hostPrefixesOf(own)) ledger.add(host, `address of node ${own.name}`)
  }
  for (const { prefix, reason, unsteady } of services.routes) ledger.add(prefix, reason, unsteady)
  return {
    announcements: ledger.prefixes().map((prefix) => ({
      prefix,
      reason: ledger.reasonOf(prefix),
      communities: findCommunities(prefix, spec),
    })),
    unsteady: ledger.unsteady(),
    blackholes: deriveBlackholes(own, calico),
    refuse: deriveRefused(own, spec, calico),
    problems: [...calico.problems, ...services.problems],
  }
}

/** Prefixes and why each is announced; one that several want goes when the last of them does. */
class Ledger {
  readonly #reasons = new Map<string, Set<string>>()
  readonly #steady = new Set<string>()

  add(prefix: string, reason: string, unsteady = false): void {
    const reasons = this.#reasons.get(prefix) ?? new Set()
    this.#reasons.set(prefix, reasons.add(reason))
    if (!unsteady) this.#steady.add(prefix)
  }

  prefixes(): string[] {
    return sortUnique([...this.#reasons.keys()])
  }

  reasonOf(prefix: string): string {
    return sortUnique([...(this.#reasons.get(prefix) ?? [])]).join('; ')
  }

  unsteady(): string[] {
    return this.prefixes().filter((prefix) => !this.#steady.has(prefix))
  }
}

function hostPrefixesOf(own: NodeFacts): string[] {
  return ([4, 6] as const).flatMap((family) => {
    const address = addressOf(own, family)
    return address === null ? [] : `${address}/${family === 4 ? 32 : 128}`
  })
}

/** The part of an aggregate that no pod has is unreachable; a single host needs none. */
function deriveBlackholes(own: NodeFacts, { blocks }: CalicoRoutes): string[] {
  return sortUnique([...own.podCidrs, ...blocks.map(({ prefix }) => prefix)]).filter((text) => {
    const { family, length } = knownPrefix(text)
    return length < (family === 4 ? 32 : 128)
  })
}

/**
 * Where Calico gives the addresses, other nodes' blocks and borrowed addresses may lie inside what is
 * ours, and are then more specific: only the prefix itself is refused.
 */
function deriveRefused(
  own: NodeFacts,
  spec: BgpConfigurationSpec,
  calico: CalicoRoutes,
): RefusedRange[] {
  const refused = new Map<string, RefusedRange>()
  const refuse = (range: RefusedRange) => {
    if (!refused.has(range.prefix)) refused.set(range.prefix, range)
  }
  // A reflector still carries the service routes of its clients to each other and to the switches.
  const reflects = own.clusterId !== null
  const match = calico.inUse ? 'exact' : 'covered'
  for (const cidr of own.podCidrs) refuse({ prefix: cidr, match, reason: 'own pod CIDR' })
  for (const { prefix } of calico.blocks) refuse({ prefix, match, reason: 'own Calico block' })
  for (const list of serviceLists) {
    for (const { cidr } of spec[list]) {
      const reason = `service range (${list})`
      const range = { prefix: cidr, match: 'covered', reason } as const
      refuse(reflects ? { ...range, passOn: true } : range)
    }
  }
  return [...refused.values()].sort((a, b) => compareText(a.prefix, b.prefix))
}

/** Those of every prefixAdvertisement that covers the prefix, as Calico adds them. */
function findCommunities(prefix: string, spec: BgpConfigurationSpec): string[] {
  const values = new Map(spec.communities.map(({ name, value }) => [name, value]))
  const covering = spec.prefixAdvertisements.filter(({ cidr }) =>
    coversPrefix(knownPrefix(cidr), knownPrefix(prefix)),
  )
  const named = covering.flatMap(({ communities }) => communities)
  return sortUnique(named.map((name) => values.get(name) ?? findWellKnownCommunity(name) ?? name))
}

function sortUnique(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort(compareText)
}
