/**
 * Two sessions against each other over a pipe that delays, loses and reorders: they come up whatever
 * happened before, and a pipe that loses nothing never takes them down.
 */
import fc from 'fast-check'
import t from 'tap'
import { decodePacket, encodePacket, type Packet } from '../../bgp/bfd/packet.ts'
import {
  createSession,
  type Session,
  type SessionAction,
  type SessionEvent,
  type SessionSettings,
  step,
  transmitIntervalMs,
  wakeAt,
} from '../../bgp/bfd/session.ts'
import { seed } from './scene.ts'

t.comment(`fast-check seed ${seed}`)

/** More events than this in one simulated run: the two chatter without end. */
const eventsMax = 200_000

interface Pipe {
  readonly lossRate: number
  readonly delayMs: number
  /** Up to so much more, at random; packets overtake each other. */
  readonly reorderMs: number
}

class Pair {
  now = 0
  readonly sessions: [Session, Session]
  /** Failures of either, and packets of both. */
  failures = 0
  packets = 0
  events = 0
  pipe: Pipe
  #under: { readonly at: number; readonly to: 0 | 1; readonly packet: Packet }[] = []
  readonly #random: () => number

  constructor(one: SessionSettings, other: SessionSettings, pipe: Pipe, random: () => number) {
    this.sessions = [createSession(1, one), createSession(2, other)]
    this.pipe = pipe
    this.#random = random
  }

  get up(): boolean {
    return this.sessions.every((session) => session.state === 'Up')
  }

  step(which: 0 | 1, event: SessionEvent): void {
    const [session, actions] = step(this.sessions[which], event, this.now)
    this.sessions[which] = session
    for (const action of actions) this.#perform(which, action)
  }

  /** Lets simulated time pass, until `end` or until `reached`. */
  run(milliseconds: number, reached: () => boolean = () => false): void {
    const end = this.now + milliseconds
    while (!reached()) {
      if (++this.events > eventsMax) throw new Error(`${eventsMax} events by ${this.now} ms`)
      const wakes = this.sessions.map((session) => wakeAt(session) ?? Infinity)
      const arrival = this.#under[0]?.at ?? Infinity
      const next = Math.min(...wakes, arrival)
      if (next > end) break
      this.now = Math.max(this.now, next)
      if (arrival === next) {
        const { to, packet } = this.#under.shift()!
        this.step(to, { kind: 'packet', packet })
      } else {
        this.step(wakes[0] === next ? 0 : 1, { kind: 'clock', random: this.#random() })
      }
    }
    if (!reached()) this.now = end
  }

  #perform(which: 0 | 1, action: SessionAction): void {
    if (action.kind === 'changed') {
      if (action.failed) this.failures++
      return
    }
    this.packets++
    if (this.#random() < this.pipe.lossRate) return
    const bytes = encodePacket(action.packet)
    const packet = decodePacket(bytes, bytes.length)
    if (typeof packet === 'string') throw new Error(`we send what we refuse: ${packet}`)
    const at = this.now + this.pipe.delayMs + this.#random() * this.pipe.reorderMs
    const later = this.#under.findIndex((one) => one.at > at)
    const place = later === -1 ? this.#under.length : later
    this.#under.splice(place, 0, { at, to: which === 0 ? 1 : 0, packet })
  }
}

const settings = fc.record<SessionSettings>({
  transmitMs: fc.integer({ min: 20, max: 2000 }),
  receiveMs: fc.integer({ min: 20, max: 2000 }),
  multiplier: fc.integer({ min: 2, max: 6 }),
})
const randomness = fc.integer({ min: 1, max: 2 ** 31 - 1 }).map(generator)

t.test('after any loss and reordering they come up and stay', async (t) => {
  const lossy = fc.record<Pipe>({
    lossRate: fc.double({ min: 0, max: 0.9, noNaN: true }),
    delayMs: fc.integer({ min: 0, max: 400 }),
    reorderMs: fc.integer({ min: 0, max: 400 }),
  })
  fc.assert(
    fc.property(settings, settings, lossy, randomness, (one, other, pipe, random) => {
      const pair = new Pair(one, other, pipe, random)
      pair.run(20_000)
      pair.pipe = { lossRate: 0, delayMs: 2, reorderMs: 3 }
      // What is under way may still disturb, and the longest detection time is 6 × 2 s.
      pair.run(1000)
      pair.run(60_000, () => pair.up)
      if (!pair.up) return false
      const failures = pair.failures
      pair.run(30_000)
      return pair.up && pair.failures === failures
    }),
    { seed, numRuns: 150 },
  )
  t.pass('150 pairs')
})

t.test('a pipe that loses nothing never takes them down, whatever is reconfigured', async (t) => {
  const changes = fc.array(
    fc.tuple(fc.constantFrom<0 | 1>(0, 1), settings, fc.integer({ min: 0, max: 5000 })),
    { maxLength: 8 },
  )
  const delays = fc.integer({ min: 0, max: 200 })
  fc.assert(
    fc.property(settings, settings, delays, changes, randomness, (one, other, ms, todo, random) => {
      const pair = new Pair(one, other, { lossRate: 0, delayMs: ms, reorderMs: 0 }, random)
      pair.run(60_000, () => pair.up)
      for (const [which, next, pause] of todo) {
        pair.step(which, { kind: 'configure', settings: next })
        pair.run(pause)
      }
      pair.run(30_000)
      const [a, b] = pair.sessions
      const agreed =
        transmitIntervalMs(a) === Math.max(a.settings.transmitMs, b.settings.receiveMs) &&
        transmitIntervalMs(b) === Math.max(b.settings.transmitMs, a.settings.receiveMs)
      return pair.up && pair.failures === 0 && agreed && a.poll === 'idle' && b.poll === 'idle'
    }),
    { seed, numRuns: 150 },
  )
  t.pass('150 pairs')
})

t.test('with nothing to learn they send no more than agreed', async (t) => {
  const fast = { transmitMs: 50, receiveMs: 50, multiplier: 3 }
  const pair = new Pair(fast, fast, { lossRate: 0, delayMs: 1, reorderMs: 0 }, generator(7))
  pair.run(10_000, () => pair.up)
  t.ok(pair.now < 20, `up after ${pair.now} ms: every change is told at once`)
  const before = pair.packets
  pair.run(10_000)
  const perSecond = (pair.packets - before) / 10 / 2
  t.ok(perSecond >= 20 && perSecond <= 1000 / 37.5, `${perSecond} packets a second each`)
})

t.test('a multiplier of 1 holds when nothing is lost', async (t) => {
  const nervous = { transmitMs: 50, receiveMs: 50, multiplier: 1 }
  const pair = new Pair(nervous, nervous, { lossRate: 0, delayMs: 1, reorderMs: 3 }, generator(9))
  pair.run(10_000, () => pair.up)
  pair.run(60_000)
  t.ok(pair.up)
  t.equal(pair.failures, 0)
})

t.test('a cut is noticed by both within their detection time, in any pair', async (t) => {
  fc.assert(
    fc.property(settings, settings, randomness, (one, other, random) => {
      const pair = new Pair(one, other, { lossRate: 0, delayMs: 1, reorderMs: 0 }, random)
      pair.run(60_000, () => pair.up)
      pair.run(10_000)
      pair.pipe = { lossRate: 1, delayMs: 0, reorderMs: 0 }
      const [a, b] = pair.sessions
      const slowest = Math.max(
        b.settings.multiplier * Math.max(a.settings.receiveMs, b.settings.transmitMs),
        a.settings.multiplier * Math.max(b.settings.receiveMs, a.settings.transmitMs),
      )
      const cutAt = pair.now
      pair.run(60_000, () => pair.sessions.every((session) => session.state === 'Down'))
      return pair.failures === 2 && pair.now - cutAt <= slowest + 2
    }),
    { seed, numRuns: 100 },
  )
  t.pass('100 pairs')
})

t.test('a hostile remote gets one packet a packet at most, and sane timers', async (t) => {
  const interval = fc.oneof(fc.constantFrom(0, 1, 0xffff_ffff), fc.nat({ max: 2_000_000 }))
  const packets = fc.record<Packet>({
    state: fc.constantFrom('AdminDown', 'Down', 'Init', 'Up'),
    diagnostic: fc.nat({ max: 31 }),
    poll: fc.boolean(),
    final: fc.boolean(),
    demand: fc.boolean(),
    multiplier: fc.integer({ min: 1, max: 255 }),
    myDiscriminator: fc.integer({ min: 1, max: 3 }),
    yourDiscriminator: fc.nat({ max: 3 }),
    desiredTransmitMicros: interval,
    requiredReceiveMicros: interval,
  })
  const moments = fc.array(fc.tuple(packets, fc.nat({ max: 2000 })), { maxLength: 60 })
  fc.assert(
    fc.property(settings, moments, randomness, (own, heard, random) => {
      let session = createSession(1, own)
      let now = 0
      for (const [packet, pause] of heard) {
        const [next, actions] = step(session, { kind: 'packet', packet }, now)
        if (actions.filter((action) => action.kind === 'send').length > 1) return false
        now += pause
        const [later] = step(next, { kind: 'clock', random: random() }, now)
        session = later
        const slowest = transmitIntervalMs(session) ?? Number.POSITIVE_INFINITY
        if (Number.isNaN(wakeAt(session)) || slowest < own.transmitMs) return false
      }
      return true
    }),
    { seed, numRuns: 300 },
  )
  t.pass('300 remotes')
})

/** xorshift32: the same numbers for the same seed. */
function generator(start: number): () => number {
  let state = start
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
