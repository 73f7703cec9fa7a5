/**
 * All players in one process: brings their sessions up, keeps them alive, notes what they receive,
 * and waits for states. Time is read once a read; waiting costs a comparison of counters, so the
 * generator isn't what is measured (the relay's rows in the results say how much it is).
 */
import { Board, effect } from './board.ts'
import type { Counters, Job } from './job.ts'
import { type Listener, Player } from './player.ts'
import { foreign, type Universe } from './universe.ts'
import { ended, measureUsage } from './usage.ts'
import {
  encodeKeepalive,
  encodeOpen,
  formatAddress,
  headerBytes,
  messageType,
  parseAddress,
  UpdateScan,
  word,
} from './wire.ts'

const holdSecondsUsual = 180
/** A connection attempt that isn't a session by then begins anew. */
const attemptMsMax = 30_000
const tickMs = 50
/** A daemon that neither sends nor computes for so long has nothing more to say. */
const silentMsUsual = 10_000
/** Computing less than this share of the time is being idle. */
const idleShare = 0.05
/** One UPDATE of so many has its ORIGINATOR_ID and CLUSTER_LIST looked at. */
const reflectionSample = 16

/** A phase that did not get where it should; the message says how far it got. */
export class PhaseFailure extends Error {}
/** One that might have got there, with more time. */
export class OutOfTime extends PhaseFailure {}

interface Waiting {
  readonly done: () => boolean
  readonly resolve: (reached: boolean) => void
}

export class Load implements Listener {
  readonly job: Job
  readonly universe: Universe
  readonly players: Player[] = []
  readonly board = new Board()
  readonly counters: Counters = {
    updates: 0,
    prefixes: 0,
    withdrawals: 0,
    same: 0,
    own: 0,
    foreign: 0,
    malformed: 0,
    connects: 0,
    sessionsLost: 0,
    reflectionsChecked: 0,
    reflectionFaults: 0,
  }
  up = 0
  /** Called when a session has come up. */
  onUp: ((player: Player) => void) | null = null
  #settingUp = 0
  #parallel = 0
  /** Players that are wanted and have no connection; looked through when one may be begun. */
  #idle: Player[] = []
  #lastReadAt = 0
  /** Why connections broke: the newest reason, for errors. */
  #lastBreak = ''
  #waiting: Waiting | null = null
  readonly #scan = new UpdateScan()
  readonly #keepalive = encodeKeepalive()
  readonly #holdSeconds: number
  readonly #ticker: NodeJS.Timeout

  constructor(job: Job, universe: Universe, holdSeconds = holdSecondsUsual) {
    this.job = job
    this.universe = universe
    this.#holdSeconds = holdSeconds
    this.#ticker = setInterval(() => this.#tick(), tickMs)
  }

  add(count: number): Player[] {
    const first = this.players.length
    for (let number = first; number < first + count; number++) {
      this.players.push(new Player(number, formatAddress(this.universe.addressOf(number))))
    }
    return this.players.slice(first)
  }

  close(): void {
    clearInterval(this.#ticker)
    for (const player of this.players) player.close()
  }

  // Sessions

  /** Asks for these players' sessions; resolves when all are up. Gives the seconds to the last. */
  async bringUp(players: readonly Player[], parallel = this.job.parallel): Promise<number> {
    const start = performance.now()
    const wanted = this.up + players.length
    for (const player of players) {
      player.wanted = true
      player.retryAt = 0
      player.failures = 0
    }
    this.#idle.push(...players)
    this.#parallel = parallel
    this.#connectDue(start)
    const describe = () => {
      const reason = this.#lastBreak === '' ? '' : `; the last that broke: ${this.#lastBreak}`
      return `${this.up} of ${wanted} sessions are up${reason}`
    }
    await this.until('sessions', () => this.up >= wanted, describe, true)
    return secondsSince(start, Math.max(...players.map((player) => player.upAt)))
  }

  /** Ends a session as a crash would: TCP closes, no NOTIFICATION. */
  crash(player: Player): void {
    player.wanted = false
    this.#left(player)
  }

  #connectDue(now: number): void {
    const later: Player[] = []
    for (const player of this.#idle) {
      const room = this.#parallel === 0 || this.#settingUp < this.#parallel
      if (!player.wanted || player.state !== 'idle') continue
      if (!room || now < player.retryAt) {
        later.push(player)
        continue
      }
      this.counters.connects++
      this.#settingUp++
      player.connect(this.job.address, this.job.port, this, now)
    }
    this.#idle = later
  }

  connected(player: Player): void {
    player.state = 'opening'
    const open = encodeOpen({
      asn: this.job.asn,
      holdSeconds: this.#holdSeconds,
      routerId: parseAddress(player.address),
      // Received only: what we announce stays without path ids.
      addPath: player.pathSink !== null ? 1 : 0,
    })
    player.send(open, performance.now())
  }

  broke(player: Player, reason: string): void {
    this.#lastBreak = `${player.address} (${player.state}): ${reason}`
    if (player.state === 'up') this.counters.sessionsLost++
    this.#left(player)
    if (!player.wanted) return
    player.retryAt = performance.now() + 100 * 2 ** Math.min(player.failures, 6)
    player.failures++
    this.#idle.push(player)
    this.#check()
  }

  /** Takes a connection out of the counts and closes it. */
  #left(player: Player): void {
    if (player.state === 'up') this.up--
    else if (player.state !== 'idle') this.#settingUp--
    player.close()
    if (player.sink !== null) this.board.clear(player.sink)
    player.pathSink?.clear()
  }

  // What is received

  message(player: Player, bytes: Uint8Array, start: number, end: number, now: number): void {
    const type = bytes[start + headerBytes - 1]
    if (type === messageType.update) this.#update(player, bytes, start, end, now)
    else if (type === messageType.open) player.send(this.#keepalive, now)
    else if (type === messageType.keepalive) {
      player.hearKeepalive(now)
      if (player.state === 'opening') this.#isUp(player, now)
    } else if (type === messageType.notification) {
      this.broke(player, `NOTIFICATION ${bytes[start + 19]}/${bytes[start + 20]}`)
    }
  }

  #isUp(player: Player, now: number): void {
    player.state = 'up'
    player.upAt = now
    player.failures = 0
    this.up++
    this.#settingUp--
    if (this.#idle.length > 0) this.#connectDue(now)
    this.onUp?.(player)
  }

  read(player: Player, now: number): void {
    this.#lastReadAt = now
    if (player.sink !== null) this.board.evaluate(player.sink, now)
    this.#check()
  }

  #update(player: Player, bytes: Uint8Array, start: number, end: number, now: number): void {
    const { counters } = this
    const scan = this.#scan
    if (!scan.read(bytes, start, end)) {
      counters.malformed++
      return
    }
    if (player.sink === null && player.pathSink === null) return
    counters.updates++
    if (scan.withdrawnStart < scan.withdrawnEnd) {
      this.#prefixes(player, bytes, scan.withdrawnStart, scan.withdrawnEnd, 0, now)
    }
    if (scan.prefixesStart === end) return
    const from = scan.nextHop - this.universe.playerBase + 1
    if (from < 1 || from > this.players.length) {
      counters.foreign++
      return
    }
    if (this.job.reflects && counters.updates % reflectionSample === 1) this.#checkReflection(scan)
    this.#prefixes(player, bytes, scan.prefixesStart, end, from, now)
  }

  /** Every announcer's router id is its address, which is also its next hop. */
  #checkReflection(scan: UpdateScan): void {
    this.counters.reflectionsChecked++
    const listed = scan.clusterListBytes >= 4 && scan.clusterListBytes % 4 === 0
    if (!listed || scan.originator !== scan.nextHop) this.counters.reflectionFaults++
  }

  #prefixes(
    player: Player,
    bytes: Uint8Array,
    start: number,
    end: number,
    from: number,
    now: number,
  ): void {
    const { counters, universe } = this
    const { sink, pathSink } = player
    const withPath = pathSink !== null
    let at = start
    while (at < end) {
      const pathId = withPath ? word(bytes, at) : 0
      if (withPath) at += 4
      const length = bytes[at] as number
      const octets = (length + 7) >> 3
      let address = 0
      for (let octet = 1; octet <= octets; octet++) {
        address += (bytes[at + octet] as number) * (octetWeights[octet - 1] as number)
      }
      at += 1 + octets
      const number = octets > 4 || at > end ? foreign : universe.numberOf(address, length)
      if (from === 0) counters.withdrawals++
      else counters.prefixes++
      let what: number = effect.foreign
      if (sink !== null) what = this.board.put(sink, number, from)
      else if (pathSink !== null) what = pathSink.put(number, pathId, from)
      if (what === effect.same) counters.same++
      else if (what === effect.own) counters.own++
      else if (what === effect.foreign) counters.foreign++
      else if (sink !== null) sink.lastUpdateAt = now
      else if (pathSink !== null) pathSink.lastUpdateAt = now
    }
  }

  // Waiting

  /** Resolves when `done`; a PhaseFailure says, in the words of `describe`, what is missing. */
  async until(
    phase: string,
    done: () => boolean,
    describe: () => string,
    sessionsMayBreak = false,
  ): Promise<void> {
    const silence = this.#watchSilence(performance.now())
    const lostBefore = this.counters.sessionsLost
    const lost = () => !sessionsMayBreak && this.counters.sessionsLost > lostBefore
    for (;;) {
      const over = await this.#wait(() => lost() || done(), 1000)
      if (lost()) throw new PhaseFailure(`${phase}: lost the session of ${this.#lastBreak}`)
      if (over) return
      const gone = ended(this.job.pids)
      if (gone.length > 0) throw new PhaseFailure(`${phase}: the daemon ended; ${describe()}`)
      const now = performance.now()
      if (this.#isOver(now)) {
        throw new OutOfTime(
          `did not finish in ${this.job.timeoutSeconds} s; ${phase}: ${describe()}`,
        )
      }
      if (this.#settingUp === 0 && this.#idle.length === 0 && silence(now)) {
        throw new PhaseFailure(`${phase}: the daemon has gone quiet, and ${describe()}`)
      }
    }
  }

  /**
   * Resolves with true when `done`, or with false when the daemon has neither sent nor computed for
   * `quietMs`.
   */
  async untilQuiet(phase: string, done: () => boolean, quietMs: number): Promise<boolean> {
    const silence = this.#watchSilence(performance.now(), quietMs)
    for (;;) {
      if (await this.#wait(done, quietMs / 4)) return true
      const now = performance.now()
      if (silence(now)) return false
      if (this.#isOver(now)) {
        throw new OutOfTime(`did not finish in ${this.job.timeoutSeconds} s; it was at ${phase}`)
      }
    }
  }

  /** Clocks of Node begin with the process. */
  #isOver(now: number): boolean {
    return now > this.job.timeoutSeconds * 1000
  }

  /** Resolves when nothing was received for `quietMs`, or after `limitMs`. */
  async settle(quietMs = 500, limitMs = 10_000): Promise<void> {
    const start = performance.now()
    this.#lastReadAt = start
    while (performance.now() - start < limitMs) {
      const left = quietMs - (performance.now() - this.#lastReadAt)
      if (left <= 0) return
      await this.pause(left)
    }
  }

  pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, milliseconds))
  }

  #wait(done: () => boolean, milliseconds: number): Promise<boolean> {
    if (done()) return Promise.resolve(true)
    return new Promise((resolve) => {
      const timer = setTimeout(() => settled(false), milliseconds)
      const settled = (reached: boolean) => {
        this.#waiting = null
        clearTimeout(timer)
        resolve(reached)
      }
      this.#waiting = { done, resolve: settled }
    })
  }

  #check(): void {
    if (this.#waiting?.done()) this.#waiting.resolve(true)
  }

  /** Tells, asked now and then, whether the daemon has been silent and idle for so long. */
  #watchSilence(start: number, silentMs = silentMsUsual): (now: number) => boolean {
    let since = start
    let cpuSeconds = measureUsage(this.job.pids).cpuSeconds
    return (now) => {
      if (this.#lastReadAt > since) since = this.#lastReadAt
      if (now - since < silentMs) return false
      const used = measureUsage(this.job.pids).cpuSeconds
      const idle = used - cpuSeconds < (idleShare * silentMs) / 1000
      since = now
      cpuSeconds = used
      return idle
    }
  }

  #tick(): void {
    const now = performance.now()
    const keepaliveMs = (this.#holdSeconds * 1000) / 3
    for (const player of this.players) {
      const setting = player.state === 'connecting' || player.state === 'opening'
      if (setting && now - player.startedAt > attemptMsMax) this.broke(player, 'no session in time')
      if (player.state === 'up' && now - player.lastSentAt > keepaliveMs - tickMs) {
        player.send(this.#keepalive, now)
      }
    }
    if (this.#idle.length > 0) this.#connectDue(now)
  }
}

/** Not shifted: a first octet of 128 and more would turn negative. */
const octetWeights = [0x1000000, 0x10000, 0x100, 1]

export function secondsSince(start: number, at: number): number {
  return Math.max(0, at - start) / 1000
}
