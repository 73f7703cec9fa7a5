/**
 * What goes to whom: which best paths an update group may be told (RFC 4271 §9.2, RFC 4456 §8,
 * RFC 1997), and with which attributes and next hop (RFC 4271 §5.1, RFC 2545 §2, RFC 4456 §8,
 * RFC 8950 for IPv4 over an IPv6 next hop).
 *
 * Everything that is read here of a peer is in its `ExportProfile`, and the profile as a whole is
 * the key of the update group, so peers of a group cannot differ in anything the encoder looks at.
 * The one exception is what can be patched: the octets of "next hop self" (blocks.ts).
 */
import type { FamilyName } from '../types.ts'
import type { Writer } from '../wire/bytes.ts'
import { type AttributeEdit, rewriteAttributes } from '../wire/rewrite.ts'
import { attributeMark, setMeaning } from './attribute-store.ts'
import type { FamilyRib } from './family-rib.ts'
import { localPeer } from './peers.ts'

export interface ExportProfile {
  readonly family: FamilyName
  readonly ebgp: boolean
  readonly client: boolean
  /** Cluster id of this reflector towards the peer; null: reflects nothing. */
  readonly clusterId: number | null
  readonly export: 'Auto' | 'Own' | 'All'
  readonly localAsn: number
  readonly peerAsn: number
  readonly asOverride: boolean
  readonly as4: boolean
  readonly messageLengthMax: number
  readonly nextHopMode: 'Auto' | 'Self' | 'Keep'
  /** Length of "next hop self" in this family; 0 when this node has no such address. */
  readonly selfOctets: 0 | 4 | 16 | 32
  /** RFC 8950: IPv4 prefixes may have an IPv6 next hop. */
  readonly extendedNextHop: boolean
  /** The subnet shared with the peer, for third-party next hops (RFC 4271 §5.1.3). */
  readonly subnet: { readonly octets: readonly number[]; readonly length: number } | null
  /** RFC 7911: which paths are sent; null: the best alone, without path ids. */
  readonly addPath: {
    readonly mode: 'Best' | 'Multipath' | 'All'
    /** Paths at most, in the order of the decision process; null: as many as the mode gives. */
    readonly limit: number | null
  } | null
}

/** An export policy as the groups see it. */
export interface ExportPolicy {
  /** Equal keys mean equal behaviour. */
  readonly key: string
  /**
   * The attribute set to announce (edited or not), or 0 for none.
   * @param allowed what the rules without a policy say
   */
  apply(rib: FamilyRib, prefix: number, path: number, allowed: boolean): number
}

/** No rule of the policy matched. */
export const undecided = -1

/** Verdicts of `judge`; 0 sends. The order is that of `verdictText`. */
export const verdict = {
  send: 0,
  noBest: 1,
  ownOnly: 2,
  ebgpToEbgp: 3,
  ibgpToEbgp: 4,
  notReflector: 5,
  nonClient: 6,
  noAdvertise: 7,
  noExport: 8,
  noSelf: 9,
  ipv6NextHop: 10,
} as const

export const verdictText: readonly string[] = [
  'announced',
  'there is no usable path',
  'export: Own sends only what this node announces itself',
  'learned by eBGP: never sent to another eBGP peer, or this node would become transit (export: All lifts this)',
  'learned by iBGP: sent to eBGP only by a reflector (export: All lifts this)',
  'learned by iBGP: only a route reflector passes it on to iBGP',
  'learned from a non-client: reflected to clients only (RFC 4456)',
  'carries NO_ADVERTISE',
  'carries NO_EXPORT or NO_EXPORT_SUBCONFED',
  'this node has no address of that family to be the next hop',
  'its next hop is an IPv6 address, which this peer does not take for IPv4 (RFC 8950)',
]

export function groupKey(profile: ExportProfile, policy: ExportPolicy | null): string {
  return `${JSON.stringify(profile)} ${policy?.key ?? ''}`
}

/** The attribute set this group announces for a path, or 0. A set edited by policy may be fresh. */
export function exportedSet(
  profile: ExportProfile,
  policy: ExportPolicy | null,
  rib: FamilyRib,
  prefix: number,
  path: number,
): number {
  const outcome = judgeRoles(profile, rib, path)
  const allowed = outcome === verdict.send
  let set = 0
  if (policy !== null && liftable(outcome)) set = policy.apply(rib, prefix, path, allowed)
  else if (allowed) set = rib.paths.attributes[path] as number
  if (set === 0) return 0
  const local = rib.paths.peer[path] === localPeer
  if (judgeNextHop(profile, rib, set, local) === verdict.send) return set
  rib.attributes.discard(set)
  return 0
}

/** Whether a policy has a say: an Accept lifts our own defaults, never the rules of an RFC. */
function liftable(outcome: number): boolean {
  return (
    outcome === verdict.send ||
    outcome === verdict.ownOnly ||
    outcome === verdict.ebgpToEbgp ||
    outcome === verdict.ibgpToEbgp
  )
}

/** Whether the path may be told to peers of this profile, as far as no policy has a say. */
export function judge(profile: ExportProfile, rib: FamilyRib, path: number): number {
  const outcome = judgeRoles(profile, rib, path)
  if (outcome !== verdict.send) return outcome
  const local = rib.paths.peer[path] === localPeer
  return judgeNextHop(profile, rib, rib.paths.attributes[path] as number, local)
}

function judgeRoles(profile: ExportProfile, rib: FamilyRib, path: number): number {
  if (path === 0) return verdict.noBest
  const { paths, attributes, peers } = rib
  const set = paths.attributes[path] as number
  const marks = attributes.marks[set] as number
  if (marks & attributeMark.noAdvertise) return verdict.noAdvertise
  if (profile.ebgp && marks & (attributeMark.noExport | attributeMark.noExportSubconfed)) {
    return verdict.noExport
  }
  const peer = paths.peer[path] as number
  if (peer === localPeer) return verdict.send
  if (profile.export === 'Own') return verdict.ownOnly
  const learnedByEbgp = peers.ebgp[peer] === 1
  if (profile.ebgp) {
    if (profile.export === 'All') return verdict.send
    if (learnedByEbgp) return verdict.ebgpToEbgp
    return profile.clusterId === null ? verdict.ibgpToEbgp : verdict.send
  }
  if (learnedByEbgp) return verdict.send
  if (profile.clusterId === null) return verdict.notReflector
  return peers.client[peer] === 1 || profile.client ? verdict.send : verdict.nonClient
}

/** Whether there is a next hop to send, and one that the peer can take for this family. */
function judgeNextHop(profile: ExportProfile, rib: FamilyRib, set: number, local: boolean): number {
  const octets = sendsSelf(profile, rib, set, local)
    ? profile.selfOctets
    : rib.nextHops.octets(rib.attributes.nextHop[set] as number)
  if (octets === 0) return verdict.noSelf
  if (profile.family !== 'ipv4-unicast' || octets === 4) return verdict.send
  return profile.extendedNextHop ? verdict.send : verdict.ipv6NextHop
}

/**
 * Writes the next hop for the set into `into`; returns the number of octets.
 * @param self octets of "next hop self" towards the peer
 */
export function exportNextHop(
  profile: ExportProfile,
  self: Uint8Array,
  rib: FamilyRib,
  set: number,
  local: boolean,
  into: Uint8Array,
): number {
  if (!sendsSelf(profile, rib, set, local)) {
    return rib.nextHops.copy(rib.attributes.nextHop[set] as number, into)
  }
  into.set(self)
  return self.length
}

/** The edit of the set at hand; one object for all of them. */
const edit: { -readonly [Field in keyof AttributeEdit]: AttributeEdit[Field] } = {
  prependAsn: 0,
  prependCount: 0,
  localPref: null,
  keepMed: false,
  originatorId: null,
  prependClusterId: null,
  replaceAsn: null,
  as4: true,
  nextHop: null,
  stripReflection: false,
}

/** Writes the path attributes as this profile sends them (without MP_REACH_NLRI). */
export function exportAttributes(
  profile: ExportProfile,
  rib: FamilyRib,
  set: number,
  source: number,
  nextHop: Uint8Array | null,
  out: Writer,
): void {
  const { attributes, peers } = rib
  const learnedByIbgp = source !== localPeer && peers.ebgp[source] === 0
  const reflected = !profile.ebgp && learnedByIbgp
  const hasLocalPref = ((attributes.marks[set] as number) & attributeMark.hasLocalPref) !== 0
  const localPref = hasLocalPref
    ? (attributes.localPref[set] as number)
    : rib.defaultLocalPreference
  const meansMed = ((attributes.meaning[set] as number) & setMeaning.keepMed) !== 0
  edit.prependAsn = profile.ebgp ? profile.localAsn : 0
  edit.prependCount = profile.ebgp ? 1 : 0
  edit.localPref = profile.ebgp ? null : localPref
  edit.keepMed = !profile.ebgp || source === localPeer || meansMed
  edit.originatorId = reflected ? (peers.routerId[source] as number) : null
  edit.prependClusterId = reflected ? profile.clusterId : null
  edit.replaceAsn =
    profile.asOverride && profile.ebgp ? { from: profile.peerAsn, to: profile.localAsn } : null
  edit.as4 = profile.as4
  edit.nextHop = nextHop
  edit.stripReflection = profile.ebgp
  const start = attributes.offset[set] as number
  rewriteAttributes(attributes.heap, start, start + (attributes.length[set] as number), edit, out)
}

/** Whether the next hop sent is this node; the policy has the last word. */
export function sendsSelf(
  profile: ExportProfile,
  rib: FamilyRib,
  set: number,
  local: boolean,
): boolean {
  const meaning = rib.attributes.meaning[set] as number
  if (meaning & setMeaning.nextHopSelf) return true
  if (meaning & setMeaning.nextHopKept) return false
  if (local || profile.nextHopMode === 'Self') return true
  if (profile.nextHopMode === 'Keep' || !profile.ebgp) return false
  return !onSubnet(profile, rib, rib.attributes.nextHop[set] as number)
}

const scratch = new Uint8Array(32)

/** Whether the next hop lies on the subnet shared with the peer. */
function onSubnet(profile: ExportProfile, rib: FamilyRib, nextHop: number): boolean {
  const { subnet } = profile
  if (subnet === null) return false
  const octets = rib.nextHops.copy(nextHop, scratch)
  if (octets !== subnet.octets.length) return false
  for (let bit = 0; bit < subnet.length; bit += 8) {
    const mask = (0xff << Math.max(0, 8 - (subnet.length - bit))) & 0xff
    const octet = bit >> 3
    if (((scratch[octet] as number) ^ (subnet.octets[octet] as number)) & mask) return false
  }
  return true
}
