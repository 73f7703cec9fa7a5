/**
 * A BGP speaker: peers, policy and announcements in; route changes, events and views out. It joins
 * the sessions (bgp/session) with the routing engine (bgp/engine), which never meet otherwise.
 * Building one opens nothing; `start` does. RFC 4271; RFC 4456; RFC 4724 §2 (End-of-RIB).
 */
import { Engine, type EnginePeer, familyNames } from './engine.ts'
import { covers, parseIpv4, parsePrefix } from './prefix.ts'
import { Listeners } from './session/listeners.ts'
import { PeerSession, type SessionHandler } from './session/peer.ts'
import { SpeakerViews } from './speaker-views.ts'
import type {
  Announcement,
  Clock,
  FamilyName,
  Incoming,
  ListenerKey,
  NextHopTracker,
  PathView,
  PeerConfig,
  PeerFamilyView,
  PeerView,
  PrefixExplanation,
  RouteChanges,
  SpeakerConfig,
  SpeakerCounts,
  SpeakerEvent,
  Transport,
} from './types.ts'
import type { Negotiated } from './wire/context.ts'

export interface SpeakerPorts {
  readonly clock: Clock
  readonly transport: Transport
  /** In [0, 1); jitter of timers. */
  readonly random: () => number
  readonly tracker: NextHopTracker
  readonly onRoutes: (changes: RouteChanges) => void
  readonly onEvent: (event: SpeakerEvent) => void
  /** This node's address to be used as next hop in a family, given the session's local address. */
  readonly selfAddress: (family: FamilyName, localAddress: string) => string | null
  /** The subnet of an own address as CIDR, or null. */
  readonly subnetOf: (localAddress: string) => string | null
}

/** One peer: its session, and, while Established, its place in the engine. */
export interface PeerEntry {
  config: PeerConfig
  readonly session: PeerSession
  /** The range it was accepted for, or null. */
  readonly range: string | null
  member: EnginePeer | null
  readonly endOfRibReceived: Set<FamilyName>
  readonly endOfRibSent: Set<FamilyName>
}

export interface SpeakerPage<T> {
  readonly items: readonly T[]
  readonly continue: string | null
}

export class Speaker implements SessionHandler {
  readonly engine: Engine
  readonly #ports: SpeakerPorts
  readonly #listeners: Listeners
  /** By name; dynamic neighbours included. */
  readonly #peers = new Map<string, PeerEntry>()
  readonly #bySession = new Map<PeerSession, PeerEntry>()
  readonly #byNumber = new Map<number, PeerEntry>()
  #ranges: readonly PeerConfig[] = []
  #wanted: readonly PeerConfig[] = []
  readonly #views: SpeakerViews
  #config: SpeakerConfig
  #started = false

  constructor(config: SpeakerConfig, ports: SpeakerPorts) {
    this.#config = config
    this.#ports = ports
    this.engine = new Engine(config, {
      clock: ports.clock,
      tracker: ports.tracker,
      onRoutes: ports.onRoutes,
      onEndOfRibSent: (number, family) => this.#byNumber.get(number)?.endOfRibSent.add(family),
      selfAddress: ports.selfAddress,
      subnetOf: ports.subnetOf,
    })
    this.#listeners = new Listeners(
      ports.transport,
      (incoming) => this.#accept(incoming),
      (event) => ports.onEvent({ kind: 'listen', peer: null, ...event }),
    )
    this.#views = new SpeakerViews(this.engine)
  }

  /** Listens and starts the sessions. Rejects when a listen address can't be had. */
  async start(): Promise<void> {
    this.#started = true
    await this.#listeners.configure(this.#config.listen, this.#keys())
    for (const { session } of this.#peers.values()) session.start()
  }

  /**
   * Ends every session and stops listening.
   * @param notify whether peers are told (Cease, RFC 4486), or TCP is just closed
   */
  async close(notify: boolean): Promise<void> {
    this.#started = false
    this.#listeners.close()
    const sessions = [...this.#peers.values()].map(({ session }) => session)
    const fault = notify ? 'cease/administrativeShutdown' : null
    await Promise.all(sessions.map((session) => session.stop(fault)))
    this.engine.close()
  }

  /** Takes the speaker's own settings; sessions are reset only when the router id changed. */
  async configure(config: SpeakerConfig): Promise<void> {
    const before = this.#config
    this.#config = config
    this.engine.configure(config)
    if (before.routerId !== config.routerId) {
      for (const { session } of this.#peers.values()) session.reset()
    }
    if (this.#started) await this.#listeners.configure(config.listen, this.#keys())
  }

  announce(announcements: readonly Announcement[]): void {
    this.engine.announce(announcements)
  }

  /** All peers wanted, whole. Only those whose session parameters changed are reset. */
  async setPeers(peers: readonly PeerConfig[]): Promise<void> {
    this.#wanted = peers
    this.#ranges = peers.filter((peer) => peer.range !== null)
    // Keys come first: a session that dials or is dialled must find its key in place.
    if (this.#started) await this.#listeners.configure(this.#config.listen, this.#keys())
    const wanted = new Map(
      peers.filter((peer) => peer.range === null).map((peer) => [peer.name, peer]),
    )
    for (const config of wanted.values()) this.#rename(config, wanted)
    for (const entry of [...this.#peers.values()]) {
      const config = entry.range === null ? wanted.get(entry.config.name) : this.#rangeOf(entry)
      if (config === undefined) await this.#remove(entry)
      else this.#reconfigure(entry, config)
    }
    for (const config of wanted.values()) {
      if (!this.#peers.has(config.name)) this.#add(config, null)
    }
  }

  /** The peers as configured, ranges included. */
  get wantedPeers(): readonly PeerConfig[] {
    return this.#wanted
  }

  // The sessions report here.

  established(session: PeerSession, negotiated: Negotiated): void {
    const entry = this.#bySession.get(session)
    if (entry === undefined) return
    entry.endOfRibReceived.clear()
    entry.endOfRibSent.clear()
    const addresses = {
      remote: entry.config.address as string,
      local: session.localAddress as string,
    }
    entry.member = this.engine.join(entry.config, negotiated, addresses, session)
    this.#byNumber.set(entry.member.number, entry)
  }

  down(session: PeerSession): void {
    const entry = this.#bySession.get(session)
    if (entry === undefined || entry.member === null) return
    this.#byNumber.delete(entry.member.number)
    this.engine.leave(entry.member)
    entry.member = null
    // A dynamic neighbour exists only while its session does.
    if (entry.range !== null) this.#forget(entry)
  }

  update(
    session: PeerSession,
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
  ): void {
    const entry = this.#bySession.get(session)
    if (entry === undefined || entry.member === null) return
    const family = this.engine.intake.apply(entry.member, bytes, view, start, end, (fault) =>
      this.#ports.onEvent({
        kind: 'update.fault',
        peer: entry.config.name,
        level: 'warn',
        text: `malformed UPDATE from ${entry.config.name}: ${fault.text}`,
      }),
    )
    if (family !== null) this.#endOfRib(entry, family)
    this.engine.schedule()
  }

  refresh(session: PeerSession, family: FamilyName, subtype: 0 | 1 | 2): void {
    const member = this.#bySession.get(session)?.member
    // Subtypes 1 and 2 bracket an enhanced refresh (RFC 7313), which we do not offer.
    if (member == null || subtype !== 0) return
    member.groups.get(family)?.refresh(member.number)
    this.engine.schedule()
  }

  drained(session: PeerSession): void {
    const member = this.#bySession.get(session)?.member
    if (member == null) return
    this.engine.feed(member)
  }

  event(event: SpeakerEvent): void {
    this.#ports.onEvent(event)
  }

  // Orders.

  /** Administrative reset (RFC 4486, Cease 4); the session comes back by itself. */
  reset(name: string): boolean {
    const entry = this.#peers.get(name)
    entry?.session.reset()
    return entry !== undefined
  }

  /** Asks the peer for all its routes again (RFC 2918), in every family. */
  requestRefresh(name: string): boolean {
    const entry = this.#peers.get(name)
    if (entry === undefined || entry.member === null) return false
    let asked = false
    for (const family of entry.member.groups.keys()) {
      if (entry.session.requestRefresh(family)) asked = true
    }
    return asked
  }

  /** Administrative shutdown until `enable`; not kept over a restart. */
  shutdown(name: string): boolean {
    const entry = this.#peers.get(name)
    if (entry === undefined) return false
    this.#reconfigure(entry, { ...entry.config, shutdown: true })
    return true
  }

  enable(name: string): boolean {
    const entry = this.#peers.get(name)
    if (entry === undefined) return false
    const configured = this.#wanted.find((peer) => peer.name === name) ?? entry.config
    this.#reconfigure(entry, { ...configured, shutdown: false })
    return true
  }

  // Views.

  peers(): PeerView[] {
    return [...this.#peers.values()].map((entry) => this.#view(entry))
  }

  peer(name: string): PeerView | null {
    const entry = this.#peers.get(name)
    return entry === undefined ? null : this.#view(entry)
  }

  /** Whether End-of-RIB of every negotiated family has come from this peer. */
  synchronised(name: string): boolean {
    const entry = this.#peers.get(name)
    if (entry === undefined || entry.member === null) return false
    return entry.member.negotiated.families.every((each) => entry.endOfRibReceived.has(each))
  }

  explain(prefix: string): PrefixExplanation {
    return this.#views.explain(prefix, [...this.#peers.values()])
  }

  /** The best or all paths whose prefix matches, in address order. */
  paths(query: {
    readonly prefix: string | null
    readonly match: 'exact' | 'longest' | 'covered'
    readonly view: 'best' | 'all'
    readonly limit: number
    readonly after: string | null
  }): SpeakerPage<PathView> {
    return this.#views.paths(query)
  }

  peerPaths(
    name: string,
    view: 'received' | 'accepted' | 'advertised',
    limit: number,
    after: string | null,
  ): SpeakerPage<PathView> {
    const member = this.#peers.get(name)?.member
    if (member == null) return { items: [], continue: null }
    return this.#views.peerPaths(member, view, limit, after)
  }

  counts(): SpeakerCounts {
    let established = 0
    for (const entry of this.#peers.values()) if (entry.member !== null) established++
    const prefixes = { 'ipv4-unicast': 0, 'ipv6-unicast': 0 }
    const paths = { 'ipv4-unicast': 0, 'ipv6-unicast': 0 }
    for (const family of familyNames) {
      prefixes[family] = this.engine.rib(family).prefixes.size
      paths[family] = this.engine.rib(family).paths.size
    }
    const attributeSets = this.engine.attributes.size
    return { peers: this.#peers.size, established, prefixes, paths, attributeSets }
  }

  #endOfRib(entry: PeerEntry, family: FamilyName): void {
    entry.endOfRibReceived.add(family)
    this.#ports.onEvent({
      kind: 'peer.endOfRib',
      peer: entry.config.name,
      level: 'debug',
      text: `${entry.config.name} has sent all its ${family} routes`,
    })
  }

  /** A peer that is there under another name keeps its session: names are for people. */
  #rename(config: PeerConfig, wanted: ReadonlyMap<string, PeerConfig>): void {
    if (this.#peers.has(config.name)) return
    for (const [name, entry] of this.#peers) {
      const { address, port, localAddress } = entry.config
      const same =
        entry.range === null &&
        address === config.address &&
        port === config.port &&
        localAddress === config.localAddress
      if (!same || wanted.has(name)) continue
      this.#peers.delete(name)
      this.#peers.set(config.name, entry)
      if (entry.member !== null) this.engine.peers.names[entry.member.number] = config.name
      return
    }
  }

  #add(config: PeerConfig, range: string | null): PeerEntry {
    const session = new PeerSession(config, {
      clock: this.#ports.clock,
      transport: this.#ports.transport,
      handler: this,
      random: this.#ports.random,
      identity: () => ({ routerId: parseIpv4(this.#config.routerId) }),
    })
    const entry: PeerEntry = {
      config,
      session,
      range,
      member: null,
      endOfRibReceived: new Set(),
      endOfRibSent: new Set(),
    }
    this.#peers.set(config.name, entry)
    this.#bySession.set(session, entry)
    if (this.#started) session.start()
    return entry
  }

  async #remove(entry: PeerEntry): Promise<void> {
    await entry.session.stop('cease/peerDeconfigured')
    this.down(entry.session)
    this.#forget(entry)
  }

  #forget(entry: PeerEntry): void {
    this.#bySession.delete(entry.session)
    if (this.#peers.get(entry.config.name) === entry) this.#peers.delete(entry.config.name)
  }

  #reconfigure(entry: PeerEntry, config: PeerConfig): void {
    const before = entry.config
    entry.config = config
    const outcome = entry.session.reconfigure(config)
    if (outcome === 'reset' || entry.member === null) return
    // What only shapes routes is applied by leaving and joining the engine anew.
    if (outcome === 'applied' && routesDiffer(before, config)) this.#rejoin(entry)
  }

  /** Export and import parameters changed: the routes are exchanged again, the session stays. */
  #rejoin(entry: PeerEntry): void {
    const { session, member } = entry
    if (member === null) return
    this.down(session)
    this.established(session, member.negotiated)
    for (const family of member.groups.keys()) session.requestRefresh(family)
  }

  #accept(incoming: Incoming): void {
    const { remoteAddress } = incoming
    for (const entry of this.#peers.values()) {
      if (entry.config.address === remoteAddress) {
        entry.session.incoming(incoming)
        return
      }
    }
    const range = this.#ranges.find((each) => inRange(each.range as string, remoteAddress))
    if (range === undefined || range.heldDown !== null || range.shutdown) {
      const why = range === undefined ? 'no peer is configured for it' : 'its range is held down'
      this.#refuse(incoming, why)
      return
    }
    const pods = this.#config.refuse.find(
      ({ prefix, match }) => match === 'covered' && inRange(prefix, remoteAddress),
    )
    if (pods !== undefined && !inside(pods.prefix, range.range as string)) {
      this.#refuse(incoming, `it lies in ${pods.prefix} (${pods.reason}), where no router is`)
      return
    }
    const accepted = [...this.#peers.values()].filter(({ range: of }) => of === range.name).length
    if (accepted >= range.rangeLimit) {
      this.#refuse(incoming, `${range.name} already has ${range.rangeLimit} neighbours`)
      return
    }
    const entry = this.#add(dynamicConfig(range, remoteAddress), range.name)
    entry.session.incoming(incoming)
  }

  #refuse(incoming: Incoming, why: string): void {
    incoming.reject()
    this.#ports.onEvent({
      kind: 'peer.error',
      peer: null,
      level: 'warn',
      text: `refused a connection from ${incoming.remoteAddress}: ${why}`,
    })
  }

  #rangeOf(entry: PeerEntry): PeerConfig | undefined {
    const range = this.#ranges.find((each) => each.name === entry.range)
    const address = entry.config.address as string
    if (range === undefined || !inRange(range.range as string, address)) return undefined
    return dynamicConfig(range, address)
  }

  /** MD5 keys of all peers and ranges. */
  #keys(): (ListenerKey & { family: 4 | 6 })[] {
    const keys: (ListenerKey & { family: 4 | 6 })[] = []
    for (const { address, range, password } of this.#wanted) {
      const prefix = address ?? range
      if (password === null || prefix === null) continue
      keys.push({ prefix, password, family: prefix.includes(':') ? 6 : 4 })
    }
    return keys
  }

  #view(entry: PeerEntry): PeerView {
    return {
      ...entry.session.view(),
      dynamic: entry.range !== null,
      families: this.#familyViews(entry),
    }
  }

  #familyViews(entry: PeerEntry): PeerFamilyView[] {
    const { member } = entry
    return entry.config.families.map((family) => {
      const rib = this.engine.rib(family)
      const group = member?.groups.get(family)
      const number = member?.number ?? 0
      const of = (counts: Uint32Array): number => (member === null ? 0 : (counts[number] ?? 0))
      return {
        family,
        negotiated: group !== undefined,
        received: of(rib.received),
        accepted: of(rib.accepted),
        best: of(rib.bests),
        advertised: group?.advertisedTo(number) ?? 0,
        endOfRibReceived: entry.endOfRibReceived.has(family),
        endOfRibSent: entry.endOfRibSent.has(family),
      }
    })
  }
}

export function createSpeaker(config: SpeakerConfig, ports: SpeakerPorts): Speaker {
  return new Speaker(config, ports)
}

/** A dynamic neighbour's own configuration: its range's, with its address. */
function dynamicConfig(range: PeerConfig, address: string): PeerConfig {
  return { ...range, name: `${range.name}.${address}`, address, range: null, passive: true }
}

function inRange(range: string, address: string): boolean {
  const plain = address.replace(/%.*/, '')
  const host = parsePrefix(`${plain}/${plain.includes(':') ? 128 : 32}`)
  const outer = parsePrefix(range)
  return outer.family === host.family && covers(outer, host)
}

function inside(outer: string, inner: string): boolean {
  return covers(parsePrefix(outer), parsePrefix(inner))
}

/** Whether parameters differ that shape the exchange of routes but not the session. */
function routesDiffer(a: PeerConfig, b: PeerConfig): boolean {
  return (
    a.routeReflectorClient !== b.routeReflectorClient ||
    a.clusterId !== b.clusterId ||
    a.nextHopMode !== b.nextHopMode ||
    a.export !== b.export ||
    a.allowedLocalAsns !== b.allowedLocalAsns ||
    a.asOverride !== b.asOverride
  )
}
