/**
 * Which update group a peer belongs to: everything the encoder may look at, put together once when
 * the session comes up (RFC 4271 §5.1.3 for the next hop, RFC 4456 §8, RFC 6793, RFC 7911, RFC 8654).
 */
import { covers, parseAddress, parseIpv4, parsePrefix } from './prefix.ts'
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

export function makeProfile(
  family: FamilyName,
  config: PeerConfig,
  negotiated: Negotiated,
  addresses: { readonly remote: string; readonly local: string },
  host: HostPorts & { readonly maxPaths: number },
): ExportProfile {
  const { ebgp, localAsn, peerAsn, as4, extendedMessage, addPathSend } = negotiated
  const self = host.selfAddress(family, addresses.local)
  return {
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
    self: self === null ? [] : [...parseAddress(self)],
    addPath: addPathSend.includes(family)
      ? { mode: config.addPathSend === 'All' ? 'All' : 'Ecmp', limit: host.maxPaths }
      : null,
    subnet: ebgp && self !== null ? sharedSubnet(family, self, addresses.remote, host) : null,
  }
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
  const peer = parsePrefix(`${remote.replace(/%.*/, '')}/${remote.includes(':') ? 128 : 32}`)
  if (peer.family === family && !covers(subnet, peer)) return null
  return { octets: [...parseAddress(cidr.slice(0, cidr.indexOf('/')))], length: subnet.length }
}
