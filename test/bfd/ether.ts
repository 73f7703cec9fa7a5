/**
 * A network in memory, for engines of BFD: what one sends, another hears at once if it listens. Faked
 * at the port, so that everything above it is the real thing.
 */
import { BfdEngine } from '../../bgp/bfd/index.ts'
import { decodePacket, encodePacket, type Packet } from '../../bgp/bfd/packet.ts'
import type {
  Arrival,
  BfdEvent,
  BfdNetwork,
  BfdPath,
  BfdState,
  Ear,
  HearingKind,
  Sender,
} from '../../bgp/bfd/types.ts'
import type { FakeClock } from '../bgp/clock.ts'

interface Listener {
  readonly host: Host
  readonly kind: HearingKind
  readonly hear: (arrival: Arrival) => void
  readonly waiting: Arrival[]
}

/** Everything that connects hosts. What sessions send arrives with the next turn of the clock. */
export class Ether {
  readonly listeners: Listener[] = []
  /** Nothing gets through. */
  cut = false
  /** The receiving threads are busy: packets are kept for whoever asks. */
  held = false

  carry(arrival: Arrival, kind: HearingKind, to: string): void {
    if (this.cut) return
    for (const one of this.listeners) {
      const fits = one.kind.family === kind.family && one.kind.multihop === kind.multihop
      if (!fits || !one.host.addresses.includes(to)) continue
      one.waiting.push(arrival)
      if (!this.held) drain(one)
    }
  }
}

/** An engine with addresses, and everything it said. */
export class Host implements BfdNetwork {
  readonly addresses: readonly string[]
  readonly engine: BfdEngine
  readonly states: BfdState[] = []
  readonly events: BfdEvent[] = []
  /** Every packet it sent, in order. */
  readonly sent: { readonly path: BfdPath; readonly packet: Packet }[] = []
  /** Sockets that are open now. */
  senders = 0
  /** What opening a socket, or sending, fails with; null: it works. */
  listenFault: string | null = null
  dialFault: string | null = null
  sendFault: string | null = null
  ttl: number | null = 255
  readonly #ether: Ether
  readonly #clock: FakeClock

  constructor(ether: Ether, clock: FakeClock, addresses: readonly string[]) {
    this.#ether = ether
    this.#clock = clock
    this.addresses = addresses
    let discriminator = 0
    this.engine = new BfdEngine({
      network: this,
      clock,
      random: () => 0.5,
      newDiscriminator: () => ++discriminator,
      onState: (state) => this.states.push(state),
      onEvent: (event) => this.events.push(event),
    })
  }

  get hearing(): number {
    return this.#ether.listeners.filter((one) => one.host === this).length
  }

  listen(kind: HearingKind, hear: (arrival: Arrival) => void): Ear {
    if (this.listenFault !== null) throw new Error(this.listenFault)
    const listener: Listener = { host: this, kind, hear, waiting: [] }
    const { listeners } = this.#ether
    listeners.push(listener)
    return {
      receive: () => drain(listener),
      close: () => listeners.splice(listeners.indexOf(listener), 1),
    }
  }

  dial(path: BfdPath): Sender {
    if (this.dialFault !== null) throw new Error(this.dialFault)
    this.senders++
    return {
      send: (bytes) => {
        if (this.sendFault !== null) return this.sendFault
        const packet = decodePacket(bytes, bytes.length)
        if (typeof packet === 'string') throw new Error(`we send what we refuse: ${packet}`)
        this.sent.push({ path, packet })
        this.#clock.schedule(0, () => this.transmit(bytes, path))
        return null
      },
      close: () => {
        this.senders--
      },
    }
  }

  /** Any bytes, as if they were a session's; heard at once. */
  transmit(bytes: Uint8Array, path: BfdPath): void {
    const family = path.remoteAddress.includes(':') ? 6 : 4
    const own =
      path.localAddress ?? this.addresses.find((one) => one.includes(':') === (family === 6))
    const arrival: Arrival = {
      bytes,
      length: bytes.length,
      remoteAddress: own ?? '',
      localAddress: path.remoteAddress,
      interface: path.interface ?? 'eth0',
      ttl: this.ttl,
    }
    this.#ether.carry(arrival, { family, multihop: path.multihop }, path.remoteAddress)
  }

  transmitPacket(packet: Packet, path: BfdPath): void {
    this.transmit(encodePacket(packet), path)
  }

  last(name: string): BfdState | undefined {
    return this.states.findLast((one) => one.name === name)
  }
}

function drain({ waiting, hear }: Listener): void {
  while (waiting.length > 0) hear(waiting.shift()!)
}
