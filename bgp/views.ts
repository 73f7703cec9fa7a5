/**
 * What the RIB looks like to people: paths, pages of prefixes, explanations. Cold code: it makes
 * objects and text on demand and never runs on the way of an UPDATE.
 */
import { formatAddress, formatPrefix, type Prefix } from './prefix.ts'
import { compareRow } from './prefix-order.ts'
import { attributeMark } from './rib/attribute-store.ts'
import { eligible } from './rib/decide.ts'
import { exportAttributes, exportNextHop, judge, verdict, verdictText } from './rib/export.ts'
import type { FamilyRib } from './rib/family-rib.ts'
import { ineligibleText, pathFlag } from './rib/paths.ts'
import { localPeer } from './rib/peers.ts'
import type { UpdateGroup } from './rib/update-group.ts'
import { sentPaths } from './sent-paths.ts'
import type { AdvertisementView, AttributesView, FamilyName, PathView } from './types.ts'
import { viewAttributes } from './wire/attribute.ts'
import { Writer } from './wire/bytes.ts'

/** Any received attribute set, with what we add to it. */
const attributeBytesMax = 68 * 1024

export function prefixText(rib: FamilyRib, prefix: number): string {
  const { addresses, lengths, words } = rib.prefixes
  return formatPrefix(rib.family, addresses, prefix * words, lengths[prefix] as number)
}

/** What only the engine knows of a path's fate. */
export interface Reasons {
  refusedBy(rib: FamilyRib, prefix: number): string | null
  importSteps(rib: FamilyRib, prefix: number, path: number): readonly string[]
}

/** All paths of a prefix: the best first, the others in no particular order. */
export function pathsOf(rib: FamilyRib, prefix: number, reasons: Reasons): PathView[] {
  const head = rib.head[prefix] as number
  const { decision, paths } = rib
  decision.run(head)
  const { best } = decision
  const multipath = new Set(decision.multipath.subarray(0, decision.multipathCount))
  const lost = decision.explain(head)
  const views: PathView[] = []
  for (let path = head; path !== 0; path = paths.next[path] as number) {
    const rule = lost.get(path)
    const view = pathView(rib, path, {
      best: path === best,
      multipath: multipath.has(path) && path !== best,
      lostBy: rule === undefined ? null : `lost by: ${rule.name} (${rule.rfc})`,
      refused: () => reasons.refusedBy(rib, prefix),
      filterSteps: reasons.importSteps(rib, prefix, path),
    })
    if (path === best) views.unshift(view)
    else views.push(view)
  }
  return views
}

export function pathView(
  rib: FamilyRib,
  path: number,
  standing: {
    readonly best: boolean
    readonly multipath: boolean
    readonly lostBy: string | null
    readonly refused: () => string | null
    readonly filterSteps: readonly string[]
  },
): PathView {
  const { paths, attributes, nextHops, peers } = rib
  const set = paths.attributes[path] as number
  const peer = paths.peer[path] as number
  const nextHop = attributes.nextHop[set] as number
  const usable = eligible(
    { paths, attributes, nextHops, peers, localPreference: 0, maxPaths: 0, asPathRelax: false },
    path,
  )
  const reachable = nextHops.reachable(nextHop)
  const texts = nextHops.text(nextHop)
  return {
    prefix: prefixText(rib, paths.prefix[path] as number),
    peer: peers.names[peer] as string,
    peerAddress: peers.addressTexts[peer] ?? null,
    pathId: paths.pathId[path] as number,
    nextHops: texts,
    nextHopReachable: reachable,
    igpMetric: nextHops.metric(nextHop),
    best: standing.best,
    multipath: standing.multipath,
    stale: ((paths.flags[path] as number) & pathFlag.stale) !== 0,
    eligible: usable,
    reason: usable ? standing.lostBy : reasonOf(rib, path, texts[0], standing.refused),
    filterSteps: standing.filterSteps,
    attributes: attributesView(rib, set),
  }
}

function reasonOf(
  rib: FamilyRib,
  path: number,
  nextHop: string | undefined,
  refused: () => string | null,
): string {
  const reason = rib.paths.reason[path] as number
  if (reason === 0) return `next hop ${nextHop ?? ''} is unreachable`
  const detail = refused()
  const text = ineligibleText[reason] as string
  return detail === null ? text : `${text}: ${detail}`
}

/** The attributes as received, LOCAL_PREF filled in where the set carries none. */
function attributesView(rib: FamilyRib, set: number): AttributesView {
  const { attributes } = rib
  const start = attributes.offset[set] as number
  const view = viewAttributes(attributes.heap, start, start + (attributes.length[set] as number))
  if ((attributes.marks[set] as number) & attributeMark.hasLocalPref) return view
  return { ...view, localPref: rib.defaultLocalPreference }
}

/** The attributes of an announced set as this profile's peers see them. */
export function sentAttributes(
  { profile }: UpdateGroup,
  self: Uint8Array,
  rib: FamilyRib,
  set: number,
  source: number,
): AttributesView {
  const writer = new Writer(attributeBytesMax)
  const nextHop = new Uint8Array(32)
  const octets = exportNextHop(profile, self, rib, set, source === localPeer, nextHop)
  // Shown with four-octet AS numbers, whatever the session carries.
  exportAttributes({ ...profile, as4: true }, rib, set, source, null, writer)
  const view = viewAttributes(writer.buffer, 0, writer.position)
  return { ...view, nextHop: formatAddress(nextHop, 0, octets === 4 ? 4 : 16) }
}

/** A member of an update group, as far as its announcements go. */
export interface Told {
  readonly name: string
  readonly number: number
  readonly selves: ReadonlyMap<FamilyName, Uint8Array>
}

/** Whether and why (not) a prefix is announced to a member of this group. */
export function advertisementOf(
  { name, number: member, selves }: Told,
  group: UpdateGroup,
  rib: FamilyRib,
  prefix: number,
  filterSteps: readonly string[],
): AdvertisementView {
  const { out } = group
  const paths = sentPaths(member, group, rib, prefix)
  const silent = { peer: name, advertised: false, filterSteps, attributes: null, paths }
  let own = false
  for (let entry = out.first(prefix); entry !== 0; entry = out.next(entry)) {
    const source = out.sourceOf(entry)
    if (source === member) {
      own = true
      continue
    }
    const reason =
      source === localPeer ? 'own announcement' : `learned from ${rib.peers.names[source]}`
    const self = selves.get(rib.family) as Uint8Array
    const attributes = sentAttributes(group, self, rib, out.setOf(entry), source)
    return { peer: name, advertised: true, reason, filterSteps, attributes, paths }
  }
  if (own) {
    return { ...silent, reason: 'the best path came from this peer: it is never sent back' }
  }
  const outcome = judge(group.profile, rib, rib.best[prefix] as number)
  const filtered = filterSteps.length > 0 ? 'rejected by a filter' : 'about to be announced'
  const reason = outcome === verdict.send ? filtered : (verdictText[outcome] as string)
  return { ...silent, reason }
}

/**
 * Rows of the `count` lowest prefixes (in address order) after `lower` for which `wanted` holds. One
 * pass over the table with a bounded sorted list: for tables that are small, or have no order yet.
 */
export function lowestPrefixes(
  rib: FamilyRib,
  lower: Prefix | null,
  count: number,
  wanted: (prefix: number) => boolean,
): number[] {
  const { prefixes } = rib
  const rows: number[] = []
  for (let row = 0; row < prefixes.limit; row++) {
    if (!prefixes.used(row) || (lower !== null && compareRow(prefixes, row, lower) <= 0)) continue
    if (rows.length === count && prefixes.compare(row, rows[count - 1] as number) >= 0) continue
    if (!wanted(row)) continue
    let at = rows.length
    while (at > 0 && prefixes.compare(row, rows[at - 1] as number) < 0) at--
    rows.splice(at, 0, row)
    if (rows.length > count) rows.pop()
  }
  return rows
}
