/**
 * The agent of one node: composes the folder store, the intent functions, the speaker and the kernel
 * writer, and carries every change of the manifests to whichever of them it concerns. Building one
 * opens nothing; `start` does; `close` ends in reverse order.
 *
 * The life of a changed manifest: store → resources → intent (pure) → only what differs is touched.
 */

import { createSpeaker, type Speaker } from '../bgp/index.ts'
import type { Clock, FamilyName, NextHopTracker, SpeakerConfig, Transport } from '../bgp/types.ts'
import type { Fib, FibSettings } from '../fib/types.ts'
import type { Snapshot } from './config/folder.ts'
import type { ConfigProblem } from './config/problem.ts'
import type { EventLog } from './event-log.ts'
import {
  type GateInput,
  judgeFirstReadiness,
  judgeLaterReadiness,
  judgeSynchronised,
  type Verdict,
} from './gate.ts'
import type { HostAddresses } from './host-addresses.ts'
import { computeIntent } from './intent/intent.ts'
import type { Intent, Problem } from './intent/types.ts'

/** How often the gates are looked at again, beside every event that may move them. */
const gateSeconds = 1
/** After a restart, peers are told nothing for at most this long (RFC 4724 §4.1). */
const deferralSecondsMax = 60

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
  /** In force until the manifests say otherwise. */
  readonly fibSettings: FibSettings
  readonly hostAddresses: HostAddresses
  readonly events: EventLog
  readonly random: () => number
}

export class Agent {
  readonly node: string
  readonly speaker: Speaker
  readonly fib: Fib
  readonly events: EventLog
  readonly startedAt: number
  readonly #ports: AgentPorts
  #intent: Intent | null = null
  #snapshot: Snapshot | null = null
  /** Changes are carried out one after the other. */
  #applying: Promise<void> = Promise.resolve()
  #speaking = false
  #synchronised = false
  #passedFirstGate = false
  #startedNow: number
  #gateTimer: { cancel(): void } | null = null
  #deferral: { cancel(): void } | null = null
  #kernelStarted = false
  #failure: string | null = null
  #closed = false
  #lastKernelConditions: readonly Problem[] = []

  constructor(node: string, ports: AgentPorts) {
    this.node = node
    this.#ports = ports
    this.fib = ports.fib
    this.events = ports.events
    this.startedAt = ports.clock.wall()
    this.#startedNow = ports.clock.now()
    this.speaker = createSpeaker(silentSpeaker, {
      clock: ports.clock,
      transport: ports.transport,
      random: ports.random,
      tracker: trackerOf(ports.fib),
      // Sessions that end because the agent stops must not take the routes with them.
      onRoutes: (changes) => {
        if (!this.#closed) ports.fib.change(changes)
      },
      onEvent: (event) => {
        ports.events.add(event)
        if (event.kind.startsWith('peer.')) this.#checkGates()
      },
      selfAddress: (family: FamilyName, local) => ports.hostAddresses.selfAddress(family, local),
      subnetOf: (local) => ports.hostAddresses.subnetOf(local),
    })
    ports.fib.onEvent((event) => {
      ports.events.add(event)
      this.#noteKernel(event)
    })
  }

  /**
   * Reads the manifests, adopts the kernel's routes, listens and starts the sessions.
   * @throws ConfigError when the manifests can't be used at all
   */
  async start(): Promise<void> {
    const { store, fib } = this.#ports
    const snapshot = await store.start()
    const intent = computeIntent(snapshot.resources, this.node)
    fib.configure(intent.fib)
    await fib.start()
    this.#kernelStarted = true
    await this.#tellRestart()
    await this.#apply(snapshot)
    store.onSnapshot((next) => {
      this.#applying = this.#applying
        .then(() => this.#apply(next))
        .catch((error) => this.#fail(error))
    })
    this.#watchGates()
  }

  /**
   * Routes of ours that the kernel still holds prove that this is a restart, and that forwarding
   * went on in those families (RFC 4724 §3: R and F bits). After a reboot there are none.
   */
  async #tellRestart(): Promise<void> {
    const { adopted, adoptedFamilies } = await this.fib.status()
    if (adopted === 0) return
    this.speaker.restart = { restarting: true, forwarding: adoptedFamilies }
    this.#deferral = this.#ports.clock.schedule(deferralSecondsMax * 1000, () =>
      this.#endDeferral(),
    )
  }

  /** Peers are told everything from now on, and that this speaker is no longer restarting. */
  #endDeferral(): void {
    this.#deferral?.cancel()
    this.#deferral = null
    this.speaker.restart = { ...this.speaker.restart, restarting: false }
  }

  /** Ends sessions and the kernel writer; routes stay unless `onStop` says otherwise. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#gateTimer?.cancel()
    this.#deferral?.cancel()
    this.#ports.store.close()
    await this.#applying
    const withdraw = this.#intent?.onStop === 'Withdraw'
    await this.speaker.close(withdraw)
    if (withdraw) await this.fib.withdrawAll()
    await this.fib.close()
  }

  get intent(): Intent | null {
    return this.#intent
  }

  /** Problems of the manifests, of the intent, and of the kernel. */
  get problems(): readonly (Problem | ConfigProblem)[] {
    return [
      ...(this.#snapshot?.problems ?? []),
      ...(this.#intent?.problems ?? []),
      ...this.#lastKernelConditions,
    ]
  }

  get fibSettings(): FibSettings {
    return this.#intent?.fib ?? this.#ports.fibSettings
  }

  /** Whether the kernel writer can be asked. */
  get kernelStarted(): boolean {
    return this.#kernelStarted
  }

  ready(): Verdict {
    if (this.#failure !== null) return { ok: false, reason: this.#failure }
    const intent = this.#intent
    if (intent?.node == null) {
      return { ok: false, reason: `waiting for the manifest of Node ${this.node}` }
    }
    const input = this.#gateInput(intent)
    return this.#passedFirstGate ? judgeLaterReadiness(input) : judgeFirstReadiness(input)
  }

  healthy(): Verdict {
    return { ok: this.#failure === null, reason: this.#failure }
  }

  async #apply(snapshot: Snapshot): Promise<void> {
    if (this.#closed) return
    const before = this.#intent
    const intent = computeIntent(snapshot.resources, this.node, before)
    this.#tellProblems(snapshot, intent)
    this.#snapshot = snapshot
    if (intent.node === null) {
      this.#withoutNode(before)
      return
    }
    this.#intent = intent
    this.#ports.hostAddresses.setNode(intent.node.addresses)
    if (before === null || !equal(before.fib, intent.fib)) this.fib.configure(intent.fib)
    if (!equal(before?.blackholes, intent.blackholes)) this.fib.blackholes(intent.blackholes)
    this.speaker.announce(intent.announcements)
    await this.speaker.configure(speakerConfig(intent))
    await this.speaker.setPeers(intent.peers)
    if (!this.#speaking) {
      await this.speaker.start()
      this.#speaking = true
    }
    this.#checkGates()
  }

  /** The own Node is absent: waited for at first; deleted later, announcements go, routes stay. */
  #withoutNode(before: Intent | null): void {
    if (before === null) return
    this.speaker.announce([])
    this.#intent = { ...before, announcements: [] }
    this.events.add({
      kind: 'condition',
      level: 'warn',
      text: `the manifest of Node ${this.node} is gone: its announcements are withdrawn, kernel routes stay`,
    })
  }

  #tellProblems(snapshot: Snapshot, intent: Intent): void {
    const known = new Set(this.problems.map(problemKey))
    for (const problem of [...snapshot.problems, ...intent.problems]) {
      if (known.has(problemKey(problem))) continue
      this.events.add({
        kind: 'condition',
        level:
          problem.severity === 'error' ? 'error' : problem.severity === 'warning' ? 'warn' : 'info',
        text: describeProblem(problem),
        data: { reason: problem.reason, subject: problem.subject },
      })
    }
  }

  #noteKernel(event: { kind: string; level: string; text: string }): void {
    if (event.kind !== 'fib.error' && event.kind !== 'fib.conflict') return
    const reason = event.kind === 'fib.error' ? 'KernelError' : 'KernelConflict'
    const problem: Problem = {
      reason,
      severity: event.level === 'error' ? 'error' : 'warning',
      subject: 'kernel',
      message: event.text,
      remedy: null,
    }
    const others = this.#lastKernelConditions.filter((each) => each.message !== event.text)
    this.#lastKernelConditions = [...others, problem].slice(-kernelConditionsMax)
  }

  #fail(error: unknown): void {
    this.#failure = error instanceof Error ? error.message : String(error)
    this.events.add({ kind: 'condition', level: 'error', text: this.#failure })
  }

  #watchGates(): void {
    if (this.#closed) return
    this.#gateTimer = this.#ports.clock.schedule(gateSeconds * 1000, () => {
      this.#checkGates()
      this.#watchGates()
    })
  }

  #checkGates(): void {
    const intent = this.#intent
    if (intent === null || !this.#speaking || this.#closed) return
    if (this.#synchronised && this.#passedFirstGate) return
    const input = this.#gateInput(intent)
    if (!this.#passedFirstGate && judgeFirstReadiness(input).ok) this.#passedFirstGate = true
    if (!this.#synchronised && judgeSynchronised(input).ok) {
      this.#synchronised = true
      // What was learned last must reach the kernel writer before the sweep does.
      this.speaker.engine.whenSettled(() => {
        this.#endDeferral()
        this.fib.synchronised()
      })
    }
  }

  #gateInput(intent: Intent): GateInput {
    return {
      wanted: intent.peers,
      views: this.speaker.views.peers(),
      synchronised: (name) => this.speaker.synchronised(name),
      readiness: intent.readiness,
      reflector: intent.node?.clusterId != null,
      secondsSinceStart: (this.#ports.clock.now() - this.#startedNow) / 1000,
    }
  }
}

/** Kernel remarks kept as conditions. */
const kernelConditionsMax = 32

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
  const node = intent.node as NonNullable<Intent['node']>
  return {
    asn: node.asn,
    routerId: node.routerId,
    listen: intent.listen,
    localPreference: intent.localPreference,
    maxPaths: intent.fib.maxPaths,
    asPathRelax: true,
    refuse: intent.refuse,
    defaultRoute: intent.defaultRoute,
  }
}

/** The kernel writer as the speaker's eyes on next hops. */
function trackerOf(fib: Fib): NextHopTracker {
  return {
    track: (nextHop) => fib.track(nextHop),
    untrack: (nextHop) => fib.untrack(nextHop),
    onChange: (listener) =>
      fib.onResolution((resolutions) =>
        listener(
          resolutions.map(({ nextHop, reachable, metric, gateways }) => ({
            nextHop,
            reachable,
            metric,
            interfaces: gateways.map((gateway) => gateway.interface),
          })),
        ),
      ),
  }
}

export function describeProblem(problem: Problem | ConfigProblem): string {
  const place = 'file' in problem ? `${problem.file}:${problem.line}: ` : ''
  const field = 'field' in problem && problem.field !== '' ? ` ${problem.field}:` : ''
  const remedy = problem.remedy === null ? '' : ` (${problem.remedy})`
  return `${place}${problem.subject}:${field} ${problem.message}${remedy}`
}

function problemKey(problem: Problem): string {
  return `${problem.reason}|${problem.subject}|${problem.message}`
}

function equal(a: unknown, b: FibSettings | readonly string[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
