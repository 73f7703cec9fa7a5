/** Questions to a speaker's tables: pages of paths and the explanation of one prefix. Cold code. */
import { type Engine, type EnginePeer, familyNames } from './engine.ts'
import { GroupViews } from './group-views.ts'
import type { PeerEntry } from './peer-entry.ts'
import type { TraceStep } from './policy/types.ts'
import { covers, type Prefix, parsePrefix } from './prefix.ts'
import type { FamilyRib } from './rib/family-rib.ts'
import { ineligible } from './rib/paths.ts'
import type { UpdateGroup } from './rib/update-group.ts'
import type { Recording } from './session/record-events.ts'
import { type Cursor, emptyPage, type Page, type Stretch, TableReader } from './table-reader.ts'
import type {
  AdvertisementView,
  Clock,
  PathView,
  PeerFamilyView,
  PeerView,
  PrefixExplanation,
  SpeakerCounts,
} from './types.ts'
import { advertisementOf, pathsOf, type Reasons, sentAttributes } from './views.ts'

export class SpeakerViews implements Reasons {
  readonly #engine: Engine
  readonly #peers: ReadonlyMap<string, PeerEntry>
  readonly #tables: TableReader

  constructor(engine: Engine, peers: ReadonlyMap<string, PeerEntry>, clock: Clock) {
    this.#engine = engine
    this.#peers = peers
    this.#tables = new TableReader(engine, clock)
  }

  /** Makes ready for pages of large tables; without it they are right too, but cost a pass each. */
  prepare(): Promise<void> {
    return this.#tables.prepare()
  }

  peers(): PeerView[] {
    const groups = new GroupViews(this.#engine.groups)
    return [...this.#peers.values()].map((entry) => this.#view(entry, groups))
  }

  peer(name: string): PeerView | null {
    const entry = this.#peers.get(name)
    return entry === undefined ? null : this.#view(entry, new GroupViews(this.#engine.groups))
  }

  /** The recent events of a peer's session; null for an unknown peer, or one that isn't recorded. */
  recording(name: string): Recording | null {
    return this.#peers.get(name)?.session.tape.read() ?? null
  }

  counts(): SpeakerCounts {
    let established = 0
    for (const entry of this.#peers.values()) if (entry.member !== null) established++
    const prefixes = { 'ipv4-unicast': 0, 'ipv6-unicast': 0 }
    const paths = { 'ipv4-unicast': 0, 'ipv6-unicast': 0 }
    for (const family of familyNames) {
      prefixes[family] = this.#engine.rib(family).prefixes.size
      paths[family] = this.#engine.rib(family).paths.size
    }
    const attributeSets = this.#engine.attributes.size
    return { peers: this.#peers.size, established, prefixes, paths, attributeSets }
  }

  #view(entry: PeerEntry, groups: GroupViews): PeerView {
    const { session, range } = entry
    return { ...session.view(), dynamic: range !== null, families: this.#families(entry, groups) }
  }

  #families(entry: PeerEntry, groups: GroupViews): PeerFamilyView[] {
    const { member } = entry
    return entry.config.families.map((family) => {
      const rib = this.#engine.rib(family)
      const group = member?.groups.get(family)
      const number = member?.number ?? entry.ghost?.number ?? null
      const of = (counts: Uint32Array): number => (number === null ? 0 : (counts[number] ?? 0))
      return {
        family,
        negotiated: group !== undefined,
        received: of(rib.counts.received),
        accepted: of(rib.counts.accepted),
        best: of(rib.counts.bests),
        advertised: member === null ? 0 : (group?.advertisedTo(member.number) ?? 0),
        endOfRibReceived: entry.endOfRibReceived.has(family),
        endOfRibSent: entry.endOfRibSent.has(family),
        group: group === undefined ? null : groups.of(group),
      }
    })
  }

  explain(prefix: string): PrefixExplanation {
    const parsed = parsePrefix(prefix)
    const rib = this.#engine.rib(parsed.family)
    const row = rib.prefixes.find(parsed.words, 0, parsed.length)
    const known = row !== -1 && rib.head[row] !== 0
    const paths = known ? this.#pathsOf(rib, row) : []
    const runnerUp = paths.find((path) => path.eligible && !path.best)
    return {
      prefix,
      paths,
      best: paths.find((path) => path.best) ?? null,
      decidedBy: runnerUp?.reason?.replace(/^lost by: /, '') ?? null,
      advertisements: [...this.#peers.values()].map((entry) =>
        this.#advertisement(entry, rib, row),
      ),
    }
  }

  #advertisement({ config, member }: PeerEntry, rib: FamilyRib, row: number): AdvertisementView {
    const { name } = config
    const silent = { peer: name, advertised: false, filterSteps: [], attributes: null, paths: [] }
    if (member === null) return { ...silent, reason: 'the session is not Established' }
    const group = member.groups.get(rib.family)
    if (group === undefined) return { ...silent, reason: `${rib.family} is not negotiated` }
    if (row === -1 || rib.head[row] === 0) {
      return { ...silent, reason: 'the prefix is not in the table' }
    }
    const best = rib.best[row] as number
    const filter = member.filters.get(rib.family)
    const steps = best === 0 ? [] : (filter?.trace('export', rib, row, best) ?? [])
    return advertisementOf(member, group, rib, row, steps.map(stepText))
  }

  /** The best or all paths whose prefix matches, in address order. */
  paths(query: {
    readonly prefix: string | null
    readonly match: 'exact' | 'longest' | 'covered'
    readonly view: 'best' | 'all'
    readonly limit: number
    readonly after: string | null
  }): Page {
    const { prefix, match, view } = query
    const within = prefix === null ? null : parsePrefix(prefix)
    if (within !== null && match !== 'covered') return this.#single(within, match, view)
    const families = familyNames.filter((each) => within === null || each === within.family)
    return this.#tables.page(families, query.limit, query.after, {
      wanted: (rib, row) => rib.head[row] !== 0 && (within === null || inside(within, rib, row)),
      view: (rib, row) => this.#shown(rib, row, view),
    })
  }

  /**
   * A piece of the whole table in no particular order, which costs neither a sort nor a pass: a
   * prefix that is there all along is met exactly once, for its row never moves.
   */
  stretch(view: 'best' | 'all', from: Cursor): Stretch {
    return this.#tables.stretch(from, {
      wanted: (rib, row) => rib.head[row] !== 0,
      view: (rib, row) => this.#shown(rib, row, view),
    })
  }

  #shown(rib: FamilyRib, row: number, view: 'best' | 'all'): PathView[] {
    const paths = this.#pathsOf(rib, row)
    return view === 'all' ? paths : paths.filter((path) => path.best || path.multipath)
  }

  /** Paths received from a peer or announced to it; without a session, what is kept of it. */
  peerPaths(
    name: string,
    view: 'received' | 'accepted' | 'advertised',
    limit: number,
    after: string | null,
  ): Page {
    const entry = this.#peers.get(name)
    const kept = entry?.member ?? entry?.ghost ?? null
    if (kept === null) return emptyPage
    const { number } = kept
    const families = 'groups' in kept ? [...kept.groups.keys()] : kept.families
    if (view === 'advertised') {
      return 'groups' in kept ? this.#advertised(kept, limit, after) : emptyPage
    }
    const wanted = (rib: FamilyRib, row: number): boolean => {
      const { paths } = rib
      for (let path = rib.head[row] as number; path !== 0; path = paths.next[path] as number) {
        if (paths.peer[path] !== number) continue
        if (view === 'received' || paths.reason[path] === ineligible.none) return true
      }
      return false
    }
    return this.#tables.page(families, limit, after, {
      wanted,
      view: (rib, row) =>
        this.#pathsOf(rib, row).filter((path) => path.peer === rib.peers.names[number]),
    })
  }

  #advertised(member: EnginePeer, limit: number, after: string | null): Page {
    const { number, groups, selves } = member
    const tells = (rib: FamilyRib, row: number): number[] => {
      const out = groups.get(rib.family)?.out
      const entries: number[] = []
      for (let entry = out?.first(row) ?? 0; entry !== 0; entry = out?.next(entry) ?? 0) {
        if (out?.sourceOf(entry) !== number) entries.push(entry)
      }
      return entries
    }
    const wanted = (rib: FamilyRib, row: number): boolean => tells(rib, row).length > 0
    const view = (rib: FamilyRib, row: number): PathView[] => {
      const group = groups.get(rib.family) as UpdateGroup
      const { out } = group
      const self = selves.get(rib.family) as Uint8Array
      const paths = this.#pathsOf(rib, row)
      return tells(rib, row).flatMap((entry) => {
        const source = out.sourceOf(entry)
        const attributes = sentAttributes(group, self, rib, out.setOf(entry), source)
        const path = paths.find((each) => each.peer === rib.peers.names[source]) ?? paths[0]
        if (path === undefined) return []
        const pathId = Math.max(0, out.pathIdOf(entry))
        return [{ ...path, pathId, nextHops: [attributes.nextHop as string], attributes }]
      })
    }
    return this.#tables.page([...groups.keys()], limit, after, { wanted, view })
  }

  #single(within: Prefix, match: 'exact' | 'longest', view: 'best' | 'all'): Page {
    const rib = this.#engine.rib(within.family)
    const row =
      match === 'exact'
        ? rib.prefixes.find(within.words, 0, within.length)
        : rib.prefixes.longest(within.words, 0, within.length, (each) => rib.head[each] !== 0)
    if (row === -1 || rib.head[row] === 0) return emptyPage
    return { items: this.#shown(rib, row, view), continue: null, left: 0 }
  }

  #pathsOf(rib: FamilyRib, row: number): PathView[] {
    return pathsOf(rib, row, this)
  }

  /** Part of `Reasons`: the import rule that refuses a prefix. */
  refusedBy(rib: FamilyRib, prefix: number): string | null {
    const { addresses, lengths, words } = rib.prefixes
    const length = lengths[prefix] as number
    return this.#engine.intake.refusedBy(rib.family, addresses, prefix * words, length)
  }

  /** Part of `Reasons`: what the filters of its peer said of a path. */
  importSteps(rib: FamilyRib, prefix: number, path: number): readonly string[] {
    const number = rib.paths.peer[path] as number
    const filter = this.#engine.memberOf(number)?.filters.get(rib.family)
    return (filter?.trace('import', rib, prefix, path) ?? []).map(stepText)
  }
}

function stepText({ filter, place, text }: TraceStep): string {
  return `BGPFilter ${filter} ${place}: ${text}`
}

function inside(outer: Prefix, rib: FamilyRib, row: number): boolean {
  const { addresses, lengths, words } = rib.prefixes
  const at = row * words
  const length = lengths[row] as number
  return covers(outer, { family: rib.family, words: addresses.slice(at, at + words), length })
}
