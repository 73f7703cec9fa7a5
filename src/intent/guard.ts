/**
 * Which service ranges are guarded against loops: the switches send a whole range to the nodes, so a
 * packet to an address in it that nobody serves would go back to the switch by the default route, and
 * so on until its TTL ends. A range that holds anything packets must reach by a route is left alone.
 */
import type { Guard } from '../../fib/types.ts'
import {
  type InterfaceAddress,
  knownPrefix,
  overlapsPrefix,
  type Prefix,
} from '../config/address.ts'
import { compareText } from '../config/problem.ts'
import type { BgpConfigurationSpec } from '../config/schema/bgp-configuration.ts'
import type { NodeFacts } from './node.ts'
import { warn } from './problem.ts'
import { serviceLists } from './services.ts'
import type { Problem } from './types.ts'

/** Prefixes that are remembered as read: reading one takes long, and a cluster has thousands. */
const readMax = 16_384
const alreadyRead = new Map<string, Prefix>()

export interface Guarded {
  readonly guard: Guard
  readonly problems: readonly Problem[]
}

/** @param peers Addresses of the peers; null for one that is a range. */
export function deriveGuard(
  nodes: readonly NodeFacts[],
  spec: BgpConfigurationSpec,
  peers: readonly (string | null)[],
): Guarded {
  const action = spec.serviceLoopPrevention === 'Reject' ? 'reject' : 'drop'
  const ranges = new Set(serviceLists.flatMap((list) => spec[list].map(({ cidr }) => cidr)))
  if (spec.serviceLoopPrevention === 'Disabled' || ranges.size === 0) {
    return { guard: { prefixes: [], action }, problems: [] }
  }
  const reached = findReached(nodes, peers)
  const problems: Problem[] = []
  const prefixes = [...ranges].sort(compareText).filter((cidr) => {
    const range = readPrefix(cidr)
    const inside = reached.find(({ prefix }) => overlapsPrefix(range, prefix))
    if (inside === undefined) return true
    const message = `service range ${cidr} holds ${inside.what}: loops in it are not prevented`
    const remedy = 'choose a range for services alone, or set serviceLoopPrevention: Disabled'
    problems.push(warn('ServiceRangeShared', 'BGPConfiguration/default', message, remedy))
    return false
  })
  return { guard: { prefixes, action }, problems }
}

interface Reached {
  readonly prefix: Prefix
  readonly what: string
}

/** What lies behind a route, or on a link: nodes and their subnets, pods, peers. */
function findReached(
  nodes: readonly NodeFacts[],
  peers: readonly (string | null)[],
): readonly Reached[] {
  const ofNodes = nodes.flatMap(({ name, ipv4, ipv6, podCidrs }): Reached[] => [
    ...[ipv4, ipv6].flatMap((known) =>
      known === null ? [] : { prefix: subnetOf(known), what: `the address of node ${name}` },
    ),
    ...podCidrs.map((cidr) => ({ prefix: readPrefix(cidr), what: `pods of node ${name}` })),
  ])
  const ofPeers = peers.flatMap((address): Reached[] => {
    if (address === null) return []
    const plain = address.replace(/%.*/, '')
    const prefix = readPrefix(`${plain}/${hostBits(plain)}`)
    return [{ prefix, what: `the address of peer ${address}` }]
  })
  return [...ofNodes, ...ofPeers]
}

/** The subnet around the address of an interface; the address itself where no length is known. */
function subnetOf({ address, length }: InterfaceAddress): Prefix {
  const host = readPrefix(`${address}/${hostBits(address)}`)
  const hostPart = (1n << BigInt(host.length - (length ?? host.length))) - 1n
  return { ...host, first: host.first & ~hostPart, last: host.first | hostPart }
}

function hostBits(address: string): number {
  return address.includes(':') ? 128 : 32
}

function readPrefix(text: string): Prefix {
  const known = alreadyRead.get(text)
  if (known !== undefined) return known
  if (alreadyRead.size >= readMax) alreadyRead.clear()
  const prefix = knownPrefix(text)
  alreadyRead.set(text, prefix)
  return prefix
}
