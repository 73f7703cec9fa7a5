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
/** Of one OPEN, by kind. */
type Capabilities = { readonly [K in Kind]?: Capability & { readonly kind: K } }

const neither = { send: false, receive: false }
const nothing: readonly FamilyName[] = []

/** The settings an OPEN is made of. */
export const offerKeys = [
  'asn',
  'localAsn',
  'holdSeconds',
  'families',
  'gracefulRestart',
  'restartSeconds',
  'addPathReceive',
  'addPathSend',
] as const satisfies readonly (keyof PeerConfig)[]

/** They are all that can be read here; of the address, only `isOverIpv6`. */
type Offer = Pick<PeerConfig, (typeof offerKeys)[number] | 'address'>

/**
 * The OPEN this peer is sent.
 * @param restart what this speaker can say of its own restart (RFC 4724 §3)
 */
export function localOpen(config: Offer, routerId: number, restart: OwnRestart = noRestart): Open {
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
function gracefulRestart(config: Offer, restart: OwnRestart): Capability[] {
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

function addPath(config: Offer): Capability[] {
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
function extendedNextHop(config: Offer): Capability[] {
  const possible = isOverIpv6(config) || config.asn === config.localAsn
  if (!config.families.includes('ipv4-unicast') || !possible) return []
  const { afi, safi } = families['ipv4-unicast']
  const { afi: nextHopAfi } = families['ipv6-unicast']
  const entries = [{ family: 'ipv4-unicast', afi, safi, nextHopAfi }] as const
  return [{ kind: 'extendedNextHop', entries }]
}

export function isOverIpv6({ address }: Pick<PeerConfig, 'address'>): boolean {
  return address?.includes(':') === true
}

/**
 * @param local the OPEN that was sent on this connection
 * @throws NotificationError when the peer isn't who it should be, or nothing is left to talk about
 */
export function negotiate(local: Open, remote: Open, config: PeerConfig): Negotiated {
  const ours = lastOfEach(local)
  const theirs = lastOfEach(remote)
  const peerAsn = theirs.as4?.asn ?? remote.asn
  checkAs(peerAsn, config)
  const ebgp = peerAsn !== config.localAsn
  checkIdentifier(local, remote, ebgp, config)
  const common = commonFamilies(config, remote)
  const holdSeconds = Math.min(local.holdSeconds, remote.holdSeconds)
  const both = (kind: Kind) => ours[kind] !== undefined && theirs[kind] !== undefined
  return {
    ebgp,
    localAsn: config.localAsn,
    peerAsn,
    localRouterId: local.routerId,
    peerRouterId: remote.routerId,
    as4: both('as4'),
    families: common,
    addPathReceive: chosen(common, (f) => adds(ours, f).receive && adds(theirs, f).send),
    addPathSend: chosen(common, (f) => adds(ours, f).send && adds(theirs, f).receive),
    extendedMessage: both('extendedMessage'),
    extendedNextHop: ipv4OverIpv6(ours) && ipv4OverIpv6(theirs),
    refresh: theirs.routeRefresh !== undefined,
    enhancedRefresh: both('enhancedRefresh'),
    // RFC 4271 §4.2: the smaller of the two, and zero means neither timer runs.
    holdSeconds: holdSeconds === 0 ? null : holdSeconds,
    keepaliveSeconds: keepaliveSeconds(config, holdSeconds === 0 ? null : holdSeconds),
    // Both must offer it: a peer that is not told keeps nothing, so nothing is kept of it.
    peerRestart: ours.gracefulRestart === undefined ? null : peerRestart(theirs),
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
  const common = chosen(config.families, (family) => offered.includes(family))
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

/** Those that pass; all or none of them, as with most peers, is a list that is there already. */
function chosen(
  all: readonly FamilyName[],
  passes: (family: FamilyName) => boolean,
): readonly FamilyName[] {
  if (all.every(passes)) return all
  return all.some(passes) ? all.filter(passes) : nothing
}

/** Without the capability a speaker means IPv4 unicast (RFC 4760 §8). */
function offeredFamilies(open: Open): readonly FamilyName[] {
  let named = false
  const offered: FamilyName[] = []
  for (const capability of open.capabilities) {
    if (capability.kind !== 'multiprotocol') continue
    named = true
    if (capability.family !== null) offered.push(capability.family)
  }
  return named ? offered : ['ipv4-unicast']
}

function adds({ addPath }: Capabilities, family: FamilyName): { send: boolean; receive: boolean } {
  const entry = addPath?.entries.find((one) => one.family === family)
  return entry ?? neither
}

/** RFC 8950 §4: IPv4 unicast by a next hop of AFI 2. */
function ipv4OverIpv6({ extendedNextHop: said }: Capabilities): boolean {
  if (said === undefined) return false
  return said.entries.some((one) => one.family === 'ipv4-unicast' && one.nextHopAfi === 2)
}

function peerRestart({ gracefulRestart: said }: Capabilities): Negotiated['peerRestart'] {
  if (said === undefined) return null
  const { restarting, notification, seconds } = said
  const families = said.families.flatMap(({ family, forwarding }) =>
    family === null ? [] : [{ family, forwarding }],
  )
  return { restarting, notification, seconds, families }
}

/** The last one counts where a peer repeats a capability (RFC 4724 §3 says so for its own). */
function lastOfEach({ capabilities }: Open): Capabilities {
  const last: { [kind: string]: Capability } = {}
  for (const capability of capabilities) last[capability.kind] = capability
  return last as Capabilities
}
