/**
 * A peering → the session the speaker is told to have: its name, every parameter, and the reason to
 * keep it down when something it asks for can't be had. A peer that names a feature which isn't
 * enforced yet stays down: routes that a filter was meant to stop do harm.
 */
import type { FilterConfig, FilterRule } from '../../bgp/policy/types.ts'
import type { FamilyName, PeerConfig } from '../../bgp/types.ts'
import { bad, good, type IpVersion, type Read } from '../config/address.ts'
import { plain } from '../config/kinds.ts'
import { compareText } from '../config/problem.ts'
import type { BgpPeerResource } from '../config/resources.ts'
import { BgpPeerSpec } from '../config/schema/bgp-peer.ts'
import { fillDefaults } from '../config/validate.ts'
import { chooseFilters } from './filters.ts'
import { addressOf, routerIdOf } from './node.ts'
import type { Peering, Vantage } from './peering.ts'
import { fail, joinWords, warn } from './problem.ts'
import { findPassword } from './secret.ts'
import type { Settings } from './settings.ts'
import type { Problem } from './types.ts'

export interface Session {
  readonly config: PeerConfig
  readonly peering: Peering
  /** BGPFilters named, in order. */
  readonly filters: readonly string[]
}

export interface Sessions {
  /** Sorted by name. */
  readonly sessions: readonly Session[]
  /** The cluster id this node reflects with, or null. */
  readonly clusterId: string | null
  readonly problems: readonly Problem[]
}

/** What made a peer that no BGPPeer asks for; shown, and counted by. */
export const meshOrigin = 'mesh'

/** Fields that are read and not enforced yet; the words complete "… is not enforced yet". */
export const notEnforced: readonly (readonly [keyof BgpPeerSpec, string])[] = [
  ['interface', 'interface'],
  ['role', 'role'],
]

/** What Linux gives a packet that nobody set the TTL of. */
const multihopTtl = 64

/** Seconds for End-of-RIB after a peer is back (RFC 4724 §4.2 asks for a bound, not for a value). */
const staleSecondsDefault = 360

const rejectAll: readonly FilterRule[] = [
  {
    action: 'Reject',
    cidr: null,
    matchOperator: null,
    prefixLength: null,
    source: null,
    interface: null,
    peerType: null,
    community: null,
    asPathPrefix: null,
    priority: null,
    operations: [],
  },
]

/** RFC 8212: without a policy, nothing goes in or out over eBGP. */
const denyAll: FilterConfig = {
  name: 'ebgpRequiresPolicy',
  importV4: rejectAll,
  exportV4: rejectAll,
  importV6: rejectAll,
  exportV6: rejectAll,
}

const meshSpec = fillDefaults(plain(BgpPeerSpec), {}) as BgpPeerSpec

export function makeSessions(vantage: Vantage, peerings: readonly Peering[]): Sessions {
  const problems = new Map<string, Problem>()
  // The same trouble of one BGPPeer shows at each of its sessions; it is said once.
  const report = (problem: Problem) => problems.set(JSON.stringify(problem), problem)
  const clusterId = settleClusterId(vantage, peerings, report)
  const names = namePeerings(peerings)
  const sessions = peerings.map((peering, index): Session => {
    const spec = peering.source?.body.spec ?? meshSpec
    const config = configurePeer(vantage, peering, names[index] ?? '', clusterId, report)
    return { config, peering, filters: spec.filters }
  })
  sessions.sort((a, b) => compareText(a.config.name, b.config.name))
  return { sessions, clusterId, problems: [...problems.values()] }
}

type Report = (problem: Problem) => void

/** RFC 4456 §7: the cluster id defaults to the router id where clients are asked for. */
function settleClusterId(
  vantage: Vantage,
  peerings: readonly Peering[],
  report: Report,
): string | null {
  const { own } = vantage
  const asking = peerings.find(
    ({ source, scope }) => scope !== 'reverse' && source?.body.spec.routeReflectorClient === true,
  )
  if (own.clusterId !== null || asking === undefined) return own.clusterId
  const routerId = routerIdOf(own)
  const subject = `BGPPeer/${asking.source?.name}`
  const message = `node ${own.name} has no cluster id; it reflects with its router id ${routerId}`
  const remedy = 'set the annotation routelet.io/RouteReflectorClusterID on the Node'
  report({ reason: 'ClusterIdFromRouterId', severity: 'info', subject, message, remedy })
  return routerId
}

/** The BGPPeer's name if it gives one session, else `BGPPEER.NODE-OR-ADDRESS.v4|v6`. */
function namePeerings(peerings: readonly Peering[]): readonly string[] {
  const counts = new Map<BgpPeerResource, number>()
  for (const { source } of peerings) {
    if (source !== null) counts.set(source, (counts.get(source) ?? 0) + 1)
  }
  const taken = new Set<string>()
  return peerings.map(({ source, remote, workload, address, range, family, port }) => {
    const far = remote?.name ?? address ?? range
    // Workloads come and go: a second one must not rename the first.
    const single = source !== null && counts.get(source) === 1 && !workload
    const wanted = single ? source.name : `${source?.name ?? 'mesh'}.${far}.v${family}`
    // Only a BGPPeer called like a session of another could collide; the port tells them apart.
    const name = taken.has(wanted) ? `${wanted}.${port}` : wanted
    taken.add(name)
    return name
  })
}

function configurePeer(
  vantage: Vantage,
  peering: Peering,
  name: string,
  clusterId: string | null,
  report: Report,
): PeerConfig {
  const { spec: settings } = vantage.settings
  const { source, scope, family, asn, localAsn } = peering
  const spec = source?.body.spec ?? meshSpec
  const reversed = scope === 'reverse'
  const reference = source === null ? settings.nodeMeshPassword : spec.password
  const password = reference === undefined ? null : readPassword(vantage, peering, name, report)
  const restart = source === null ? settings.nodeMeshMaxRestartTime : spec.maxRestartTime
  const ownFamily: FamilyName = family === 4 ? 'ipv4-unicast' : 'ipv6-unicast'
  const keepsNextHop = spec.keepOriginalNextHop && asn !== localAsn
  const policy = chooseFiltersOf(vantage, peering, name, spec, report)
  const reasons = [
    ...(password === null || password.ok ? [] : [password.error]),
    ...findUnenforced(peering, spec, report),
    ...(policy.ok ? [] : [policy.error]),
  ]
  return {
    name,
    origin: describeOrigin(peering),
    description: spec.description,
    address: peering.address,
    range: peering.range,
    rangeLimit: spec.peerRangeLimit,
    port: peering.port,
    asn,
    localAsn,
    localAddress: chooseSource(vantage, peering, spec, report),
    // What the author said of the one end isn't true of the other.
    passive: (reversed ? undefined : spec.passive) ?? peering.passive,
    password: password?.ok === true ? password.value : null,
    holdSeconds: spec.holdTime,
    keepaliveSeconds: spec.keepaliveTime ?? null,
    connectRetrySeconds: spec.connectRetryTime,
    families: [...new Set(spec.families ?? [ownFamily])].sort(),
    routeReflectorClient:
      (reversed ? undefined : spec.routeReflectorClient) ?? isClient(vantage, peering),
    clusterId,
    nextHopMode: spec.nextHopMode ?? (keepsNextHop ? 'Keep' : 'Auto'),
    export: spec.export,
    allowedLocalAsns: spec.numAllowedLocalASNumbers,
    asOverride: spec.asOverride,
    enforceFirstAs: spec.enforceFirstAS,
    ttlSecurity: spec.ttlSecurity ?? null,
    ebgpMultihop: spec.ebgpMultihop ?? hopsThrough(peering, spec),
    ...sessionOptions(peering, spec),
    restartSeconds: restart ?? meshSpec.maxRestartTime,
    filters: policy.ok ? policy.value : [],
    shutdown: spec.shutdown,
    shutdownMessage: spec.shutdownMessage ?? null,
    heldDown: reasons.length === 0 ? null : reasons.join('; '),
  }
}

/** Behind a gateway is more than one hop away; for BFD too (RFC 5883). */
function hopsThrough({ scope }: Peering, spec: BgpPeerSpec): number | null {
  const behind = spec.reachableBy !== undefined && scope !== 'reverse'
  return behind && spec.ttlSecurity === undefined ? multihopTtl : null
}

function bfdOf({ bfd }: BgpPeerSpec): PeerConfig['bfd'] {
  if (bfd === undefined) return null
  return {
    transmitMs: bfd.transmitInterval,
    receiveMs: bfd.receiveInterval,
    multiplier: bfd.multiplier,
  }
}

type SessionOptions = Pick<
  PeerConfig,
  | 'gracefulRestart'
  | 'staleSeconds'
  | 'addPathReceive'
  | 'addPathSend'
  | 'addPathLimit'
  | 'maxPrefixes'
  | 'bfd'
>

/** What routelet's own fields ask for beside Calico's. */
function sessionOptions({ remote }: Peering, spec: BgpPeerSpec): SessionOptions {
  return {
    gracefulRestart: spec.gracefulRestart?.mode ?? 'Enabled',
    staleSeconds: spec.gracefulRestart?.staleTime ?? staleSecondsDefault,
    addPathReceive: spec.addPaths?.receive ?? true,
    ...sentPathsOf(spec, remote !== null),
    maxPrefixes: maxPrefixesOf(spec),
    bfd: bfdOf(spec),
  }
}

/** Between our own speakers a reflector must not hide equal paths from its clients. */
function sentPathsOf(
  { addPaths }: BgpPeerSpec,
  ours: boolean,
): Pick<PeerConfig, 'addPathSend' | 'addPathLimit'> {
  const send = addPaths?.send ?? (ours ? 'Multipath' : 'None')
  const limit = addPaths?.sendLimit ?? null
  // The best alone needs no path ids, so none are negotiated for it.
  const single = send === 'None' || (send === 'Best' && (limit ?? 1) === 1)
  return single
    ? { addPathSend: 'None', addPathLimit: null }
    : { addPathSend: send, addPathLimit: limit }
}

function maxPrefixesOf({ maxPrefixes }: BgpPeerSpec): PeerConfig['maxPrefixes'] {
  if (maxPrefixes === undefined) return null
  const { limit, warning, restartAfter } = maxPrefixes
  return { limit, warningPercent: warning ?? null, restartSeconds: restartAfter ?? null }
}

function describeOrigin({ source, scope }: Peering): string {
  if (source === null) return meshOrigin
  return scope === 'reverse' ? `reverse of BGPPeer ${source.name}` : `BGPPeer ${source.name}`
}

/** Calico's rule: same AS, a cluster id here, and another one or none there. */
function isClient({ own }: Vantage, { asn, localAsn, remote }: Peering): boolean {
  return asn === localAsn && own.clusterId !== null && remote?.clusterId !== own.clusterId
}

function chooseSource(
  vantage: Vantage,
  { family, range, workload }: Peering,
  spec: BgpPeerSpec,
  report: Report,
): string | null {
  // A range never dials, so no source address is needed for it.
  if (spec.sourceAddress === 'None' || range !== null) return null
  const shared = workload ? workloadAddress(vantage.settings, family) : null
  const own = shared ?? addressOf(vantage.own, family)
  if (own === null) {
    const message = `it has no IPv${family} address; the kernel chooses the source of sessions`
    const remedy = `set the annotation routelet.io/IPv${family}Address`
    report(warn('NoNodeAddress', `Node/${vantage.own.name}`, message, remedy))
  }
  return own
}

/** The address of every node that workloads are told to peer with. */
function workloadAddress({ spec }: Settings, family: IpVersion): string | null {
  const { localWorkloadPeeringIPV4, localWorkloadPeeringIPV6 } = spec
  return (family === 4 ? localWorkloadPeeringIPV4 : localWorkloadPeeringIPV6) ?? null
}

/** The key, or why there is none. A running session keeps the key it has. */
function readPassword(
  vantage: Vantage,
  { source, address, range }: Peering,
  name: string,
  report: Report,
): Read<string> {
  const reference =
    source === null ? vantage.settings.spec.nodeMeshPassword : source.body.spec.password
  if (reference === undefined) throw new TypeError('a password is read only where one is named')
  const read = findPassword(vantage.resources.secrets, reference.secretKeyRef)
  if (read.ok) return read
  const subject = source === null ? 'BGPConfiguration/default' : `BGPPeer/${source.name}`
  const last = vantage.before?.peers.find((peer) => peer.name === name)
  if (last?.password != null && last.address === address && last.range === range) {
    report(warn('LastKeyKept', subject, `${read.error}: the last key stays in force`, 'add it'))
    return good(last.password)
  }
  const remedy = 'add it; the session comes up by itself'
  report(fail('MissingSecret', subject, `${read.error}: the session stays down`, remedy))
  return read
}

/**
 * The filters the peer names. One that doesn't exist keeps a new session down; a running one goes on
 * with the filters it has.
 */
function chooseFiltersOf(
  vantage: Vantage,
  { source, address, range, asn, localAsn }: Peering,
  name: string,
  spec: BgpPeerSpec,
  report: Report,
): Read<readonly FilterConfig[]> {
  const subject = source === null ? 'mesh' : `BGPPeer/${source.name}`
  if (spec.filters.length === 0) {
    if (!vantage.settings.spec.ebgpRequiresPolicy || asn === localAsn) return good([])
    const message = 'ebgpRequiresPolicy is set and the peer names no filters: nothing is exchanged'
    report(warn('PolicyRequired', subject, message, 'name filters, or unset ebgpRequiresPolicy'))
    return good([denyAll])
  }
  const chosen = chooseFilters(vantage.filters, spec.filters, subject)
  if (chosen.unknown.length === 0) {
    for (const problem of chosen.problems) report(problem)
    return good(chosen.filters)
  }
  const words = `filters: ${joinWords(chosen.unknown)} does not exist`
  const last = vantage.before?.peers.find((peer) => peer.name === name)
  if (last?.heldDown === null && last.address === address && last.range === range) {
    const message = `${words}: the last filters stay in force`
    report(warn('LastFiltersKept', subject, message, 'create it, or correct the name'))
    return good(last.filters)
  }
  for (const problem of chosen.problems) report(problem)
  return bad(`${words}: the session stays down`)
}

/** Reasons to keep a session down because of what isn't enforced. */
function findUnenforced({ source }: Peering, spec: BgpPeerSpec, report: Report): string[] {
  const reasons: string[] = []
  const fields = notEnforced.filter(([field]) => spec[field] !== undefined)
  const subject = source === null ? 'mesh' : `BGPPeer/${source.name}`
  if (fields.length > 0) {
    const words = joinWords(fields.map(([, word]) => word))
    const reason = `${words} ${fields.length > 1 ? 'are' : 'is'} not enforced yet`
    const remedy = `remove ${joinWords(fields.map(([field]) => field))} to bring the session up`
    report(warn('NotEnforced', subject, `${reason}: the session stays down`, remedy))
    reasons.push(reason)
  }
  return reasons
}
