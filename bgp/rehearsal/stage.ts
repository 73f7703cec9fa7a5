/**
 * A stage of a rehearsal: a speaker of its own, whose only peers are the players on it, whose next
 * hops can all be reached, and which tells nobody of its routes and events. All addresses are of
 * ranges for examples and measurements that no network has, and none of them is ever opened.
 */
import { formatIpv4, parseIpv4 } from '../prefix.ts'
import { createSpeaker, type Speaker } from '../speaker.ts'
import type {
  Clock,
  Incoming,
  NextHopState,
  PeerConfig,
  SpeakerConfig,
  Transport,
} from '../types.ts'
import { RehearsalClock } from './clock.ts'
import { RehearsalConnection } from './connection.ts'
import { announceOwn, sayHello, withdrawOwn } from './lines.ts'

const asn = 64512
const ownAddress = '192.0.2.1'
const port = 179
const playersRange = '198.18.0.0/15'
const firstPlayer = parseIpv4('198.18.0.0')

/** What is left of a real agent's defaults changes nothing here. */
const speakerConfig: SpeakerConfig = {
  asn,
  routerId: ownAddress,
  listen: [{ address: ownAddress, family: 4, port }],
  localPreference: 100,
  maxPaths: 16,
  asPathRelax: true,
  refuse: [],
  defaultRoute: 'Ignore',
}

/** Nodes as clients of a reflector. */
const playersConfig: PeerConfig = {
  name: 'players',
  origin: 'rehearsal',
  description: '',
  address: null,
  range: playersRange,
  rangeLimit: 10_000,
  port,
  asn,
  localAsn: asn,
  localAddress: null,
  passive: true,
  password: null,
  holdSeconds: 90,
  keepaliveSeconds: null,
  connectRetrySeconds: 5,
  families: ['ipv4-unicast'],
  routeReflectorClient: true,
  clusterId: ownAddress,
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
}

/** A node that comes, says what it has, and goes. */
export class Player {
  /** Its address, and next hop, as a 32-bit number. */
  readonly address: number
  readonly #number: number
  readonly #connect: (address: string) => RehearsalConnection
  #connection: RehearsalConnection | null = null

  constructor(number: number, connect: (address: string) => RehearsalConnection) {
    this.address = firstPlayer + number
    this.#number = number
    this.#connect = connect
  }

  enter(): void {
    this.#connection = this.#connect(formatIpv4(this.address))
    this.say(sayHello(asn, this.address))
  }

  leave(): void {
    this.#connection?.hangUp()
  }

  announceOwn(): void {
    this.say(announceOwn(this.address, this.#number))
  }

  withdrawOwn(): void {
    this.say(withdrawOwn(this.#number))
  }

  say(bytes: Uint8Array): void {
    this.#connection?.say(bytes)
  }
}

export class Stage {
  readonly speaker: Speaker
  readonly players: readonly Player[]
  readonly #clock: RehearsalClock
  #accept: (incoming: Incoming) => void = () => {}
  #tell: (states: readonly NextHopState[]) => void = () => {}

  /** @param players how many; they are numbered from 1 */
  constructor(real: Clock, players: number) {
    this.#clock = new RehearsalClock(real)
    this.speaker = createSpeaker(speakerConfig, {
      clock: this.#clock,
      transport: this.#transport(),
      random: () => 0.5,
      tracker: {
        track: (nextHop) =>
          this.#clock.schedule(0, () => this.#tell([{ nextHop, reachable: true, metric: 0 }])),
        untrack: () => {},
        onChange: (listener) => {
          this.#tell = listener
        },
      },
      onRoutes: () => {},
      onEvent: () => {},
      selfAddress: (family, local) => (family === 'ipv4-unicast' ? local : null),
      subnetOf: () => null,
    })
    const connect = (address: string): RehearsalConnection => this.#connect(address)
    this.players = Array.from({ length: players }, (_, i) => new Player(i + 1, connect))
  }

  async open(): Promise<void> {
    await this.speaker.setPeers([playersConfig])
    await this.speaker.start()
  }

  /** One turn of everything on this stage; false: all has settled. */
  turn(): boolean {
    return this.#clock.turn()
  }

  #transport(): Transport {
    return {
      dial: () => {
        throw new RangeError('nobody is dialled in a rehearsal: its players come by themselves')
      },
      listen: async (_options, accept) => {
        this.#accept = accept
        return { port, setKeys() {}, close() {} }
      },
    }
  }

  #connect(address: string): RehearsalConnection {
    const connection = new RehearsalConnection(this.#clock, ownAddress, port, address)
    this.#accept(connection.incoming)
    return connection
  }
}
