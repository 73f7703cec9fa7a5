/**
 * The world of a replay: a clock that stands where the recording says, connections that carry what
 * it holds, and next hops that can all be reached. Nothing here happens by itself.
 */
import type { LaneName } from '../session/record-events.ts'
import type {
  Clock,
  Connection,
  ConnectionError,
  ConnectionEvents,
  DialOptions,
  Incoming,
  Listener,
  NextHopState,
  NextHopTracker,
  Timer,
  Transport,
} from '../types.ts'

/**
 * A timer that is due may still run out this much later in the recording: a busy event loop is late.
 * What is due for longer didn't run out then, and does in the replay.
 */
export const latenessMs = 2000

/** Callbacks at one instant; one that schedules itself again and again would never end. */
const runsPerInstantMax = 100_000

interface Due {
  readonly at: number
  readonly prompt: boolean
  readonly run: () => void
}

export class ReplayClock implements Clock {
  #now = 0
  /** Unix milliseconds at `now() === 0`; grows by every gap, over which time stands still. */
  #epoch: number
  readonly #queue = new Set<Due>()

  constructor(unixMs: number) {
    this.#epoch = unixMs
  }

  now(): number {
    return this.#now
  }

  wall(): number {
    return this.#epoch + this.#now
  }

  schedule(milliseconds: number, run: () => void): Timer {
    const prompt = milliseconds <= 0
    const due: Due = { at: this.#now + (prompt ? 0 : milliseconds + latenessMs), prompt, run }
    this.#queue.add(due)
    return { cancel: () => void this.#queue.delete(due) }
  }

  /** Goes to this moment; what is overdue by then runs on the way. */
  advance(unixMs: number): void {
    const end = Math.max(this.#now, unixMs - this.#epoch)
    this.#run((due) => due.at <= end)
    this.#now = end
  }

  /** Goes to this moment and runs nothing: what is overdue may be what is to happen now. */
  reach(unixMs: number): void {
    this.#now = Math.max(this.#now, unixMs - this.#epoch)
  }

  /** Goes to this moment as if no time had passed. */
  skip(unixMs: number): void {
    this.#epoch = unixMs - this.#now
  }

  /** Runs what waits for the next turn of the event loop. */
  prompt(): void {
    this.#run((due) => due.prompt)
  }

  #run(wanted: (due: Due) => boolean): void {
    for (let runs = 0; ; runs++) {
      let next: Due | null = null
      for (const due of this.#queue) {
        if (wanted(due) && (next === null || due.at < next.at)) next = due
      }
      if (next === null) return
      if (runs > runsPerInstantMax) throw new RangeError('the replay does not come to rest')
      this.#queue.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.run()
    }
  }
}

/** One connection of the recording. */
export class ReplayConnection implements Connection {
  readonly localPort = 0
  readonly remoteAddress: string
  readonly remotePort: number
  localAddress: string
  /** As recorded; what is written doesn't count here. */
  queuedBytes = 0
  paused = false
  /** We ended it, or the other side did. */
  over = false
  readonly #events: ConnectionEvents

  constructor(
    events: ConnectionEvents,
    remoteAddress: string,
    remotePort: number,
    localAddress: string,
  ) {
    this.#events = events
    this.remoteAddress = remoteAddress
    this.remotePort = remotePort
    this.localAddress = localAddress
  }

  write(): boolean {
    return !this.over
  }

  writeAll(): boolean {
    return !this.over
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  end(): void {
    this.over = true
  }

  destroy(): void {
    this.over = true
  }

  connected(localAddress: string): void {
    if (this.over) return
    this.localAddress = localAddress
    this.#events.connected()
  }

  data(bytes: Uint8Array): void {
    if (!this.over) this.#events.data(bytes)
  }

  drained(): void {
    this.queuedBytes = 0
    if (!this.over) this.#events.drained()
  }

  closed(error: ConnectionError | null): void {
    if (this.over) return
    this.over = true
    this.#events.closed(error)
  }
}

export class ReplayTransport implements Transport {
  /** The newest connection of each lane. */
  outgoing: ReplayConnection | null = null
  incoming: ReplayConnection | null = null
  second: ReplayConnection | null = null

  dial(options: DialOptions, events: ConnectionEvents): Connection {
    const { address, port, localAddress } = options
    this.outgoing = new ReplayConnection(events, address, port, localAddress ?? '')
    return this.outgoing
  }

  /** A connection of the peer; one that is turned away leaves the others as they are. */
  arrive(remoteAddress: string, remotePort: number, localAddress: string): Incoming {
    return {
      remoteAddress,
      remotePort,
      localAddress,
      accept: (events) => {
        const connection = new ReplayConnection(events, remoteAddress, remotePort, localAddress)
        this.#arrived = connection
        return connection
      },
      setTtl() {},
      reject() {},
    }
  }

  #arrived: ReplayConnection | null = null

  /** Called when the session has answered what arrived, and was named so in the recording. */
  settle(lane: LaneName): void {
    if (this.#arrived !== null && !this.#arrived.over) this[lane] = this.#arrived
    this.#arrived = null
  }

  async listen(): Promise<Listener> {
    throw new RangeError('a replay listens nowhere')
  }
}

/** Every next hop can be reached at metric 0: the kernel's view isn't recorded. */
export class ReachableNextHops implements NextHopTracker {
  readonly #clock: Clock
  #listener: (states: readonly NextHopState[]) => void = () => {}

  constructor(clock: Clock) {
    this.#clock = clock
  }

  track(nextHop: string): void {
    const state: NextHopState = { nextHop, reachable: true, metric: 0 }
    this.#clock.schedule(0, () => this.#listener([state]))
  }

  untrack(): void {}

  onChange(listener: (states: readonly NextHopState[]) => void): void {
    this.#listener = listener
  }
}
