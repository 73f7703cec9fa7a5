/**
 * A BGP speaker: peers, policy and announcements in; route changes, events and views out. It joins
 * the sessions (bgp/session) with the routing engine (bgp/engine), which never meet otherwise.
 * Building one opens nothing; `start` does. RFC 4271; RFC 4456; RFC 4724 §2 (End-of-RIB).
 *
 * It is long because every way into a session meets here; its parts are in files of their own.
 */
import { Engine } from './engine.ts'
import { Limits } from './limits.ts'
import {
  admit,
  doorRules,
  dynamicConfig,
  listenerKeys,
  Neighbourhood,
  routesDiffer,
} from './neighbours.ts'
import { Pauses } from './pauses.ts'
import type { PeerEntry } from './peer-entry.ts'
import { covers, parseHost, parseIpv4 } from './prefix.ts'
import { Ration } from './ration.ts'
import { Refreshes } from './refreshes.ts'
import { Restarts } from './restarts.ts'
import { Greetings, type Identity } from './session/greeting.ts'
import { Listeners } from './session/listeners.ts'
import type { Pace } from './session/pace.ts'
import { PeerSession, type SessionHandler, type SessionPorts } from './session/peer.ts'
import { TapeShelf } from './session/record-tape.ts'
import {
  fellSilent,
  noRestart,
  type OwnRestart,
  retainedFamilies,
  type SessionEnd,
} from './session/restart.ts'
import { blockedReason } from './session/settings.ts'
import { SpeakerViews } from './speaker-views.ts'
import type {
  Announcement,
  Clock,
  FamilyName,
  Incoming,
  NextHopTracker,
  PeerConfig,
  RouteChanges,
  SpeakerConfig,
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
  /** The way to a peer's address is dead by its silence (hold timer), or lives (Established). */
  readonly onPath?: (address: string, alive: boolean) => void
  /**
   * What a peer sent is about to be withdrawn, or has been: `avoided` until then. It says nothing of
   * the way to that address.
   */
  readonly onAvoid?: (address: string, avoided: boolean) => void
  /** This node's address to be used as next hop in a family, given the session's local address. */
  readonly selfAddress: (family: FamilyName, localAddress: string) => string | null
  /** The subnet of an own address as CIDR, or null. */
  readonly subnetOf: (localAddress: string) => string | null
}

export class Speaker implements SessionHandler {
  readonly engine: Engine
  readonly #ports: SpeakerPorts
  readonly #listeners: Listeners
  /** By name; dynamic neighbours included. */
  readonly #peers = new Map<string, PeerEntry>()
  readonly #neighbourhood = new Neighbourhood()
  readonly #bySession = new Map<PeerSession, PeerEntry>()
  readonly #byNumber = new Map<number, PeerEntry>()
  #wanted: readonly PeerConfig[] = []
  #door = doorRules([], [])
  /** Questions to the tables; they change nothing. */
  readonly views: SpeakerViews
  readonly #sessionPorts: SessionPorts
  readonly #greetings = new Greetings()
  readonly #restarts: Restarts
  readonly #refreshes: Refreshes
  readonly #pauses: Pauses
  readonly #limits: Limits
  readonly #ration: Ration
  #config: SpeakerConfig
  #identity: Identity
  #started = false

  constructor(config: SpeakerConfig, ports: SpeakerPorts) {
    this.#config = config
    this.#ports = ports
    this.#identity = { routerId: parseIpv4(config.routerId), restart: noRestart }
    this.#sessionPorts = {
      clock: ports.clock,
      transport: ports.transport,
      handler: this,
      shelf: new TapeShelf(),
      random: ports.random,
      greeting: (peer) => this.#greetings.of(peer, this.#identity),
    }
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
    this.views = new SpeakerViews(this.engine, this.#peers, ports.clock)
    this.#restarts = new Restarts(this.engine, ports, (entry) => {
      if (entry.range !== null) this.#forget(entry)
    })
    this.#refreshes = new Refreshes(this.engine, ports)
    this.#pauses = new Pauses(ports.clock)
    this.#ration = new Ration(ports.clock, ports.onEvent)
    this.#limits = new Limits(this.engine, ports, (name) => this.enable(name))
  }

  /** Listens and starts the sessions. Rejects when a listen address can't be had. */
  async start(): Promise<void> {
    this.#started = true
    await this.#listeners.configure(this.#config.listen, listenerKeys(this.#wanted))
    for (const { session } of this.#peers.values()) session.start()
  }

  /**
   * Ends every session and stops listening.
   * @param notify whether it is for good: otherwise peers that help a graceful restart just see
   *   TCP close, and keep our routes (RFC 4724 §4.2)
   */
  async close(notify: boolean): Promise<void> {
    this.#started = false
    this.#listeners.close()
    const sessions = [...this.#peers.values()].map(({ session }) => session)
    await Promise.all(
      sessions.map((session) => {
        const keeps = !notify && session.negotiated?.peerRestart != null
        return session.stop(keeps ? null : 'cease/administrativeShutdown')
      }),
    )
    for (const entry of this.#peers.values()) this.#restarts.cancel(entry)
    this.engine.close()
  }

  /**
   * What peers are told of this speaker's own restart; while it is restarting, they are told no
   * routes, so that what they keep of it is not replaced by half of it (RFC 4724 §4.1).
   */
  get restart(): OwnRestart {
    return this.#identity.restart
  }

  set restart(restart: OwnRestart) {
    this.#identity = { ...this.#identity, restart }
    this.engine.deferring = restart.restarting
  }

  /** Takes the speaker's own settings; sessions are reset only when the router id changed. */
  async configure(config: SpeakerConfig): Promise<void> {
    const before = this.#config
    this.#config = config
    this.#door = doorRules(this.#wanted, config.refuse)
    this.engine.configure(config)
    if (before.routerId !== config.routerId) {
      this.#identity = { ...this.#identity, routerId: parseIpv4(config.routerId) }
      for (const { session } of this.#peers.values()) session.reset()
    }
    if (this.#started) await this.#listeners.configure(config.listen, listenerKeys(this.#wanted))
  }

  announce(announcements: readonly Announcement[]): void {
    this.engine.announce(announcements)
  }

  /** All peers wanted, whole. Only those whose session parameters changed are reset. */
  async setPeers(peers: readonly PeerConfig[]): Promise<void> {
    this.#wanted = peers
    this.#door = doorRules(peers, this.#config.refuse)
    // Keys come first: a session that dials or is dialled must find its key in place.
    if (this.#started)
      await this.#listeners.configure(this.#config.listen, listenerKeys(this.#wanted))
    const wanted = new Map(
      peers.filter((peer) => peer.range === null).map((peer) => [peer.name, peer]),
    )
    for (const config of wanted.values()) this.#rename(config, wanted)
    for (const [name, entry] of [...this.#peers]) {
      const config = entry.range === null ? wanted.get(name) : this.#rangeOf(entry)
      if (config === undefined) await this.#remove(entry)
      else this.#reconfigure(entry, config)
    }
    for (const config of wanted.values()) {
      if (!this.#peers.has(config.name)) this.#add(config, null)
    }
  }

  /** What is kept of a peer; whoever plays a recording works on it. */
  entry(name: string): PeerEntry | null {
    return this.#peers.get(name) ?? null
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
    entry.warnedOf.clear()
    const addresses = {
      remote: entry.config.address as string,
      local: session.localAddress as string,
    }
    const { ghost } = entry
    const returning = ghost?.number ?? null
    entry.member = this.engine.join(entry.config, negotiated, addresses, session, returning)
    this.#byNumber.set(entry.member.number, entry)
    this.#ports.onPath?.(addresses.remote, true)
    this.#ports.onAvoid?.(addresses.remote, false)
    if (ghost !== null) this.#restarts.returned(entry, ghost, negotiated)
  }

  down(session: PeerSession, _reason: string, end: SessionEnd): void {
    const entry = this.#bySession.get(session)
    if (entry === undefined || entry.member === null) return
    this.#byNumber.delete(entry.member.number)
    const { member } = entry
    const keep = retainedFamilies(end, member.negotiated)
    this.#restarts.cancel(entry)
    this.#refreshes.cancel(entry)
    if (keep.length === 0) this.#leaveFirst(member.addresses.remote, end)
    entry.member = null
    this.engine.leave(member, keep)
    if (keep.length > 0) this.#restarts.keep(entry, member, keep)
  }

  /**
   * The kernel leaves the peer before its routes are withdrawn one by one: at once where it fell
   * silent, and otherwise, but for our own wish, wherever there is another way.
   */
  #leaveFirst(remote: string, end: SessionEnd): void {
    if (fellSilent(end)) {
      this.#ports.onPath?.(remote, false)
    } else if (end.cause !== 'stopped' && this.#ports.onAvoid !== undefined) {
      this.#ports.onAvoid(remote, true)
      this.engine.whenSettled(() => this.#ports.onAvoid?.(remote, false))
    }
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
      this.#ration.tell({
        kind: 'update.fault',
        peer: entry.config.name,
        level: 'warn',
        text: `${fault.malformed ? 'malformed' : 'unusable'} UPDATE from ${entry.config.name}: ${fault.text}`,
      }),
    )
    if (family !== null) this.#endOfRib(entry, family)
    if (entry.config.maxPrefixes !== null) this.#limits.check(entry, entry.config.maxPrefixes)
    this.engine.schedule()
  }

  refresh(session: PeerSession, family: FamilyName, subtype: 0 | 1 | 2): void {
    const entry = this.#bySession.get(session)
    const member = entry?.member
    if (entry === undefined || member == null || !member.groups.has(family)) return
    // RFC 2918 §3: to one that doesn't mark its refreshes, the octet means nothing.
    const mark = member.negotiated.enhancedRefresh ? subtype : 0
    if (mark === 1) this.#refreshes.begin(entry, family)
    else if (mark === 2) this.#refreshes.end(entry, family)
    else this.engine.refresh(member, family)
  }

  drained(session: PeerSession): void {
    const member = this.#bySession.get(session)?.member
    if (member == null) return
    this.engine.feed(member)
  }

  event(event: SpeakerEvent): void {
    this.#ports.onEvent(event)
    if (event.kind !== 'peer.state' || event.peer === null) return
    const entry = this.#peers.get(event.peer)
    if (entry?.engaged === true) this.#letGo(entry)
  }

  /**
   * A dynamic neighbour exists only while its session, or what is kept of it, does; one that is over
   * its limit stays, so that it isn't let in as if it were another.
   */
  #letGo(entry: PeerEntry): void {
    const { state } = entry.session
    const over = state === 'Idle' || state === 'Active'
    if (over && entry.ghost === null && entry.overLimit === null) this.#forget(entry)
  }

  // Orders.

  /** Graceful shutdown (RFC 8326): every route becomes the last choice, or is as usual again. */
  drain(draining: boolean): void {
    this.engine.draining = draining
    for (const entry of this.#peers.values()) {
      if (entry.member !== null) entry.member = this.engine.update(entry.member, entry.config)
    }
  }

  /**
   * Administrative reset (RFC 4486, Cease 4); the session comes back by itself.
   * @param message for the peer's operator (RFC 9003); more than 255 octets are cut
   */
  reset(name: string, message?: string): boolean {
    const entry = this.#peers.get(name)
    entry?.session.reset(message)
    return entry !== undefined
  }

  /** The path to a peer is dead, as BFD knows before the hold timer does (RFC 9384). */
  pathFailed(name: string, reason: string): void {
    this.#peers.get(name)?.session.fail('cease/bfdDown', reason)
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

  /** Sends a peer all its routes again, between marks where it reads them (RFC 7313). */
  resend(name: string): boolean {
    const member = this.#peers.get(name)?.member
    if (member == null) return false
    for (const family of member.groups.keys()) this.engine.refresh(member, family)
    return true
  }

  /**
   * Administrative shutdown until `enable`; not kept over a restart.
   * @param message for the peer's operator (RFC 9003); more than 255 octets are cut
   */
  shutdown(name: string, message?: string): boolean {
    const entry = this.#peers.get(name)
    if (entry === undefined) return false
    const shutdownMessage = message ?? entry.config.shutdownMessage
    this.#reconfigure(entry, { ...entry.config, shutdown: true, shutdownMessage })
    return true
  }

  enable(name: string): boolean {
    const entry = this.#peers.get(name)
    if (entry === undefined) return false
    entry.overLimit = null
    const wanted = this.#wanted.find((peer) => peer.name === name)
    const configured = (entry.range === null ? wanted : this.#rangeOf(entry)) ?? entry.config
    this.#reconfigure(entry, { ...configured, shutdown: false })
    return true
  }

  /** Whether End-of-RIB of every negotiated family has come from this peer. */
  synchronised(name: string): boolean {
    const entry = this.#peers.get(name)
    if (entry === undefined || entry.member === null) return false
    return entry.member.negotiated.families.every((each) => entry.endOfRibReceived.has(each))
  }

  #endOfRib(entry: PeerEntry, family: FamilyName): void {
    // Only the first one says something: a flood of them costs no walk through the table.
    if (entry.endOfRibReceived.has(family)) return
    entry.endOfRibReceived.add(family)
    if (entry.member !== null) this.engine.sweep(entry.member.number, family)
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

  #add(config: PeerConfig, range: string | null, pace: Pace | null = null): PeerEntry {
    const session = new PeerSession(config, this.#sessionPorts, pace)
    const entry: PeerEntry = {
      config,
      session,
      range,
      member: null,
      engaged: false,
      ghost: null,
      endOfRibReceived: new Set(),
      endOfRibSent: new Set(),
      warnedOf: new Set(),
      overLimit: null,
    }
    this.#peers.set(config.name, entry)
    this.#neighbourhood.add(entry)
    this.#bySession.set(session, entry)
    if (this.#started) session.start()
    return entry
  }

  async #remove(entry: PeerEntry): Promise<void> {
    await entry.session.stop('cease/peerDeconfigured')
    this.#restarts.drop(entry)
    this.#forget(entry)
  }

  #forget(entry: PeerEntry): void {
    this.#bySession.delete(entry.session)
    this.#neighbourhood.remove(entry)
    entry.session.tape.discard()
    if (entry.range !== null) {
      this.#pauses.keep(entry.config.address as string, entry.session.pace)
      void entry.session.stop(null)
    }
    if (this.#peers.get(entry.config.name) === entry) this.#peers.delete(entry.config.name)
  }

  #reconfigure(entry: PeerEntry, wanted: PeerConfig): void {
    const before = entry.config
    const { overLimit } = entry
    // Another limit, or an order, lets a peer try again; any other change does not.
    const same = JSON.stringify(before.maxPrefixes) === JSON.stringify(wanted.maxPrefixes)
    const config = overLimit !== null && same ? { ...wanted, heldDown: overLimit } : wanted
    if (!same) entry.overLimit = null
    const moves = before.address !== config.address
    if (moves) this.#neighbourhood.remove(entry)
    entry.config = config
    if (moves) this.#neighbourhood.add(entry)
    const outcome = entry.session.reconfigure(config)
    // What is down by order is not waited for, whatever it was doing.
    if (entry.ghost !== null && blockedReason(config) !== null) this.#restarts.drop(entry)
    if (outcome === 'reset' || entry.member === null) return
    if (outcome === 'applied' && routesDiffer(before, config)) {
      entry.member = this.engine.update(entry.member, config)
    }
  }

  #accept(incoming: Incoming): void {
    const { remoteAddress } = incoming
    const answer = admit(remoteAddress, this.#neighbourhood, this.#door)
    if ('session' in answer) {
      answer.session.incoming(incoming)
    } else if ('range' in answer) {
      this.#welcome(incoming, answer.range)
    } else {
      this.#refuse(incoming, answer.refused)
    }
  }

  /** A new neighbour of a range, unless its last sessions failed and its pause isn't over. */
  #welcome(incoming: Incoming, range: PeerConfig): void {
    const { remoteAddress } = incoming
    const pace = this.#pauses.recall(remoteAddress)
    const seconds = Math.ceil((pace.refusedUntil - this.#ports.clock.now()) / 1000)
    if (seconds > 0) {
      const failures = `its last ${pace.sessionFailures} sessions failed`
      this.#refuse(incoming, `${failures}, it is let in again in ${seconds} s`)
      return
    }
    const entry = this.#add(dynamicConfig(range, remoteAddress), range.name, pace)
    entry.session.incoming(incoming)
    entry.engaged = true
    // It may be over already.
    this.#letGo(entry)
  }

  #refuse(incoming: Incoming, reason: string): void {
    incoming.reject()
    const text = `refused a connection from ${incoming.remoteAddress}: ${reason}`
    this.#ration.tell({ kind: 'peer.error', peer: null, level: 'warn', text })
  }

  #rangeOf(entry: PeerEntry): PeerConfig | undefined {
    const range = this.#door.ranges.find(({ config }) => config.name === entry.range)
    const address = entry.config.address as string
    if (range === undefined || !covers(range.prefix, parseHost(address))) return undefined
    return dynamicConfig(range.config, address)
  }
}

export function createSpeaker(config: SpeakerConfig, ports: SpeakerPorts): Speaker {
  return new Speaker(config, ports)
}
