/**
 * What the session tests share: a peer configuration, one PeerSession on a pipe with a record of what
 * it told its speaker, and a scripted peer that speaks raw messages.
 */

import { Greetings } from '../../../bgp/session/greeting.ts'
import { PeerSession, type SessionHandler } from '../../../bgp/session/peer.ts'
import { noRestart } from '../../../bgp/session/restart.ts'
import type {
  Connection,
  ConnectionError,
  ConnectionEvents,
  Incoming,
  Listener,
  PeerConfig,
  SpeakerEvent,
  Transport,
} from '../../../bgp/types.ts'
import type { Negotiated } from '../../../bgp/wire/context.ts'
import { encodeOpen, type Open } from '../../../bgp/wire/open.ts'
import { FakeClock } from '../clock.ts'
import { PipeNetwork, type PipeOptions } from '../pipe.ts'

export function peerConfig(overrides: Partial<PeerConfig> = {}): PeerConfig {
  return {
    name: 'rack',
    origin: 'BGPPeer rack',
    description: '',
    address: '10.0.0.2',
    range: null,
    rangeLimit: 0,
    port: 179,
    asn: 65002,
    localAsn: 65001,
    localAddress: null,
    passive: false,
    password: null,
    holdSeconds: 90,
    keepaliveSeconds: null,
    connectRetrySeconds: 5,
    families: ['ipv4-unicast'],
    routeReflectorClient: false,
    clusterId: null,
    nextHopMode: 'Auto',
    export: 'Auto',
    allowedLocalAsns: 0,
    asOverride: false,
    enforceFirstAs: true,
    ttlSecurity: null,
    ebgpMultihop: null,
    gracefulRestart: 'Enabled',
    restartSeconds: 120,
    staleSeconds: 360,
    addPathReceive: false,
    addPathSend: 'None',
    addPathLimit: null,
    maxPrefixes: null,
    bfd: null,
    filters: [],
    shutdown: false,
    shutdownMessage: null,
    heldDown: null,
    ...overrides,
  }
}

/** A PeerSession and everything it told its speaker. */
export class Speaker implements SessionHandler {
  readonly peer: PeerSession
  readonly log: string[] = []
  readonly events: SpeakerEvent[] = []
  readonly updates: Uint8Array[] = []
  ups = 0
  downs: string[] = []
  drains = 0
  /** Runs inside `update`; may throw. */
  onUpdate: (bytes: Uint8Array) => void = () => {}
  onDown: () => void = () => {}
  listener: Listener | null = null

  constructor(
    config: PeerConfig,
    clock: FakeClock,
    transport: Transport,
    routerId: number,
    random: () => number = () => 0.5,
  ) {
    const greetings = new Greetings()
    const identity = { routerId, restart: noRestart }
    this.peer = new PeerSession(config, {
      clock,
      transport,
      handler: this,
      random,
      greeting: (peer) => greetings.of(peer, identity),
    })
  }

  async listen(transport: Transport, port = 179): Promise<void> {
    this.listener = await transport.listen(
      { address: null, family: 4, port, backlog: 1 },
      (incoming) => this.peer.incoming(incoming),
    )
  }

  established(_peer: PeerSession, negotiated: Negotiated): void {
    this.ups += 1
    this.log.push(`up ${negotiated.peerAsn}`)
  }

  down(_peer: PeerSession, reason: string): void {
    this.downs.push(reason)
    this.log.push('down')
    this.onDown()
  }

  update(_peer: PeerSession, bytes: Uint8Array, _view: DataView, start: number, end: number): void {
    const message = bytes.slice(start, end)
    this.onUpdate(message)
    this.updates.push(message)
  }

  refresh(_peer: PeerSession, family: string, subtype: number): void {
    this.log.push(`refresh ${family} ${subtype}`)
  }

  drained(): void {
    this.drains += 1
  }

  event(event: SpeakerEvent): void {
    this.events.push(event)
  }
}

export const ourAddress = '10.0.0.1'
export const theirAddress = '10.0.0.2'
export const ourRouterId = 0x0a000001
export const theirRouterId = 0x0a000002

export interface Scene {
  readonly clock: FakeClock
  readonly network: PipeNetwork
  readonly speaker: Speaker
  readonly script: Script
}

/** One PeerSession against a scripted peer that listens on 10.0.0.2. */
export async function stage(
  overrides: Partial<PeerConfig> = {},
  options: Partial<PipeOptions> = {},
): Promise<Scene> {
  const clock = new FakeClock()
  const network = new PipeNetwork(clock, options)
  const transport = network.host(ourAddress)
  const speaker = new Speaker(peerConfig(overrides), clock, transport, ourRouterId)
  await speaker.listen(transport)
  const script = new Script(network.host(theirAddress))
  await script.listen()
  return { clock, network, speaker, script }
}

/** The scene after both OPENs and KEEPALIVEs. */
export async function stageEstablished(
  overrides: Partial<PeerConfig> = {},
  open: Partial<Open> = {},
  options: Partial<PipeOptions> = {},
): Promise<Scene> {
  const scene = await stage(overrides, options)
  scene.speaker.peer.start()
  scene.clock.until(() => scene.script.connections.length > 0, 100)
  scene.script.last.say(theirOpen(open), keepalive)
  scene.clock.advance(100)
  if (scene.speaker.peer.state !== 'Established') throw new Error(scene.speaker.peer.state)
  return scene
}

/** A PeerSession whose one connection is worked by hand, event by event. */
export function byHand(overrides: Partial<PeerConfig> = {}) {
  const clock = new FakeClock()
  let given: ConnectionEvents | null = null
  const connection: Connection = {
    localAddress: ourAddress,
    localPort: 40_000,
    remoteAddress: theirAddress,
    remotePort: 179,
    queuedBytes: 0,
    write: () => true,
    writeAll: () => true,
    pause() {},
    resume() {},
    end() {},
    destroy() {},
  }
  const transport: Transport = {
    dial(_options, events) {
      given = events
      return connection
    },
    listen: () => Promise.reject(new Error('nobody listens here')),
  }
  const speaker = new Speaker(peerConfig(overrides), clock, transport, ourRouterId)
  const events = (): ConnectionEvents => {
    if (given === null) throw new Error('nothing was dialled')
    return given
  }
  return { clock, speaker, events }
}

/** A peer that says only what it is told to say, and remembers what it heard. */
export class Script {
  readonly connections: Line[] = []
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  get last(): Line {
    const line = this.connections.at(-1)
    if (line === undefined) throw new Error('nobody has connected')
    return line
  }

  async listen(): Promise<Listener> {
    return this.#transport.listen(
      { address: null, family: 4, port: 179, backlog: 1 },
      (incoming) => {
        this.connections.push(new Line(incoming))
      },
    )
  }

  dial(address: string): Line {
    const line = new Line(null)
    const options = { address, port: 179, localAddress: null, password: null }
    line.connection = this.#transport.dial({ ...options, ttl: null, minTtl: null }, line)
    this.connections.push(line)
    return line
  }
}

/** One connection of a scripted peer. */
export class Line {
  connection: Connection
  open = false
  closedBy: ConnectionError | null | 'nobody' = 'nobody'
  #heard = new Uint8Array(0)

  constructor(incoming: Incoming | null) {
    if (incoming === null) {
      this.connection = null as unknown as Connection
    } else {
      this.open = true
      this.connection = incoming.accept(this)
    }
  }

  say(...messages: readonly Uint8Array[]): void {
    this.connection.writeAll(messages)
  }

  /** Types of the messages heard so far. */
  get types(): readonly number[] {
    return this.messages.map((message) => message[18] ?? 0)
  }

  get messages(): readonly Uint8Array[] {
    const found: Uint8Array[] = []
    for (let at = 0; at + 19 <= this.#heard.length; ) {
      const length = ((this.#heard[at + 16] ?? 0) << 8) | (this.#heard[at + 17] ?? 0)
      found.push(this.#heard.subarray(at, at + length))
      at += length
    }
    return found
  }

  /** Code, subcode and data of the NOTIFICATION heard, as hex; null without one. */
  get notification(): string | null {
    const message = this.messages.find((one) => one[18] === 3)
    return message === undefined ? null : Buffer.from(message.subarray(19)).toString('hex')
  }

  connected(): void {
    this.open = true
  }

  data(bytes: Uint8Array): void {
    this.#heard = Uint8Array.from([...this.#heard, ...bytes])
  }

  drained(): void {}

  closed(error: ConnectionError | null): void {
    this.open = false
    this.closedBy = error
  }
}

export function theirOpen(overrides: Partial<Open> = {}): Uint8Array {
  return encodeOpen({
    version: 4,
    asn: 65002,
    holdSeconds: 90,
    routerId: theirRouterId,
    capabilities: [
      { kind: 'multiprotocol', family: 'ipv4-unicast', afi: 1, safi: 1 },
      { kind: 'as4', asn: 65002 },
      { kind: 'routeRefresh' },
    ],
    ...overrides,
  })
}

/** A whole message of this type, from the hex of its body. */
export function message(type: number, body = ''): Uint8Array {
  const octets = Buffer.from(body.replace(/\s/g, ''), 'hex')
  const bytes = new Uint8Array(19 + octets.length).fill(0xff, 0, 16)
  new DataView(bytes.buffer).setUint16(16, bytes.length)
  bytes[18] = type
  bytes.set(octets, 19)
  return bytes
}

export const keepalive = message(4)
/** An UPDATE that withdraws nothing and announces nothing: End-of-RIB of IPv4 unicast. */
export const endOfRib = message(2, '0000 0000')
