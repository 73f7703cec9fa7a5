/**
 * What we offer in an OPEN, and what two OPENs agree on. `negotiate` runs once for a connection;
 * everything below the session reads its result and never asks about capabilities again.
 *
 * RFC 4271 §4.2 and §6.2, RFC 4760 §8, RFC 5492, RFC 6286 (identifiers), RFC 6793 (four-octet AS),
 * RFC 7607 (AS 0), RFC 2918, RFC 7313, RFC 8654, RFC 4724 §3. Only what this speaker does is offered.
 */

import { formatIpv4 } from '../prefix.ts'
import type { FamilyName, PeerConfig } from '../types.ts'
import { Writer } from '../wire/bytes.ts'
import { type Capability, encodeCapability, multiprotocol } from '../wire/capability.ts'
import type { Negotiated } from '../wire/context.ts'
import { families } from '../wire/family.ts'
import { NotificationError } from '../wire/notification.ts'
import type { Open } from '../wire/open.ts'
import { noRestart, type OwnRestart } from './restart.ts'

/** Stands in the two-octet field for an AS that needs four (RFC 6793 §9). */
export const asTrans = 23456

/** The restart time is a field of twelve bits (RFC 4724 §3). */
const restartSecondsMax = 0x0fff

type Kind = Capability['kind']
type CapabilityOf<K extends Kind> = Capability & { readonly kind: K }

/**
 * The OPEN this peer is sent.
 * @param restart what this speaker can say of its own restart (RFC 4724 §3)
 */
export function localOpen(
  config: PeerConfig,
  routerId: number,
  restart: OwnRestart = noRestart,
): Open {
  return {
    version: 4,
    asn: config.localAsn > 0xffff ? asTrans : config.localAsn,
    holdSeconds: config.holdSeconds,
    routerId,
    capabilities: [
      ...config.families.map(multiprotocol),
      { kind: 'routeRefresh' },
      { kind: 'enhancedRefresh' },
      { kind: 'as4', asn: config.localAsn },
      ...gracefulRestart(config, restart),
      ...addPath(config),
      ...extendedNextHop(config),
      { kind: 'extendedMessage' },
    ],
  }
}

/** Without families it only says "I send End-of-RIB, and keep what you said" (RFC 4724 §3). */
function gracefulRestart(config: PeerConfig, restart: OwnRestart): Capability[] {
  if (config.gracefulRestart === 'Disabled') return []
  const enabled = config.gracefulRestart === 'Enabled'
  return [
    {
      kind: 'gracefulRestart',
      restarting: enabled && restart.restarting,
      notification: true,
      seconds: enabled ? Math.min(config.restartSeconds, restartSecondsMax) : 0,
      families: (enabled ? config.families : []).map((family) => ({
        family,
        afi: families[family].afi,
        safi: families[family].safi,
        forwarding: restart.forwarding.includes(family),
      })),
    },
  ]
}

function addPath(config: PeerConfig): Capability[] {
  const send = config.addPathSend !== 'None'
  const receive = config.addPathReceive
  if (!send && !receive) return []
  const entries = config.families.map((family) => {
    const { afi, safi } = families[family]
    return { family, afi, safi, send, receive }
  })
  return [{ kind: 'addPath', entries }]
}

/**
 * RFC 8950 §4: IPv4 by an IPv6 next hop, offered where there may be one: over IPv6, and to iBGP
 * peers, which are told the next hop as it came. Routes go that way only where both offer it.
 */
function extendedNextHop({ families: spoken, address, asn, localAsn }: PeerConfig): Capability[] {
  const possible = address?.includes(':') === true || asn === localAsn
  if (!spoken.includes('ipv4-unicast') || !possible) return []
  const { afi, safi } = families['ipv4-unicast']
  const { afi: nextHopAfi } = families['ipv6-unicast']
  const entries = [{ family: 'ipv4-unicast', afi, safi, nextHopAfi }] as const
  return [{ kind: 'extendedNextHop', entries }]
}

/**
 * @param local the OPEN that was sent on this connection
 * @throws NotificationError when the peer isn't who it should be, or nothing is left to talk about
 */
export function negotiate(local: Open, remote: Open, config: PeerConfig): Negotiated {
  const peerAsn = find(remote, 'as4')?.asn ?? remote.asn
  checkAs(peerAsn, config)
  const ebgp = peerAsn !== config.localAsn
  checkIdentifier(local, remote, ebgp, config)
  const common = commonFamilies(config, remote)
  const holdSeconds = Math.min(local.holdSeconds, remote.holdSeconds)
  return {
    ebgp,
    localAsn: config.localAsn,
    peerAsn,
    localRouterId: local.routerId,
    peerRouterId: remote.routerId,
    as4: both(local, remote, 'as4'),
    families: common,
    addPathReceive: common.filter((f) => adds(local, f).receive && adds(remote, f).send),
    addPathSend: common.filter((f) => adds(local, f).send && adds(remote, f).receive),
    extendedMessage: both(local, remote, 'extendedMessage'),
    extendedNextHop: ipv4OverIpv6(local) && ipv4OverIpv6(remote),
    refresh: find(remote, 'routeRefresh') !== undefined,
    enhancedRefresh: both(local, remote, 'enhancedRefresh'),
    // RFC 4271 §4.2: the smaller of the two, and zero means neither timer runs.
    holdSeconds: holdSeconds === 0 ? null : holdSeconds,
    keepaliveSeconds: keepaliveSeconds(config, holdSeconds === 0 ? null : holdSeconds),
    // Both must offer it: a peer that is not told keeps nothing, so nothing is kept of it.
    peerRestart: find(local, 'gracefulRestart') === undefined ? null : peerRestart(remote),
  }
}

/** RFC 4271 §4.4: at most a third of the hold time; null when there is none. */
export function keepaliveSeconds(config: PeerConfig, holdSeconds: number | null): number | null {
  if (holdSeconds === null) return null
  const third = Math.max(1, Math.floor(holdSeconds / 3))
  return config.keepaliveSeconds === null ? third : Math.min(config.keepaliveSeconds, third)
}

function checkAs(peerAsn: number, config: PeerConfig): void {
  if (peerAsn === config.asn && peerAsn !== 0) return
  const problem =
    peerAsn === 0
      ? 'says AS 0, which nobody may use (RFC 7607)'
      : `says AS ${peerAsn}, configured ${config.asn}`
  throw new NotificationError('open/badPeerAs', `${config.address} ${problem}`)
}

function checkIdentifier(local: Open, remote: Open, ebgp: boolean, config: PeerConfig): void {
  // RFC 6286 §2.2: an identifier has to be unique within an AS only.
  if (ebgp || local.routerId !== remote.routerId) return
  throw new NotificationError(
    'open/badBgpIdentifier',
    `${config.address} has our own router id ${formatIpv4(remote.routerId)}: ` +
      'give one of the two another',
  )
}

function commonFamilies(config: PeerConfig, remote: Open): readonly FamilyName[] {
  const offered = offeredFamilies(remote)
  const common = config.families.filter((family) => offered.includes(family))
  if (common.length > 0) return common
  // RFC 5492 §5: the data names what we would have needed.
  const needed = new Writer(config.families.length * 6)
  for (const family of config.families) encodeCapability(multiprotocol(family), needed)
  throw new NotificationError(
    'open/unsupportedCapability',
    `no address family in common: we want ${config.families.join(', ')}, ` +
      `${config.address} offers ${offered.join(', ') || 'none that we know'}`,
    needed.written(),
  )
}

/** Without the capability a speaker means IPv4 unicast (RFC 4760 §8). */
function offeredFamilies(open: Open): readonly FamilyName[] {
  const named = findAll(open, 'multiprotocol')
  if (named.length === 0) return ['ipv4-unicast']
  return named.flatMap(({ family }) => (family === null ? [] : [family]))
}

function adds(open: Open, family: FamilyName): { send: boolean; receive: boolean } {
  const entry = find(open, 'addPath')?.entries.find((one) => one.family === family)
  return entry ?? { send: false, receive: false }
}

/** RFC 8950 §4: IPv4 unicast by a next hop of AFI 2. */
function ipv4OverIpv6(open: Open): boolean {
  const entries = find(open, 'extendedNextHop')?.entries ?? []
  return entries.some((one) => one.family === 'ipv4-unicast' && one.nextHopAfi === 2)
}

function peerRestart(open: Open): Negotiated['peerRestart'] {
  const said = find(open, 'gracefulRestart')
  if (said === undefined) return null
  const { restarting, notification, seconds } = said
  const families = said.families.flatMap(({ family, forwarding }) =>
    family === null ? [] : [{ family, forwarding }],
  )
  return { restarting, notification, seconds, families }
}

function both(local: Open, remote: Open, kind: Kind): boolean {
  return find(local, kind) !== undefined && find(remote, kind) !== undefined
}

/** The last one counts where a peer repeats a capability (RFC 4724 §3 says so for its own). */
function find<K extends Kind>(open: Open, kind: K): CapabilityOf<K> | undefined {
  return findAll(open, kind).at(-1)
}

function findAll<K extends Kind>(open: Open, kind: K): readonly CapabilityOf<K>[] {
  return open.capabilities.filter((one): one is CapabilityOf<K> => one.kind === kind)
}
