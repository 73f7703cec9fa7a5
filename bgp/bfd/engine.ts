/**
 * All BFD sessions of a node: finds the session a packet belongs to, keeps each session's one timer,
 * and performs what `step` asks for. Lives in a thread of its own, but knows nothing of that: the
 * network, the clock and the randomness are given.
 *
 * RFC 5880 §6.3 (demultiplexing) and §6.8.6; RFC 5881 §3 to §5 (single hop: TTL 255, by address and
 * interface); RFC 5883 §3 and §4 (multihop, by both addresses). A packet for a discriminator of ours
 * is believed only if it comes by the session's kind of hop and from the session's remote.
 */
import type { Clock } from '../types.ts'
import { Hearings } from './hearings.ts'
import { decodePacket, encodePacket, formatDiagnostic, type PacketFault } from './packet.ts'
import { fits, kindOf, type Running, stateOf, view } from './running.ts'
import {
  createSession,
  detectAt,
  type SessionAction,
  type SessionEvent,
  slowMs,
  step,
  wakeAt,
} from './session.ts'
import type {
  Arrival,
  BfdEvent,
  BfdNetwork,
  BfdSessionConfig,
  BfdState,
  BfdView,
  HearingKind,
} from './types.ts'
import { groupByPath, type WantedPath } from './wanted.ts'

/** Sessions run at most; each holds a socket. */
export const sessionsMax = 4096

/** A session that is no longer wanted says so no longer than this, however slow its remote is. */
const leavingMsMax = 30_000

const singleHopTtl = 255

export type Refusal = PacketFault | 'ttl' | 'unknown' | 'wrong hop kind' | 'wrong address'

export interface BfdPorts {
  readonly network: BfdNetwork
  readonly clock: Clock
  /** 0 to 1, for jitter. */
  readonly random: () => number
  /** 1 to 2^32 - 1, hard to guess: it is what a packet is told by. */
  readonly newDiscriminator: () => number
  readonly onState: (state: BfdState) => void
  readonly onEvent: (event: BfdEvent) => void
}

export class BfdEngine {
  readonly #ports: BfdPorts
  readonly #running = new Map<string, Running>()
  readonly #byName = new Map<string, Running>()
  readonly #byDiscriminator = new Map<number, Running>()
  /** By hop kind and remote address, for packets of a remote that doesn't know us yet. */
  readonly #byRemote = new Map<string, Running[]>()
  readonly #hearings: Hearings
  readonly #refusals = new Map<Refusal, number>()

  constructor(ports: BfdPorts) {
    this.#ports = ports
    this.#hearings = new Hearings(ports.network, ports.clock, (kind, arrival) =>
      this.#hear(kind, arrival),
    )
  }

  /**
   * The whole wanted set: sessions that are in it already go on undisturbed, or change their timers.
   * @throws RangeError for settings that can't be sent
   */
  setSessions(configs: readonly BfdSessionConfig[]): void {
    const wanted = groupByPath(configs)
    for (const running of this.#running.values()) {
      if (!wanted.has(running.key) && running.leavingAt === null) this.#leave(running)
    }
    this.#byName.clear()
    let refused = 0
    for (const [key, path] of wanted) {
      const running = this.#running.get(key)
      if (running !== undefined) this.#keep(running, path)
      else if (this.#running.size < sessionsMax) this.#add(key, path)
      else refused += path.names.length
    }
    if (refused > 0) {
      const text = `${refused} BFD sessions are not run: at most ${sessionsMax} are`
      this.#ports.onEvent({ kind: 'bfd.problem', level: 'error', text })
    }
  }

  /** Those of `paths` paths from the one at `start`; two names may share a path. */
  views(start = 0, paths = sessionsMax): BfdView[] {
    const page = [...this.#running.values()].slice(start, start + paths)
    return page.flatMap((running) =>
      running.leavingAt === null ? running.wanted.names.map((name) => view(running, name)) : [],
    )
  }

  /** The one of that name; null when it isn't wanted (any more). */
  view(name: string): BfdView | null {
    const running = this.#byName.get(name)
    return running === undefined ? null : view(running, name)
  }

  /** Paths there are, those that are leaving included. */
  get size(): number {
    return this.#running.size
  }

  /** Packets refused so far, by reason. */
  refusals(): ReadonlyMap<Refusal, number> {
    return this.#refusals
  }

  /** Says AdminDown once on every session, so that no remote takes the end for a failure. */
  close(): void {
    for (const running of this.#running.values()) {
      this.#step(running, { kind: 'disable' }, false)
      this.#remove(running)
    }
  }

  #add(key: string, wanted: WantedPath): void {
    const { clock, newDiscriminator } = this.#ports
    let discriminator = newDiscriminator()
    while (this.#byDiscriminator.has(discriminator)) discriminator = newDiscriminator()
    const running: Running = {
      key,
      wanted,
      session: createSession(discriminator, wanted.settings),
      sender: null,
      timer: null,
      leavingAt: null,
      diagnostic: 0,
      sinceMs: clock.wall(),
      failures: 0,
      sentPackets: 0,
      receivedPackets: 0,
      refusedPackets: 0,
      sendProblem: null,
      packetProblem: null,
    }
    this.#running.set(key, running)
    for (const name of wanted.names) this.#byName.set(name, running)
    this.#byDiscriminator.set(discriminator, running)
    const remote = remoteKey(wanted.path.multihop, wanted.path.remoteAddress)
    this.#byRemote.set(remote, [...(this.#byRemote.get(remote) ?? []), running])
    this.#hearings.use(kindOf(running))
    this.#schedule(running)
  }

  #keep(running: Running, wanted: WantedPath): void {
    const had = running.leavingAt === null ? running.wanted.names : []
    const { settings } = running.session
    running.wanted = wanted
    running.leavingAt = null
    for (const name of wanted.names) this.#byName.set(name, running)
    this.#step(running, { kind: 'enable' })
    const same =
      settings.transmitMs === wanted.settings.transmitMs &&
      settings.receiveMs === wanted.settings.receiveMs &&
      settings.multiplier === wanted.settings.multiplier
    if (!same) this.#step(running, { kind: 'configure', settings: wanted.settings })
    if (running.session.state === 'Down') return
    for (const name of wanted.names) {
      if (!had.includes(name)) this.#ports.onState(stateOf(running, name, false))
    }
  }

  /** Long enough for the remote to hear of it, though a packet is lost (RFC 5880 §6.8.16). */
  #leave(running: Running): void {
    const { settings, remote } = running.session
    const quietMs = settings.multiplier * Math.max(slowMs, remote.requiredReceiveMs)
    running.leavingAt = this.#ports.clock.now() + Math.min(quietMs, leavingMsMax)
    this.#step(running, { kind: 'disable' })
  }

  #remove(running: Running): void {
    const { path } = running.wanted
    running.timer?.handle.cancel()
    running.sender?.close()
    this.#running.delete(running.key)
    this.#byDiscriminator.delete(running.session.localDiscriminator)
    const remote = remoteKey(path.multihop, path.remoteAddress)
    const others = this.#byRemote.get(remote)?.filter((other) => other !== running) ?? []
    if (others.length > 0) this.#byRemote.set(remote, others)
    else this.#byRemote.delete(remote)
    this.#hearings.leave(kindOf(running))
  }

  #step(running: Running, event: SessionEvent, lasting = true): void {
    const [session, actions] = step(running.session, event, this.#ports.clock.now())
    running.session = session
    for (const action of actions) this.#perform(running, action)
    if (lasting) this.#schedule(running)
  }

  #perform(running: Running, action: SessionAction): void {
    if (action.kind === 'send') this.#send(running, encodePacket(action.packet))
    else this.#changed(running, action.failed)
  }

  #changed(running: Running, failed: boolean): void {
    const { clock, onState, onEvent } = this.#ports
    const { state, diagnostic } = running.session
    running.sinceMs = clock.wall()
    if (state === 'Down' || state === 'AdminDown') running.diagnostic = diagnostic
    if (state === 'Up') running.packetProblem = null
    if (failed) running.failures++
    for (const name of running.wanted.names) onState(stateOf(running, name, failed))
    if (state === 'Init' || running.leavingAt !== null) return
    const { remoteAddress } = running.wanted.path
    const names = running.wanted.names.join(', ')
    const why = formatDiagnostic(running.diagnostic)
    const text = `BFD with ${remoteAddress} is ${state}${state === 'Up' ? '' : `: ${why}`}`
    onEvent({
      kind: state === 'Up' ? 'bfd.up' : 'bfd.down',
      level: failed ? 'warn' : 'info',
      text,
      data: { sessions: names, diagnostic: why, failed },
    })
  }

  /** One timer a session; one that is early only looks at the clock and goes on. */
  #schedule(running: Running): void {
    const { clock } = this.#ports
    const session = wakeAt(running.session)
    const at = Math.min(session ?? Infinity, running.leavingAt ?? Infinity)
    if (running.timer !== null && running.timer.at <= at) return
    running.timer?.handle.cancel()
    running.timer = null
    if (at === Infinity) return
    const handle = clock.schedule(Math.max(0, at - clock.now()), () => this.#wake(running))
    running.timer = { at, handle }
  }

  #wake(running: Running): void {
    running.timer = null
    const { clock, random } = this.#ports
    if (running.leavingAt !== null && clock.now() >= running.leavingAt) {
      this.#remove(running)
      return
    }
    const silentAt = detectAt(running.session)
    // If this thread was held up, the packets that prove the remote alive wait unread.
    if (silentAt !== null && clock.now() >= silentAt) {
      this.#hearings.receive(kindOf(running))
    }
    this.#step(running, { kind: 'clock', random: random() })
  }

  #send(running: Running, packet: Uint8Array): void {
    let problem = this.#hearings.open(kindOf(running))
    if (problem === null) {
      try {
        running.sender ??= this.#ports.network.dial(running.wanted.path)
        problem = running.sender.send(packet)
      } catch (error) {
        problem = messageOf(error)
      }
    }
    if (problem === null) {
      running.sentPackets++
    } else if (running.session.state !== 'Up') {
      // Its interface or address may be another by now. A session that is Up keeps its source port.
      running.sender?.close()
      running.sender = null
    }
    if (problem !== running.sendProblem) {
      running.sendProblem = problem
      this.#reportProblem(running, problem)
    }
  }

  #hear(kind: HearingKind, arrival: Arrival): void {
    if (!kind.multihop && arrival.ttl !== singleHopTtl) {
      this.#refuse('ttl', null)
      return
    }
    const packet = decodePacket(arrival.bytes, arrival.length)
    if (typeof packet === 'string') {
      this.#refuse(packet, this.#findByAddress(kind, arrival))
      return
    }
    const { yourDiscriminator } = packet
    const running =
      yourDiscriminator === 0
        ? this.#findByAddress(kind, arrival)
        : this.#byDiscriminator.get(yourDiscriminator)
    if (running === undefined) {
      this.#refuse('unknown', null)
    } else if (running === null) {
      this.#refuseStranger(kind, arrival)
    } else if (running.wanted.path.multihop !== kind.multihop) {
      this.#refuse('wrong hop kind', running)
    } else if (!fits(running, arrival)) {
      this.#refuse('wrong address', running)
    } else {
      running.receivedPackets++
      this.#step(running, { kind: 'packet', packet })
    }
  }

  #findByAddress(kind: HearingKind, arrival: Arrival): Running | null {
    const candidates = this.#byRemote.get(remoteKey(kind.multihop, arrival.remoteAddress))
    return candidates?.find((running) => fits(running, arrival)) ?? null
  }

  /** Asks for a session that isn't here; perhaps for one that is set up differently at the two ends. */
  #refuseStranger(kind: HearingKind, { remoteAddress }: Arrival): void {
    const [elsewhere] = this.#byRemote.get(remoteKey(kind.multihop, remoteAddress)) ?? []
    const [otherwise] = this.#byRemote.get(remoteKey(!kind.multihop, remoteAddress)) ?? []
    if (elsewhere !== undefined) this.#refuse('wrong address', elsewhere)
    else if (otherwise !== undefined) this.#refuse('wrong hop kind', otherwise)
    else this.#refuse('unknown', null)
  }

  #refuse(why: Refusal, running: Running | null): void {
    this.#refusals.set(why, (this.#refusals.get(why) ?? 0) + 1)
    if (running === null) return
    running.refusedPackets++
    const problem = packetProblems[why] ?? `the remote sends malformed packets (${why})`
    if (running.session.state === 'Up' || problem === running.packetProblem) return
    running.packetProblem = problem
    this.#reportProblem(running, problem)
  }

  #reportProblem(running: Running, problem: string | null): void {
    const { remoteAddress } = running.wanted.path
    const data = { sessions: running.wanted.names.join(', ') }
    const { onEvent } = this.#ports
    if (problem === null) {
      onEvent({
        kind: 'bfd.note',
        level: 'info',
        text: `BFD with ${remoteAddress}: packets leave again`,
        data,
      })
    } else {
      const text = `BFD with ${remoteAddress}: ${problem}`
      onEvent({ kind: 'bfd.problem', level: 'warn', text, data })
    }
  }
}

const packetProblems: { readonly [why in Refusal]?: string } = {
  authentication:
    'the remote authenticates its packets, which is not supported: switch authentication off there',
  version: 'the remote speaks another version of BFD than 1',
  'wrong hop kind':
    'the remote answers with the other kind of hop: make both ends single hop, or both multihop',
  'wrong address':
    'the remote answers from another address or interface: set its source, or localAddress here',
}

function remoteKey(multihop: boolean, remoteAddress: string): string {
  return `${multihop} ${remoteAddress}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
