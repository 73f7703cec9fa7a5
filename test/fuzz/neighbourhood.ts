/**
 * One speaker with two peers, in memory and on a clock of its own, so that days pass in seconds: a
 * healthy router whose routes, keepalives and state nothing may touch and to whom only sound UPDATEs
 * may go, and beside it a partner that says what it is given.
 */
import { strict as assert } from 'node:assert'
import { createSpeaker, type Speaker } from '../../bgp/speaker.ts'
import type { Connection, ConnectionEvents, NextHopState, PeerConfig } from '../../bgp/types.ts'
import { encodeOwnAttributes } from '../../bgp/wire/attribute.ts'
import { Writer } from '../../bgp/wire/bytes.ts'
import { multiprotocol } from '../../bgp/wire/capability.ts'
import { UpdateWriter } from '../../bgp/wire/encode.ts'
import { keepaliveMessage } from '../../bgp/wire/message.ts'
import { encodeOpen } from '../../bgp/wire/open.ts'
import { rewriteAttributes } from '../../bgp/wire/rewrite.ts'
import { UpdateReader } from '../../bgp/wire/update.ts'
import { FakeClock } from '../bgp/clock.ts'
import { PipeNetwork } from '../bgp/pipe.ts'
import { peerConfig, Speaker as Router } from '../bgp/session/scene.ts'

const ours = '10.0.0.1'
const healthyAddress = '10.0.0.2'
const victimAddress = '10.0.0.3'
export const healthyRoutes = 200
const bothFamilies = ['ipv4-unicast', 'ipv6-unicast'] as const

export class Neighbourhood {
  readonly clock = new FakeClock()
  /** The broken peer; to the speaker it is `victim`. */
  readonly partner: Partner
  readonly #speaker: Speaker
  readonly #healthy: Router
  readonly #reader = new UpdateReader()
  #tell: (states: readonly NextHopState[]) => void = () => {}
  /** By prefix, as it was before the first broken message. */
  #before = ''

  constructor(random: () => number) {
    const network = new PipeNetwork(this.clock, { random, delayMs: 1, chunkMax: 20_000 })
    this.#speaker = this.#createSpeaker(network, random)
    const router = { address: ours, asn: 65001, localAsn: 65001, families: bothFamilies }
    this.#healthy = new Router(
      peerConfig({ ...router, name: 'reflector' }),
      this.clock,
      network.host(healthyAddress),
      0x0a000002,
      random,
    )
    this.#healthy.onUpdate = (bytes) => this.#checkSound(bytes)
    this.partner = new Partner(network)
  }

  /** Brings the healthy session up and its routes in. */
  async start(): Promise<void> {
    await this.#speaker.start()
    await this.#speaker.setPeers([
      passive({ name: 'healthy', address: healthyAddress, asn: 65001 }),
      passive({ name: 'victim', address: victimAddress, asn: 65003, export: 'All' }),
    ])
    this.#healthy.peer.start()
    assert(this.clock.until(() => this.#healthy.peer.state === 'Established', 60_000))
    this.#healthy.peer.send([announcements()], healthyRoutes)
    assert(this.clock.until(() => this.#received() === healthyRoutes, 60_000))
    this.#before = this.#routesOfHealthy()
  }

  /** After an error the peer isn't let in for a while: an hour of the clock is more than it takes. */
  connect(): void {
    for (let attempts = 0; attempts < 120 && !this.up; attempts++) {
      this.partner.dial()
      this.clock.until(() => this.up || !this.partner.open, 30_000)
      if (!this.up) this.clock.advance(30_000)
    }
    assert(this.up, 'the victim takes a sound peer back')
  }

  /** The victim's session is Established. */
  get up(): boolean {
    return this.view('victim').state === 'Established'
  }

  view(name: 'healthy' | 'victim') {
    const view = this.#speaker.views.peer(name)
    assert(view !== null)
    return view
  }

  /** That the healthy session, its routes and its keepalives are as if nothing had happened. */
  check(): void {
    const { flaps, state, messages } = this.view('healthy')
    assert.equal(state, 'Established', 'the healthy session stands')
    assert.equal(flaps, 0, 'and never fell')
    assert.equal(this.#healthy.downs.length, 0, 'nor from its own side')
    assert.equal(this.#routesOfHealthy(), this.#before, 'its routes are untouched')
    const due = Math.floor(this.clock.now() / 30_000)
    assert(
      messages.received.keepalive >= due,
      `${messages.received.keepalive} keepalives of ${due}`,
    )
    // Whatever is sent says as much as a KEEPALIVE; then those are fewer.
    assert(messages.sent.keepalive + messages.sent.update >= due, 'it hears from us')
  }

  /** Ends everything; nothing of the victim may be left in the tables. */
  async stop(): Promise<void> {
    this.partner.hangUp()
    // Longer than any graceful restart would keep what the victim said.
    this.clock.advance(3_600_000)
    this.check()
    const { paths } = this.#speaker.views.counts()
    assert.deepEqual(paths, { 'ipv4-unicast': healthyRoutes, 'ipv6-unicast': 0 })
    const closed = this.#speaker.close(true)
    this.clock.advance(10_000)
    await closed
  }

  #createSpeaker(network: PipeNetwork, random: () => number): Speaker {
    const settings = {
      asn: 65001,
      routerId: ours,
      listen: [{ address: ours, family: 4, port: 179 } as const],
      localPreference: 100,
      maxPaths: 16,
      asPathRelax: true,
      refuse: [],
      defaultRoute: 'Install',
    } as const
    return createSpeaker(settings, {
      clock: this.clock,
      transport: network.host(ours),
      random,
      tracker: {
        track: (nextHop) => {
          this.clock.schedule(0, () => this.#tell([{ nextHop, reachable: true, metric: 0 }]))
        },
        untrack: () => {},
        onChange: (listener) => {
          this.#tell = listener
        },
      },
      onRoutes: () => {},
      onEvent: () => {},
      selfAddress: (family) => (family === 'ipv4-unicast' ? ours : '2001:db8::1'),
      subnetOf: () => '10.0.0.0/24',
    })
  }

  #received(): number {
    const { families } = this.view('healthy')
    return families.find(({ family }) => family === 'ipv4-unicast')?.received ?? 0
  }

  #routesOfHealthy(): string {
    const { items } = this.#speaker.views.peerPaths('healthy', 'received', 2 * healthyRoutes, null)
    return items
      .map(({ prefix, nextHops, attributes }) => JSON.stringify([prefix, nextHops, attributes]))
      .sort()
      .join('\n')
  }

  /** What we pass on to others is sound, whatever we were told. */
  #checkSound(bytes: Uint8Array): void {
    const { negotiated } = this.#healthy.peer
    assert(negotiated !== null)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#reader.read(bytes, view, 0, bytes.length, negotiated)
    this.#reader.check(negotiated)
    assert.deepEqual(this.#reader.faults, [], 'what we send has no faults')
    // The record of the scene would grow with every message.
    this.#healthy.updates.length = 0
    this.#healthy.log.length = 0
    this.#healthy.events.length = 0
  }
}

function passive(overrides: Partial<PeerConfig>): PeerConfig {
  return peerConfig({ passive: true, families: bothFamilies, ...overrides })
}

/** The healthy router's routes, 100.64.N.0/24, as one block of UPDATEs. */
function announcements(): Uint8Array {
  const own = encodeOwnAttributes({ origin: 'igp', localPref: 200, med: 7, communities: ['1:2'] })
  const attributes = new Writer(1024)
  const edit = {
    prependAsn: 0,
    prependCount: 0,
    localPref: 200,
    keepMed: true,
    originatorId: null,
    prependClusterId: null,
    replaceAsn: null,
    as4: true,
    nextHop: Uint8Array.of(10, 0, 0, 2),
    stripReflection: false,
  }
  rewriteAttributes(own, 0, own.length, edit, attributes)
  const out = new Writer(0x10000)
  const writer = new UpdateWriter(out)
  for (let i = 0; i < healthyRoutes; i++) {
    const { buffer, position } = attributes
    writer.beginAnnounce('ipv4-unicast', buffer, position, new Uint8Array(4), 4096)
    writer.addPrefix(Uint32Array.of((0x64400000 + i * 256) >>> 0), 0, 24, -1)
    writer.finish()
  }
  return out.written()
}

/** Speaks the handshake soundly, and then whatever it is given; hears nothing. */
class Partner implements ConnectionEvents {
  /** Hold time it asks for, in seconds. */
  holdSeconds = 0
  readonly #network: PipeNetwork
  #connection: Connection | null = null
  #over = true

  constructor(network: PipeNetwork) {
    this.#network = network
  }

  get open(): boolean {
    return !this.#over
  }

  dial(): void {
    this.#over = false
    const target = { address: ours, port: 179, localAddress: null, password: null }
    const options = { ...target, ttl: null, minTtl: null }
    this.#connection = this.#network.host(victimAddress).dial(options, this)
  }

  /** Gives how many octets were not read yet. */
  say(blocks: readonly Uint8Array[]): number {
    if (!this.#over) this.#connection?.writeAll(blocks)
    return this.#connection?.queuedBytes ?? 0
  }

  /** Reads nothing from now on. */
  pause(): void {
    this.#connection?.pause()
  }

  hangUp(): void {
    this.#connection?.destroy()
    this.#over = true
  }

  connected(): void {
    const open = encodeOpen({
      version: 4,
      asn: 65003,
      holdSeconds: this.holdSeconds,
      routerId: 0x0a000003,
      capabilities: [
        ...bothFamilies.map(multiprotocol),
        { kind: 'as4', asn: 65003 },
        { kind: 'extendedMessage' },
      ],
    })
    this.say([open, keepaliveMessage])
  }

  data(): void {}

  drained(): void {}

  closed(): void {
    this.#over = true
  }
}
