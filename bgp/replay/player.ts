/**
 * Plays a recording (session/record-events.ts) through a real Speaker: one peer, a transport that is
 * nothing but the recording, and a clock that stands where the recording says. Inputs are applied in
 * their order, timers included, since when exactly one ran out was a matter of jitter and load; a
 * timer that is overdue here and didn't run out there shows all the same. What the session does goes
 * on the same kind of tape, and is compared with what it did then.
 *
 * Not in a recording, and so not played: the other peers' routes. What they made the session send is
 * an input. Where events were lost, the connection that stood is brought about from its OPENs, and
 * time stands still over the gap.
 */

import type { PeerEntry } from '../peer-entry.ts'
import { formatIpv4, parseIpv4 } from '../prefix.ts'
import {
  isOutput,
  type LaneName,
  type RecordedEvent,
  type RecordedGap,
  type RecordedInput,
  type RecordedOutput,
  type Recording,
} from '../session/record-events.ts'
import { noRestart, type OwnRestart } from '../session/restart.ts'
import { Speaker } from '../speaker.ts'
import type { PeerConfig, PeerView, SessionState, SpeakerConfig } from '../types.ts'
import type { Negotiated } from '../wire/context.ts'
import { type DescribedMessage, MessageDecoder } from '../wire/decode.ts'
import { messageType } from '../wire/message.ts'
import { decodeOpen } from '../wire/open.ts'
import { compareDeeds, type Deed, type StrayTimer } from './deeds.ts'
import { ReachableNextHops, ReplayClock, ReplayTransport } from './ports.ts'

export interface ReplayStep {
  /** Unix milliseconds. */
  readonly at: number
  readonly input: RecordedInput | RecordedGap
  /** The message at hand, read as the session reads it; null where there is none. */
  readonly message: DescribedMessage | null
  /** What the session did, then and now. */
  readonly deeds: readonly (Deed & { readonly message: DescribedMessage | null })[]
  /** What the tables said of it: limits, malformed UPDATEs, End-of-RIB. */
  readonly remarks: readonly string[]
  /** Where the session stands in the replay. */
  readonly state: SessionState
  /** False while the replay isn't where the recording begins yet: differences mean nothing there. */
  readonly compared: boolean
}

export interface Replay {
  readonly steps: AsyncGenerator<ReplayStep>
  /** The peer as the API would show it now. */
  view(): PeerView | null
}

/** @throws RangeError for a recording without events, or whose peer no session can be made of */
export function replaySession(recording: Recording): Replay {
  const player = new Player(recording)
  return { steps: player.play(), view: () => player.view() }
}

type Input = (RecordedInput | RecordedGap) & { readonly at: number }
type Handlers = {
  readonly [E in Input['event']]: (event: Extract<Input, { event: E }>) => unknown
}

/** An input, and what the session did about it. */
interface Group {
  readonly input: Input
  readonly outputs: RecordedOutput[]
}

/** Who we said we are, in an OPEN. */
interface Identity {
  readonly routerId: number
  readonly restart: OwnRestart
}

const unknownIdentity: Identity = { routerId: parseIpv4('192.0.2.1'), restart: noRestart }

/** Something to read messages by before anything was negotiated. */
const unagreed: Negotiated = {
  ebgp: true,
  localAsn: 0,
  peerAsn: 0,
  localRouterId: 0,
  peerRouterId: 0,
  as4: true,
  families: ['ipv4-unicast', 'ipv6-unicast'],
  addPathReceive: [],
  addPathSend: [],
  extendedMessage: true,
  extendedNextHop: true,
  refresh: true,
  enhancedRefresh: true,
  holdSeconds: null,
  keepaliveSeconds: null,
  peerRestart: null,
}

class Player {
  readonly #clock: ReplayClock
  readonly #transport = new ReplayTransport()
  readonly #decoder = new MessageDecoder()
  readonly #groups: readonly Group[]
  /** By place: as the next OPEN we sent says, or else the last one. */
  readonly #identities: readonly Identity[]
  readonly #remarks: string[] = []
  readonly #first: PeerConfig
  #name: string
  #config: SpeakerConfig
  readonly #speaker: Speaker
  #position = 0
  /** Before the gap, where there is one. */
  #opening: boolean
  #compared: boolean

  constructor({ peer, events }: Recording) {
    this.#groups = groupEvents(events)
    this.#identities = identitiesOf(this.#groups)
    const [first] = this.#groups
    if (first === undefined) throw new RangeError('the recording holds no event to begin with')
    this.#first = peer
    this.#name = peer.name
    this.#opening = events.some(({ event }) => event === 'gap')
    this.#compared = !this.#opening
    this.#clock = new ReplayClock(first.input.at)
    this.#config = speakerConfig(peer, this.#identity())
    this.#speaker = new Speaker(this.#config, {
      clock: this.#clock,
      transport: this.#transport,
      // The longest that a jittered timer can take: what is overdue then was overdue at any rate.
      random: () => 1,
      tracker: new ReachableNextHops(this.#clock),
      onRoutes: () => {},
      onEvent: ({ kind, text }) => {
        if (tablesTell.has(kind)) this.#remarks.push(text)
      },
      selfAddress: (family, local) =>
        local.includes(':') === (family === 'ipv6-unicast') ? local : null,
      subnetOf: () => null,
    })
  }

  view(): PeerView | null {
    this.#clock.prompt()
    return this.#speaker.views.peer(this.#name)
  }

  async *play(): AsyncGenerator<ReplayStep> {
    await this.#speaker.setPeers([this.#first])
    if (this.#opening) await this.#begin()
    for (const group of this.#groups) {
      yield await this.#step(group)
      this.#position += 1
    }
  }

  get #entry(): PeerEntry {
    const entry = this.#speaker.entry(this.#name)
    if (entry === null) throw new RangeError(`the recording has no peer ${this.#name}`)
    return entry
  }

  /** The session ran when the first event that is left happened. */
  async #begin(): Promise<void> {
    const gap = this.#groups.find(({ input }) => input.event === 'gap')?.input as RecordedGap
    this.#assume(this.#identity())
    if (gap.started) this.#entry.session.start()
    this.#drain()
  }

  async #step({ input, outputs }: Group): Promise<ReplayStep> {
    if (input.event === 'gap') this.#clock.skip(input.at)
    else if (input.event === 'timer') this.#clock.reach(input.at)
    else this.#clock.advance(input.at)
    const strays = this.#drain()
    this.#assume(this.#identity())
    // What it is read by must be asked first: the message may end the session.
    const message = this.#read(input)
    const missing = await this.#apply(input)
    // One more look at the sockets is recorded as a timer; other turns of the loop are not.
    if (input.event !== 'timer') this.#clock.prompt()
    const done = [...strays, ...withoutCause(this.#drain(), input)]
    const compared = this.#judge(input, outputs)
    return {
      at: input.at,
      input,
      message,
      deeds: compareDeeds([...missing, ...outputs], done).map((deed) => ({
        ...deed,
        message: deed.what.event === 'sent' ? this.#describe(deed.what.hex) : null,
      })),
      remarks: this.#remarks.splice(0),
      state: this.#entry.session.state,
      compared,
    }
  }

  /** @returns what was to happen and can't in the replay */
  async #apply(input: Input): Promise<readonly StrayTimer[]> {
    if (input.event !== 'timer') {
      await (this.#handlers[input.event] as (input: Input) => unknown)(input)
      return []
    }
    const { lane, timer, queuedBytes } = input
    if (lane !== 'peer') {
      const connection = this.#transport[lane]
      if (connection !== null) connection.queuedBytes = queuedBytes
    }
    return this.#entry.session.expire(lane, timer) ? [] : [input]
  }

  readonly #handlers: Omit<Handlers, 'timer'> = {
    start: () => this.#entry.session.start(),
    // Its promise waits for a farewell to leave, which nothing here ever hinders.
    stop: ({ fault, text }) => void this.#entry.session.stop(fault, text ?? undefined),
    reset: ({ text }) => this.#reset(text),
    fail: ({ fault, reason }) => this.#entry.session.fail(fault, reason),
    configure: (event) => this.#configure(event.config, event.fault),
    accept: ({ localAddress, remotePort, lane }) => {
      const { session } = this.#entry
      const address = session.config.address ?? ''
      session.incoming(this.#transport.arrive(address, remotePort, localAddress))
      this.#transport.settle(lane === 'refused' ? 'incoming' : lane)
    },
    connected: ({ lane, localAddress }) => this.#transport[lane]?.connected(localAddress),
    received: ({ lane, hex }) => this.#deliver(lane, hex),
    fragment: ({ lane, hex }) => this.#deliver(lane, hex),
    handed: ({ lane, bytes, queuedBytes }) => {
      const connection = this.#transport[lane]
      if (connection !== null) connection.queuedBytes = queuedBytes
      this.#entry.session.send([new Uint8Array(bytes)], 0)
    },
    drained: ({ lane }) => this.#transport[lane]?.drained(),
    closed: ({ lane, error }) => this.#transport[lane]?.closed(error),
    gap: () => {
      this.#opening = false
      // What is left of the last event lost: the connection it ended.
      for (const { lane } of this.#outputs('ended')) this.#transport[lane]?.closed(null)
    },
  }

  #deliver(lane: LaneName, hex: string): void {
    const connection = this.#transport[lane]
    // Reading rests until the loop comes round: the recorded message came after that.
    if (connection?.paused) this.#clock.prompt()
    connection?.data(octets(hex))
  }

  /** A reset may have been due to a new router id, which the next OPEN says. */
  async #reset(text: string | null): Promise<void> {
    const { routerId } = this.#identity()
    if (routerId === parseIpv4(this.#config.routerId)) {
      this.#entry.session.reset(text ?? undefined)
    } else {
      this.#config = { ...this.#config, routerId: formatIpv4(routerId) }
      await this.#speaker.configure(this.#config)
    }
  }

  /** The speaker may have done it by itself already (maxPrefixes): then nothing is left to do. */
  async #configure(
    config: PeerConfig,
    fault: Extract<RecordedInput, { event: 'configure' }>['fault'],
  ): Promise<void> {
    if (config.heldDown === null) this.#entry.overLimit = null
    if (fault === 'cease/maxPrefixes') this.#entry.session.reconfigure(config, fault)
    await this.#speaker.setPeers([config])
    this.#name = config.name
  }

  /** Whether this step counts, and whether the next ones will. */
  #judge(input: Input, outputs: readonly RecordedOutput[]): boolean {
    const counts = this.#compared
    if (counts || this.#opening) return counts
    const last = outputs.findLast((output) => output.event === 'state')
    const wanted = last?.to ?? (input.event === 'gap' ? input.state : null)
    this.#compared = wanted === this.#entry.session.state
    return false
  }

  #outputs<E extends RecordedOutput['event']>(kind: E): Extract<RecordedOutput, { event: E }>[] {
    const { outputs } = this.#groups[this.#position] as Group
    return outputs.filter((one): one is Extract<RecordedOutput, { event: E }> => one.event === kind)
  }

  /** What the session did since the last call; timers are among it. */
  #drain(): (RecordedOutput | StrayTimer)[] {
    return this.#entry.session.tape
      .drain()
      .filter((event): event is (RecordedOutput | StrayTimer) & { at: number } => {
        return isOutput(event) || event.event === 'timer'
      })
  }

  /** What is asked of the OPEN to come. The tables stay silent: what they sent is on the tape. */
  #assume({ restart }: Identity): void {
    this.#speaker.restart = restart
    this.#speaker.engine.deferring = true
  }

  #identity(): Identity {
    return this.#identities[this.#position] ?? unknownIdentity
  }

  #read(input: Input): DescribedMessage | null {
    if (!('hex' in input) || input.hex === null) return null
    const { negotiated } = this.#entry.session
    if (input.event !== 'handed' || negotiated === null) return this.#describe(input.hex)
    // What we send is read as the peer reads it.
    const { localAsn, peerAsn, addPathSend } = negotiated
    const seen = { localAsn: peerAsn, peerAsn: localAsn, addPathReceive: addPathSend }
    return this.#decoder.describe(octets(input.hex), { ...negotiated, ...seen })
  }

  #describe(hex: string): DescribedMessage {
    return this.#decoder.describe(octets(hex), this.#entry.session.negotiated ?? unagreed)
  }
}

/** Events that the speaker tells of a session, and the session itself doesn't. */
const tablesTell: ReadonlySet<string> = new Set([
  'update.fault',
  'peer.limit',
  'peer.endOfRib',
  'peer.restart',
])

function groupEvents(events: readonly RecordedEvent[]): Group[] {
  const groups: Group[] = []
  for (const event of events) {
    if (!isOutput(event)) groups.push({ input: event, outputs: [] })
    else groups.at(-1)?.outputs.push(event)
  }
  return groups
}

/** A timer that the recording let run out is no deed of the session. */
function withoutCause(done: readonly Deed['what'][], input: Input): Deed['what'][] {
  if (input.event !== 'timer') return [...done]
  const cause = done.findIndex(
    (one) => one.event === 'timer' && one.lane === input.lane && one.timer === input.timer,
  )
  return done.filter((_, index) => index !== cause)
}

function identitiesOf(groups: readonly Group[]): Identity[] {
  const said = groups.map(({ outputs }) => outputs.flatMap(identityIn)[0])
  let next = said.findLast((one) => one !== undefined) ?? unknownIdentity
  return said
    .reverse()
    .map((one) => {
      next = one ?? next
      return next
    })
    .reverse()
}

function identityIn(output: RecordedOutput): Identity[] {
  if (output.event !== 'sent') return []
  const bytes = octets(output.hex)
  if (bytes[18] !== messageType.open) return []
  const open = decodeOpen(bytes, new DataView(bytes.buffer), 0, bytes.length)
  const said = open.capabilities.find(({ kind }) => kind === 'gracefulRestart')
  const { restarting, families } =
    said?.kind === 'gracefulRestart' ? said : { restarting: false, families: [] }
  const forwarding = families.flatMap(({ family, forwarding }) =>
    family !== null && forwarding ? [family] : [],
  )
  return [{ routerId: open.routerId, restart: { restarting, forwarding } }]
}

/** What only the other sessions and the kernel look at is as it comes. */
function speakerConfig(peer: PeerConfig, { routerId }: Identity): SpeakerConfig {
  return {
    asn: peer.localAsn,
    routerId: formatIpv4(routerId),
    listen: [],
    localPreference: 100,
    maxPaths: 16,
    asPathRelax: false,
    refuse: [],
    defaultRoute: 'Install',
  }
}

function octets(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16)
  return bytes
}
