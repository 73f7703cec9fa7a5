/**
 * The agent of one node: composes the store, the intent functions, the speaker and the kernel
 * writer, and carries every change of the manifests to whichever of them it concerns. Building one
 * opens nothing; `start` does; `close` ends in reverse order.
 *
 * The life of a changed manifest: store → resources → intent (pure) → only what differs is touched.
 */
import { createSpeaker, type Speaker } from '../bgp/index.ts'
import type { Clock, FamilyName, SpeakerConfig, Timer, Transport } from '../bgp/types.ts'
import type { Fib, FibSettings } from '../fib/types.ts'
import { BfdWatch } from './bfd-watch.ts'
import { keyOf, newsOf } from './conditions.ts'
import type { Snapshot } from './config/folder.ts'
import type { ConfigProblem } from './config/problem.ts'
import { cutOffProblems } from './cut-off.ts'
import type { EventLog } from './event-log.ts'
import type { Verdict } from './gate.ts'
import { HoldDown } from './hold-down.ts'
import type { HostAddresses } from './host-addresses.ts'
import { computeIntent } from './intent/intent.ts'
import { fail } from './intent/problem.ts'
import type { Intent, NodeIntent, Problem } from './intent/types.ts'
import { KernelState } from './kernel-state.ts'
import { FibNextHopTracker } from './next-hop-tracker.ts'
import { inheritFamilies } from './predecessor.ts'
import { Readiness } from './readiness.ts'
import type { RestartMarker } from './restart-marker.ts'
import { RouteMoves } from './route-moves.ts'
import type { Bfd } from './workers/bfd-proxy.ts'

/** After a restart, peers are told nothing for at most this long (RFC 4724 §4.1). */
const deferralSecondsMax = 60
/** A change that couldn't be carried out is tried again: a port, say, may have become free. */
const retrySeconds = 30

export interface SnapshotSource {
  start(): Promise<Snapshot>
  onSnapshot(listener: (snapshot: Snapshot) => void): void
  close(): void
}

export interface AgentPorts {
  readonly clock: Clock
  readonly transport: Transport
  readonly store: SnapshotSource
  readonly fib: Fib
  /** null: peers that ask for BFD go without. */
  readonly bfd: Bfd | null
  /** In force until the manifests say otherwise. */
  readonly fibSettings: FibSettings
  readonly hostAddresses: HostAddresses
  readonly events: EventLog
  readonly random: () => number
  /** Where no kernel routes tell of a run before this one; null: nobody remembers. */
  readonly marker: RestartMarker | null
  readonly hostIsStopping: () => Promise<boolean>
  /** Called once, when the manifests are read and nothing is open; never rejects. */
  readonly warmUp: (reflects: boolean) => Promise<void>
}

export class Agent {
  readonly node: string
  readonly speaker: Speaker
  readonly fib: Fib
  readonly events: EventLog
  readonly kernel: KernelState
  readonly holdDown: HoldDown
  readonly nextHops: FibNextHopTracker
  readonly startedAt: number
  readonly #ports: AgentPorts
  readonly #readiness: Readiness
  readonly #bfd: BfdWatch | null
  readonly #moves: RouteMoves
  /** What is carried out now. */
  #intent: Intent | null = null
  #snapshot: Snapshot | null = null
  /** Of the newest intent, carried out or not. */
  #judged: readonly Problem[] = []
  /** The newest intent couldn't be carried out; the one before stays in force. */
  #refused: Problem | null = null
  /** Changes are carried out one after the other. */
  #applying: Promise<void> = Promise.resolve()
  /** What a start is waiting for; null: it is over. */
  #starting: string | null = 'starting: reading the manifests'
  /** The own Node was there, and is not any more. */
  #nodeGone = false
  #speaking = false
  #deferral: Timer | null = null
  #retry: Timer | null = null
  #closed = false

  constructor(node: string, ports: AgentPorts) {
    this.node = node
    this.#ports = ports
    this.fib = ports.fib
    this.events = ports.events
    this.nextHops = new FibNextHopTracker(ports.fib)
    this.#moves = new RouteMoves(ports.clock, ports.events, () => this.#intent?.peers)
    const hostRoutes = () => this.#intent?.hostRoutes ?? []
    this.kernel = new KernelState(ports.fib, () => this.fibSettings, hostRoutes)
    this.startedAt = ports.clock.wall()
    this.speaker = createSpeaker(silentSpeaker, {
      clock: ports.clock,
      transport: ports.transport,
      random: ports.random,
      tracker: this.nextHops,
      // Sessions that end because the agent stops must not take the routes with them.
      onRoutes: (changes) => {
        if (this.#closed) return
        this.#moves.note(changes)
        ports.fib.change(changes)
      },
      onEvent: (event) => {
        ports.events.add(event)
        if (event.kind.startsWith('peer.')) this.#readiness.noteEvent()
      },
      onPath: (address, alive) => (alive ? ports.fib.alive?.(address) : ports.fib.dead?.(address)),
      onAvoid: (address, avoided) => {
        if (!this.#closed) ports.fib.avoid?.(address, avoided)
      },
      selfAddress: (family, local) => ports.hostAddresses.selfAddress(family, local),
      subnetOf: (local) => ports.hostAddresses.subnetOf(local),
    })
    this.holdDown = new HoldDown(ports.clock, (all) => this.speaker.announce(all))
    this.#bfd = ports.bfd && new BfdWatch(ports.bfd, this.speaker, ports.fib, ports.events)
    this.#readiness = new Readiness({
      clock: ports.clock,
      speaker: this.speaker,
      intent: () => this.#intent,
      onTelling: () => this.speaker.engine.whenSettled(() => this.#endDeferral()),
      // What was learned last must reach the kernel writer before the sweep does.
      onSynchronised: () => this.speaker.engine.whenSettled(() => this.fib.synchronised()),
    })
    ports.fib.onEvent((event) => {
      ports.events.add(event)
      if (!this.#closed) void this.kernel.note(event)
    })
  }

  /**
   * Reads the manifests, adopts the kernel's routes, listens and starts the sessions.
   * @throws ConfigError when the manifests can't be used at all
   */
  async start(): Promise<void> {
    const { store, fib, marker, warmUp } = this.#ports
    const snapshot = await store.start()
    const intent = computeIntent(snapshot.resources, this.node)
    this.#starting = "starting: reading the kernel's routes"
    fib.configure(intent.fib)
    // The kernel is read by another thread, at the same time.
    await Promise.all([fib.start(), warmUp(intent.node?.clusterId != null)])
    this.kernel.started()
    await this.#tellRestart(intent)
    this.#starting = 'starting: opening the sessions'
    await this.#apply(snapshot)
    await marker?.begin()
    this.#starting = null
    store.onSnapshot((next) => this.#take(next))
  }

  /**
   * Routes of ours that the kernel still holds prove that this is a restart, and that forwarding
   * went on in those families (RFC 4724 §3: R and F bits). After a reboot there are none. A speaker
   * that writes no routes never forwarded anything: its mark alone tells, and peers may keep all.
   */
  async #tellRestart(intent: Intent): Promise<void> {
    const { mode, adopted, adoptedFamilies } = await this.fib.status()
    let forwarding = mode === 'none' ? await this.#rememberedFamilies(intent) : adoptedFamilies
    if (forwarding.length === 0 && adopted === 0) {
      forwarding = await inheritFamilies(this.fib, intent.blackholes, this.events)
      if (forwarding.length === 0) return
    }
    this.speaker.restart = { restarting: true, forwarding }
    this.#deferral = this.#ports.clock.schedule(deferralSecondsMax * 1000, () =>
      this.#endDeferral(),
    )
  }

  /** All families, if peers may still be waiting for this speaker to come back. */
  async #rememberedFamilies({ peers }: Intent): Promise<readonly FamilyName[]> {
    const age = (await this.#ports.marker?.age()) ?? null
    const waited = Math.max(0, ...peers.map((peer) => peer.restartSeconds))
    return age !== null && age <= waited ? familyNames : []
  }

  /** Peers are told everything from now on, and that this speaker is no longer restarting. */
  #endDeferral(): void {
    this.#deferral?.cancel()
    this.#deferral = null
    this.speaker.restart = { ...this.speaker.restart, restarting: false }
  }

  /**
   * Ends sessions and the kernel writer; routes stay unless `onStop` says otherwise.
   * @throws Error when routes that were to go could not be withdrawn; everything is closed then too
   */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#readiness.close()
    this.#deferral?.cancel()
    this.#retry?.cancel()
    this.#ports.store.close()
    await this.#applying
    this.holdDown.close()
    this.#moves.close()
    const forGood = await this.#stopsForGood()
    await this.#bfd?.close()
    await this.speaker.close(forGood)
    await this.#ports.marker?.end(forGood)
    try {
      if (forGood) await this.fib.withdrawAll()
    } finally {
      await this.fib.close()
    }
  }

  /** Whether peers and kernel are to forget this node's routes. */
  async #stopsForGood(): Promise<boolean> {
    const onStop = this.#intent?.onStop ?? 'KeepRoutes'
    if (onStop !== 'Auto') return onStop === 'Withdraw'
    return this.#nodeGone || (await this.#ports.hostIsStopping())
  }

  get intent(): Intent | null {
    return this.#intent
  }

  /** Sessions that are up though nothing reaches the peer; asked for with every look at the node. */
  get cutOff(): readonly Problem[] {
    if (this.nextHops.allReachable) return []
    const why = (address: string) => this.nextHops.whyUnreachable(address)
    return cutOffProblems(this.speaker.views.peers(), why)
  }

  /** Problems of the manifests and of the intent; those of the kernel are `kernel.look()`'s. */
  get problems(): readonly (Problem | ConfigProblem)[] {
    const refused = this.#refused === null ? [] : [this.#refused]
    return [...refused, ...(this.#snapshot?.problems ?? []), ...this.#judged]
  }

  get fibSettings(): FibSettings {
    return this.#intent?.fib ?? this.#ports.fibSettings
  }

  ready(): Verdict {
    const health = this.healthy()
    if (!health.ok) return health
    if (this.#starting !== null) return { ok: false, reason: this.#starting }
    if (this.#intent === null) {
      return { ok: false, reason: `waiting for the manifest of Node ${this.node}` }
    }
    return this.#readiness.judge(this.#intent)
  }

  /** What only a new process can mend; a change that was refused is a condition and no more. */
  healthy(): Verdict {
    const { death } = this.kernel
    return { ok: death === null, reason: death }
  }

  #take(snapshot: Snapshot): void {
    this.#retry?.cancel()
    this.#retry = null
    this.#applying = this.#applying
      .then(() => this.#apply(snapshot))
      .catch((error) => this.#refuse(snapshot, error))
  }

  /** @throws Error when the intent can't be carried out; then the one before is in force again. */
  async #apply(snapshot: Snapshot): Promise<void> {
    if (this.#closed) return
    const before = this.#intent
    const intent = computeIntent(snapshot.resources, this.node, before)
    this.#tellProblems(snapshot, intent)
    this.#snapshot = snapshot
    this.#judged = intent.problems
    if (intent.node === null) {
      this.#refused = null
      this.#withoutNode(before)
      return
    }
    try {
      await this.#carryOut(intent, before)
    } catch (error) {
      if (before !== null) await this.#restore(before, intent, error as Error)
      throw error
    }
    this.#intent = intent
    this.#refused = null
    this.#nodeGone = false
    this.#readiness.watch()
    this.#readiness.look()
  }

  /** What can fail comes first, so that little is to be taken back. */
  async #carryOut(intent: Intent, before: Intent | null): Promise<void> {
    const { speaker, fib } = this
    this.#ports.hostAddresses.setNode(nodeOf(intent).addresses)
    if (!equal(before?.hostRoutes, intent.hostRoutes)) fib.hosts(intent.hostRoutes)
    await speaker.configure(speakerConfig(intent))
    await speaker.setPeers(intent.peers)
    this.#bfd?.watch(intent.peers)
    if (before === null || !equal(before.fib, intent.fib)) fib.configure(intent.fib)
    if (!equal(before?.blackholes, intent.blackholes)) fib.blackholes(intent.blackholes)
    if (!equal(before?.guard, intent.guard)) fib.guard(intent.guard)
    this.holdDown.settle(intent)
    if (this.#speaking) return
    await speaker.start()
    await this.#bfd?.start()
    this.#speaking = true
  }

  async #restore(before: Intent, refused: Intent, error: Error): Promise<void> {
    try {
      await this.#carryOut(before, refused)
    } catch (second) {
      const words = `what was in force before can't be restored: ${(second as Error).message}`
      throw new Error(`${error.message}; ${words}`, { cause: error })
    }
  }

  #refuse(snapshot: Snapshot, error: unknown): void {
    if (this.#closed) return
    const { message } = error as Error
    const known = this.#refused?.message === message
    const remedy = `what was in force stays; it is tried again every ${retrySeconds} s`
    this.#refused = fail('ChangeRefused', `Node/${this.node}`, message, remedy)
    if (!known) this.#tellCondition(this.#refused)
    this.#retry = this.#ports.clock.schedule(retrySeconds * 1000, () => this.#take(snapshot))
  }

  /** The own Node is absent: waited for at first; deleted later, announcements go, routes stay. */
  #withoutNode(before: Intent | null): void {
    if (before === null || this.#nodeGone) return
    this.#nodeGone = true
    this.#intent = { ...before, announcements: [] }
    this.holdDown.settle(this.#intent)
    this.events.add({
      kind: 'condition',
      level: 'warn',
      text: `the manifest of Node ${this.node} is gone: its announcements are withdrawn, kernel routes stay`,
    })
  }

  #tellProblems(snapshot: Snapshot, intent: Intent): void {
    const known = new Set(this.problems.map(keyOf))
    for (const problem of [...snapshot.problems, ...intent.problems]) {
      if (!known.has(keyOf(problem))) this.#tellCondition(problem)
    }
  }

  #tellCondition(problem: Problem | ConfigProblem): void {
    this.events.add(newsOf(problem))
  }
}

const familyNames: readonly FamilyName[] = ['ipv4-unicast', 'ipv6-unicast']

/** The speaker before the first intent: it has no peers and listens nowhere. */
const silentSpeaker: SpeakerConfig = {
  asn: 0,
  routerId: '0.0.0.0',
  listen: [],
  localPreference: 100,
  maxPaths: 16,
  asPathRelax: true,
  refuse: [],
  defaultRoute: 'Ignore',
}

function speakerConfig(intent: Intent): SpeakerConfig {
  const node = nodeOf(intent)
  return {
    asn: node.asn,
    routerId: node.routerId,
    listen: intent.listen,
    localPreference: intent.localPreference,
    maxPaths: intent.fib.maxPaths,
    asPathRelax: intent.asPathRelax,
    refuse: intent.refuse,
    defaultRoute: intent.defaultRoute,
  }
}

/** Of an intent that is carried out: one without a node never is. */
function nodeOf(intent: Intent): NodeIntent {
  if (intent.node === null) throw new Error('an intent without a node is not to be carried out')
  return intent.node
}

function equal(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
