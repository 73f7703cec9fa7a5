/**
 * Which update group a peer belongs to: everything the encoder may look at, put together once when
 * the session comes up (RFC 4271 §5.1.3 for the next hop, RFC 4456 §8, RFC 6793, RFC 7911, RFC 8654,
 * RFC 8950). What can't make a difference is left out, so that peers don't part over it.
 */
import { covers, parseAddress, parseHost, parseIpv4, parsePrefix } from './prefix.ts'
import type { ExportProfile } from './rib/export.ts'
import type { FamilyName, PeerConfig } from './types.ts'
import type { Negotiated } from './wire/context.ts'
import { maxMessageLength } from './wire/message.ts'

/** Longest UPDATE sent, even where RFC 8654 allows more: blocks stay small. */
const sentLengthMax = 16_384

/** What only the host knows of its addresses. */
export interface HostPorts {
  /** This node's address to be used as next hop in a family, given the session's local address. */
  readonly selfAddress: (family: FamilyName, localAddress: string) => string | null
  /** The subnet of an own address as CIDR, or null. */
  readonly subnetOf: (localAddress: string) => string | null
}

/** What a peer's routes are encoded by. */
export interface Export {
  readonly profile: ExportProfile
  /** Octets of "next hop self" towards it; members of one group may differ in them. */
  readonly self: Uint8Array
}

/** @param filtered whether a policy decides what the peer is told */
export function makeExport(
  family: FamilyName,
  config: PeerConfig,
  negotiated: Negotiated,
  addresses: { readonly remote: string; readonly local: string },
  host: HostPorts,
  filtered: boolean,
): Export {
  const { ebgp, localAsn, peerAsn, as4, extendedMessage } = negotiated
  const extendedNextHop = family === 'ipv4-unicast' && negotiated.extendedNextHop
  const self = selfAddress(family, addresses.local, host, extendedNextHop)
  const octets = self === null ? new Uint8Array(0) : parseAddress(self)
  // Own routes always name this node; a shared subnet matters only where others may be told too.
  const othersToo =
    filtered || config.export === 'All' || (config.export === 'Auto' && config.clusterId !== null)
  const thirdParty = ebgp && self !== null && othersToo && config.nextHopMode === 'Auto'
  const profile: ExportProfile = {
    family,
    ebgp,
    client: config.routeReflectorClient,
    clusterId: config.clusterId === null ? null : parseIpv4(config.clusterId),
    export: config.export,
    localAsn,
    // Only AS override looks at the peer's AS; without it, peers of any AS share a group.
    peerAsn: config.asOverride ? peerAsn : 0,
    asOverride: config.asOverride,
    as4,
    messageLengthMax: extendedMessage ? sentLengthMax : maxMessageLength,
    nextHopMode: config.nextHopMode,
    selfOctets: octets.length as ExportProfile['selfOctets'],
    extendedNextHop,
    addPath: addPathOf(family, config, negotiated),
    subnet: thirdParty ? sharedSubnet(family, self, addresses.remote, host) : null,
  }
  return { profile, self: octets }
}

/** RFC 8950 §4: without an IPv4 address to be the next hop, that of the session serves. */
function selfAddress(
  family: FamilyName,
  local: string,
  host: HostPorts,
  extendedNextHop: boolean,
): string | null {
  const own = host.selfAddress(family, local)
  if (own !== null || !extendedNextHop || !local.includes(':')) return own
  return host.selfAddress('ipv6-unicast', local) ?? local.replace(/%.*/, '')
}

function addPathOf(
  family: FamilyName,
  { addPathSend: mode, addPathLimit: limit }: PeerConfig,
  negotiated: Negotiated,
): ExportProfile['addPath'] {
  if (!negotiated.addPathSend.includes(family)) return null
  // With path ids on the wire, the best alone goes under one as well.
  return mode === 'None' ? { mode: 'Best', limit: 1 } : { mode, limit }
}

/** The subnet this node shares with the peer in a family, or null. */
function sharedSubnet(
  family: FamilyName,
  self: string,
  remote: string,
  host: HostPorts,
): ExportProfile['subnet'] {
  const cidr = host.subnetOf(self)
  if (cidr === null) return null
  const subnet = parsePrefix(cidr)
  if (subnet.family !== family) return null
  // Where the session runs over the other family, the link is taken to be shared.
  const peer = parseHost(remote)
  if (peer.family === family && !covers(subnet, peer)) return null
  return { octets: [...parseAddress(cidr.slice(0, cidr.indexOf('/')))], length: subnet.length }
}
