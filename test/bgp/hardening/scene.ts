/**
 * What the hardening tests share: a router under test with neighbours around it, all of them real
 * speakers joined by pipes on one fake clock, and one more neighbour that is only a script and does
 * whatever a test makes it do. The test then asks whether the others noticed.
 */
import { createSpeaker, type Speaker } from '../../../bgp/speaker.ts'
import type {
  Connection,
  ConnectionError,
  ConnectionEvents,
  NextHopState,
  PathView,
  PeerConfig,
  PeerView,
  SpeakerConfig,
  SpeakerEvent,
} from '../../../bgp/types.ts'
import { type Capability, multiprotocol } from '../../../bgp/wire/capability.ts'
import { Framer } from '../../../bgp/wire/framer.ts'
import { headerLength, maxExtendedLength, messageType } from '../../../bgp/wire/message.ts'
import { encodeOpen, type Open } from '../../../bgp/wire/open.ts'
import { FakeClock } from '../clock.ts'
import { PipeNetwork, type PipeOptions } from '../pipe.ts'
import { keepalive, message, peerConfig } from '../session/scene.ts'

export const ourAsn = 65001
export const ours = '10.0.0.1'
/** Two clients of the router under test, which reflects for them. */
export const clients = ['10.0.0.2', '10.0.0.3'] as const
/** The neighbour to be wary of, and its AS. */
export const stranger = '10.0.0.9'
export const strangerAsn = 65009

/** Numbers in [0, 1) from one seed (mulberry32). */
export function dice(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** One speaker on a host of its own, and everything it told its surroundings. */
export class Router {
  readonly speaker: Speaker
  readonly events: SpeakerEvent[] = []
  /** What the kernel writer was told, in order. */
  readonly orders: string[] = []
  readonly address: string
  #tell: (states: readonly NextHopState[]) => void = () => {}

  constructor(network: PipeNetwork, address: string, changes: Partial<SpeakerConfig> = {}) {
    const { clock } = network
    this.address = address
    this.speaker = createSpeaker(
      {
        asn: ourAsn,
        routerId: address,
        listen: [{ address, family: 4, port: 179 }],
        localPreference: 100,
        maxPaths: 16,
        asPathRelax: true,
        refuse: [],
        defaultRoute: 'Install',
        ...changes,
      },
      {
        clock,
        transport: network.host(address),
        random: network.options.random,
        tracker: {
          track: (nextHop) => {
            clock.schedule(0, () => this.reach(nextHop, true))
          },
          untrack: () => {},
          onChange: (listener) => {
            this.#tell = listener
          },
        },
        onRoutes: ({ count }) => this.orders.push(`${count} routes`),
        onEvent: (event) => this.events.push(event),
        onPath: (path, alive) => this.orders.push(`${path} ${alive ? 'alive' : 'dead'}`),
        onAvoid: (path, avoided) => this.orders.push(`${path} ${avoided ? 'avoided' : 'as usual'}`),
        selfAddress: (family) => (family === 'ipv4-unicast' ? address : null),
        subnetOf: () => '10.0.0.0/24',
      },
    )
  }

  /** What the kernel would say of a next hop. */
  reach(nextHop: string, reachable: boolean): void {
    this.#tell([{ nextHop, reachable, metric: 0 }])
  }

  view(name: string): PeerView {
    const view = this.speaker.views.peer(name)
    if (view === null) throw new Error(`${this.address} has no peer ${name}`)
    return view
  }

  /** Its paths from a peer, in the order of their prefixes. */
  pathsFrom(name: string): PathView[] {
    const query = {
      prefix: null,
      match: 'covered',
      view: 'all',
      limit: 10_000,
      after: null,
    } as const
    return this.speaker.views.paths(query).items.filter(({ peer }) => peer === name)
  }

  /** Prefixes a peer has told it, in order; `stale` ones bear a mark. */
  heardFrom(name: string): string[] {
    return this.pathsFrom(name).map(({ prefix, stale }) => (stale ? `${prefix} stale` : prefix))
  }

  /** Announces of itself exactly the prefixes with these numbers. */
  announce(numbers: readonly number[], communities: readonly string[] = []): void {
    this.speaker.announce(
      numbers.map((number) => ({ prefix: prefixOf(number), reason: 'a test', communities })),
    )
  }
}

export function prefixOf(number: number): string {
  return `10.${64 + (number >> 8)}.${number & 255}.0/24`
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}

export interface Site {
  readonly clock: FakeClock
  readonly network: PipeNetwork
  /** The router under test. */
  readonly router: Router
  /** Its healthy neighbours, Established, each with a hundred prefixes of its own. */
  readonly healthy: readonly [Router, Router]
}

const healthyRoutes = 100

/** The router under test between two healthy clients, and configured for a stranger. */
export async function buildSite(
  strange: Partial<PeerConfig> = {},
  options: Partial<PipeOptions> = {},
): Promise<Site> {
  const clock = new FakeClock()
  const network = new PipeNetwork(clock, { random: dice(9687), ...options })
  const router = new Router(network, ours)
  const healthy = [new Router(network, clients[0]), new Router(network, clients[1])] as const
  const client = { asn: ourAsn, localAsn: ourAsn, routeReflectorClient: true, clusterId: ours }
  await router.speaker.setPeers([
    peerConfig({ ...client, name: 'a', address: clients[0] }),
    peerConfig({ ...client, name: 'b', address: clients[1] }),
    strangeConfig(strange),
  ])
  await router.speaker.start()
  for (const [index, each] of healthy.entries()) {
    const reflector = { name: 'reflector', address: ours, asn: ourAsn, localAsn: ourAsn }
    await each.speaker.setPeers([peerConfig(reflector)])
    await each.speaker.start()
    each.announce(range(index * healthyRoutes, (index + 1) * healthyRoutes))
  }
  const site: Site = { clock, network, router, healthy }
  if (!clock.until(() => exchanged(site), 60_000)) throw new Error('the healthy ones are not up')
  return site
}

/** The stranger as the router under test knows it: passive, told everything. */
export function strangeConfig(changes: Partial<PeerConfig> = {}): PeerConfig {
  return peerConfig({
    name: 'stranger',
    address: stranger,
    asn: strangerAsn,
    localAsn: ourAsn,
    passive: true,
    export: 'All',
    ...changes,
  })
}

function exchanged({ router, healthy }: Site): boolean {
  return (
    ['a', 'b'].every((name) => router.view(name).state === 'Established') &&
    healthy.every(({ speaker }) => {
      const [family] = speaker.views.peer('reflector')?.families ?? []
      return family?.endOfRibReceived === true && family.received >= healthyRoutes
    })
  )
}

/** How many things have gone wrong for the healthy neighbours, in words; none is well. */
export function harmDone(site: Site): string[] {
  const { clock, router, healthy } = site
  const harm: string[] = []
  for (const [index, name] of (['a', 'b'] as const).entries()) {
    const { state, flaps, messages, holdSeconds, keepaliveSeconds } = router.view(name)
    const { received, sent } = messages
    if (state !== 'Established') harm.push(`${name} is ${state}`)
    if (flaps > 0) harm.push(`${name} fell ${flaps} times`)
    if (holdSeconds === null || keepaliveSeconds === null) throw new Error('no hold time')
    const due = Math.floor(clock.now() / 1000 / keepaliveSeconds) - 1
    const [heard, told] = [received, sent].map(({ keepalive, update }) => keepalive + update)
    if ((heard as number) < due) harm.push(`${name} was heard ${heard} of ${due} times`)
    if ((told as number) < due) harm.push(`${name} was told ${told} things instead of ${due}`)
    const [other, self] = [healthy[1 - index] as Router, healthy[index] as Router]
    const known = new Set(other.heardFrom('reflector'))
    for (const prefix of self.speaker.engine.announcements.keys()) {
      if (!known.has(prefix)) harm.push(`${prefix} of ${name} is missing at the other`)
    }
  }
  return harm
}

/** One end of a connection that says what it is told to, and remembers little of what it hears. */
export class Line implements ConnectionEvents {
  open = false
  closedBy: ConnectionError | null | 'nobody' = 'nobody'
  /** Code, subcode and data of the NOTIFICATION heard, as hex. */
  notification: string | null = null
  /** How many messages of each type were heard. */
  readonly heard = [0, 0, 0, 0, 0, 0]
  /** Called with every message. */
  onMessage: (bytes: Uint8Array) => void = () => {}
  readonly connection: Connection
  readonly #framer = new Framer()

  constructor(network: PipeNetwork, from: string) {
    const target = { address: ours, port: 179, localAddress: null, password: null }
    this.connection = network.host(from).dial({ ...target, ttl: null, minTtl: null }, this)
    this.#framer.maxLength = maxExtendedLength
  }

  say(...messages: readonly Uint8Array[]): void {
    this.connection.writeAll(messages)
  }

  connected(): void {
    this.open = true
  }

  data(bytes: Uint8Array): void {
    this.#framer.push(bytes, (type, start, end) => {
      const heard = this.#framer.bytes.slice(start, end)
      ;(this.heard[type] as number)++
      if (type === messageType.notification) {
        this.notification = Buffer.from(heard.subarray(headerLength)).toString('hex')
      }
      this.onMessage(heard)
    })
  }

  drained(): void {}

  closed(error: ConnectionError | null): void {
    this.open = false
    this.closedBy = error
  }
}

/** A connection of the stranger to the router under test. */
export function dial({ network }: Site, from: string = stranger): Line {
  return new Line(network, from)
}

/** Dials and greets; true once the session stands. */
export function connect(site: Site, open: Partial<Open> = {}): Line {
  const { clock, router } = site
  const up = () => router.view('stranger').state === 'Established'
  for (let attempts = 0; attempts < 20; attempts++) {
    const line = dial(site)
    clock.until(() => line.open, 1000)
    line.say(strangeOpen(open), keepalive)
    clock.until(() => up() || line.closedBy !== 'nobody', 10_000)
    if (up()) return line
    // It was turned away, because of what it did before.
    clock.advance(30_000)
  }
  throw new Error(`the stranger is not let in: ${router.view('stranger').reason}`)
}

/** Lets time pass until an order, which may wait for listeners and farewells, has been carried out. */
export async function settle({ clock }: Site, order: Promise<void> | void): Promise<void> {
  let over = false
  const done = Promise.resolve(order).then(() => {
    over = true
  })
  for (let turns = 0; !over && turns < 100; turns++) {
    clock.advance(100)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await done
}

export const plainCapabilities: readonly Capability[] = [
  multiprotocol('ipv4-unicast'),
  { kind: 'as4', asn: strangerAsn },
  { kind: 'routeRefresh' },
]

/** Graceful restart of IPv4 unicast as the stranger offers it. */
export function restartCapability(
  changes: Partial<Extract<Capability, { kind: 'gracefulRestart' }>> = {},
): Capability {
  const family = { family: 'ipv4-unicast', afi: 1, safi: 1, forwarding: true } as const
  return {
    kind: 'gracefulRestart',
    restarting: false,
    notification: false,
    seconds: 120,
    families: [family],
    ...changes,
  }
}

export function strangeOpen(changes: Partial<Open> = {}): Uint8Array {
  return encodeOpen({
    version: 4,
    asn: strangerAsn,
    holdSeconds: 90,
    routerId: 0x0a000009,
    capabilities: plainCapabilities,
    ...changes,
  })
}

export const refresh = message(5, '0001 00 01')
export const endOfRib = message(2, '0000 0000')

export interface Told {
  readonly numbers: readonly number[]
  /** AS_PATH, one sequence. */
  readonly path?: readonly number[]
  /** More attributes as hex, of a code above 3. */
  readonly more?: string
}

/** One UPDATE of the stranger, with at most 255 AS numbers a segment. */
export function announcing({ numbers, path = [strangerAsn], more = '' }: Told): Uint8Array {
  const segments = range(0, Math.ceil(path.length / 255)).map((index) => {
    const asns = path.slice(index * 255, (index + 1) * 255)
    return `02${hex(asns.length, 1)}${asns.map((asn) => hex(asn, 4)).join('')}`
  })
  const asPath = segments.join('')
  const attributes = `40010100 5002${hex(asPath.length / 2, 2)}${asPath} 400304 0a000009 ${more}`
  const octets = attributes.replace(/\s/g, '')
  return message(2, `0000 ${hex(octets.length / 2, 2)} ${octets} ${numbers.map(nlri).join('')}`)
}

export function withdrawing(numbers: readonly number[]): Uint8Array {
  const withdrawn = numbers.map(nlri).join('')
  return message(2, `${hex(withdrawn.length / 2, 2)} ${withdrawn} 0000`)
}

function nlri(number: number): string {
  return `180a${hex(64 + (number >> 8), 1)}${hex(number & 255, 1)}`
}

export function hex(value: number, octets: number): string {
  return value.toString(16).padStart(octets * 2, '0')
}
