/** The state machine of one session, cell by cell, and its timers as numbers. RFC 5880 §6. */
import t from 'tap'
import type { Packet } from '../../bgp/bfd/packet.ts'
import {
  createSession,
  detectAt,
  detectionMs,
  type Session,
  type SessionAction,
  step,
  transmitIntervalMs,
  wakeAt,
} from '../../bgp/bfd/session.ts'
import type { BfdStateName } from '../../bgp/bfd/types.ts'

const settings = { transmitMs: 50, receiveMs: 60, multiplier: 3 }
const states: readonly BfdStateName[] = ['AdminDown', 'Down', 'Init', 'Up']

const fromRemote: Packet = {
  state: 'Down',
  diagnostic: 0,
  poll: false,
  final: false,
  demand: false,
  multiplier: 4,
  myDiscriminator: 77,
  yourDiscriminator: 1,
  desiredTransmitMicros: 1_000_000,
  requiredReceiveMicros: 70_000,
}

/** Feeds packets and orders at given times; keeps the actions of the last. */
class Subject {
  session: Session = createSession(1, settings)
  actions: readonly SessionAction[] = []
  now = 0

  hear(packet: Partial<Packet>): this {
    return this.#step({ kind: 'packet', packet: { ...fromRemote, ...packet } })
  }

  /** Lets time pass to `now`, in one step. */
  at(now: number, random = 0.5): this {
    this.now = now
    return this.#step({ kind: 'clock', random })
  }

  /** Lets time pass unattended, as between two events. */
  later(now: number): this {
    this.now = now
    return this
  }

  configure(change: Partial<typeof settings>): this {
    return this.#step({ kind: 'configure', settings: { ...this.session.settings, ...change } })
  }

  disable(): this {
    return this.#step({ kind: 'disable' })
  }

  enable(): this {
    return this.#step({ kind: 'enable' })
  }

  get sent(): readonly Packet[] {
    return this.actions.flatMap((action) => (action.kind === 'send' ? [action.packet] : []))
  }

  get failed(): boolean {
    return this.actions.some((action) => action.kind === 'changed' && action.failed)
  }

  #step(event: Parameters<typeof step>[1]): this {
    const [session, actions] = step(this.session, event, this.now)
    this.session = session
    this.actions = actions
    return this
  }
}

function inState(state: BfdStateName): Subject {
  const subject = new Subject().at(0)
  if (state === 'AdminDown') return subject.disable()
  if (state === 'Down') return subject
  subject.hear({ state: 'Down' })
  return state === 'Init' ? subject : subject.hear({ state: 'Up', desiredTransmitMicros: 50_000 })
}

/** Own state, received state → next state, diagnostic when it changes. RFC 5880 §6.8.6. */
const cells: { readonly [own in BfdStateName]: readonly (readonly [BfdStateName, number])[] } = {
  AdminDown: [
    ['AdminDown', 7],
    ['AdminDown', 7],
    ['AdminDown', 7],
    ['AdminDown', 7],
  ],
  Down: [
    ['Down', 0],
    ['Init', 0],
    ['Up', 0],
    ['Down', 0],
  ],
  Init: [
    ['Down', 3],
    ['Init', 0],
    ['Up', 0],
    ['Up', 0],
  ],
  Up: [
    ['Down', 3],
    ['Down', 3],
    ['Up', 0],
    ['Up', 0],
  ],
}

t.test('every state against every received state', async (t) => {
  for (const own of states) {
    for (const [index, heard] of states.entries()) {
      const subject = inState(own)
      t.equal(subject.session.state, own)
      subject.hear({ state: heard })
      const [next, diagnostic] = cells[own][index]!
      t.equal(subject.session.state, next, `${own} hears ${heard}`)
      t.equal(subject.session.diagnostic, diagnostic, `${own} hears ${heard}: diagnostic`)
      const told = subject.sent.length
      t.equal(told, next === own ? 0 : 1, 'a change is told at once, nothing else is')
    }
  }
})

t.test('only a path that was up can fail, and not by order', async (t) => {
  t.ok(inState('Up').hear({ state: 'Down' }).failed, 'the remote says it lost us')
  t.ok(inState('Up').at(1_000_000).failed, 'silence')
  t.notOk(inState('Up').hear({ state: 'AdminDown' }).failed, 'the remote was told to stop')
  t.notOk(inState('Up').disable().failed, 'we were')
  t.notOk(inState('Init').at(1_000_000).failed, 'it never was up')
})

t.test('the first packet leaves at once and asks for little', async (t) => {
  const subject = new Subject()
  t.equal(wakeAt(subject.session), Number.NEGATIVE_INFINITY)
  subject.at(0)
  t.match(subject.sent, [
    {
      state: 'Down',
      myDiscriminator: 1,
      yourDiscriminator: 0,
      multiplier: 3,
      desiredTransmitMicros: 1_000_000,
      requiredReceiveMicros: 60_000,
      poll: false,
      final: false,
    },
  ])
})

t.test('what is not Up sends once a second, or slower where it was set so', async (t) => {
  t.equal(transmitIntervalMs(inState('Down').session), 1000)
  t.equal(transmitIntervalMs(inState('Init').session), 1000)
  t.equal(transmitIntervalMs(inState('AdminDown').session), 1000)
  t.equal(transmitIntervalMs(inState('Down').configure({ transmitMs: 5000 }).session), 5000)
})

t.test('what is Up sends as fast as both ends agree', async (t) => {
  const subject = inState('Up')
  t.equal(transmitIntervalMs(subject.session), 70, 'no faster than the remote can take it')
  subject.hear({ state: 'Up', requiredReceiveMicros: 20_000 })
  t.equal(transmitIntervalMs(subject.session), 50, 'no faster than we are set to')
})

t.test('the new state goes out with a Poll, which a Final ends', async (t) => {
  const subject = inState('Up')
  t.match(subject.sent, [{ state: 'Up', poll: true, desiredTransmitMicros: 50_000 }])
  t.match(subject.at(100).sent, [{ poll: true }], 'as long as nobody answers')
  subject.hear({ state: 'Up', final: true })
  t.match(subject.at(200).sent, [{ poll: false }])
})

t.test('a Poll is answered with a Final at once, whatever the timers say', async (t) => {
  for (const state of ['Down', 'Init', 'Up'] as const) {
    const subject = inState(state)
    const before = wakeAt(subject.session)
    subject.hear({ state: state === 'Down' ? 'Up' : state, poll: true })
    const own = subject.session.state
    t.match(subject.sent, [{ state: own, final: true, poll: false }], state)
    if (own === state) t.equal(wakeAt(subject.session), before, 'beside the periodic packets')
  }
  t.same(inState('AdminDown').hear({ poll: true }).sent, [])
})

t.test('a Poll that changes the state gets one answer, which says so', async (t) => {
  const subject = inState('Init').hear({ state: 'Up', poll: true })
  t.match(subject.sent, [{ state: 'Up', final: true, poll: false }])
  t.match(subject.at(100).sent, [{ poll: true }], 'our own Poll follows')
})

t.test('detection time is the remote multiplier times the slower of both', async (t) => {
  const subject = inState('Up')
  t.equal(detectionMs(subject.session), 4 * 60, 'our limit on receiving is the slower one')
  subject.hear({ state: 'Up', desiredTransmitMicros: 90_000 })
  t.equal(detectionMs(subject.session), 4 * 90)
  subject.hear({ state: 'Up', desiredTransmitMicros: 90_000, multiplier: 1 })
  t.equal(detectionMs(subject.session), 90)
})

t.test('a remote that speaks slowly still is given its time when we are Up already', async (t) => {
  const subject = inState('Init').hear({ state: 'Init', desiredTransmitMicros: 1_000_000 })
  t.equal(subject.session.state, 'Up')
  t.equal(detectionMs(subject.session), 4000)
})

t.test('silence ends a session at the detection time, and not before', async (t) => {
  const subject = inState('Up')
  const silent = detectAt(subject.session)!
  t.equal(silent, 240)
  t.equal(subject.at(silent - 0.001).session.state, 'Up')
  subject.at(silent)
  t.match(subject.session, { state: 'Down', diagnostic: 1, heardAt: null })
  t.match(subject.sent, [{ state: 'Down', diagnostic: 1, yourDiscriminator: 0 }])
  t.equal(transmitIntervalMs(subject.session), 1000)
  t.equal(detectAt(subject.session), null)
})

t.test('a remote that falls silent is forgotten in any state', async (t) => {
  const subject = inState('Init').at(10_000)
  t.match(subject.session, { state: 'Down', diagnostic: 1 })
  const admin = inState('AdminDown').hear({ state: 'Up' })
  t.equal(admin.session.remote.discriminator, 77)
  admin.at(10_000)
  t.match(admin.session, { state: 'AdminDown', diagnostic: 7, remote: { discriminator: 0 } })
})

t.test('a remote that begins anew is followed to its new discriminator', async (t) => {
  const subject = inState('Up').hear({ state: 'Down', myDiscriminator: 78, yourDiscriminator: 0 })
  t.match(subject.session, { state: 'Down', diagnostic: 3 })
  t.match(subject.sent, [{ state: 'Down', yourDiscriminator: 78 }])
  subject.hear({ state: 'Init', myDiscriminator: 78 })
  t.equal(subject.session.state, 'Up')
})

t.test('gaps are jittered: 75 to 100 %, and to 90 % with a multiplier of 1', async (t) => {
  const rows = [
    { multiplier: 3, least: 52.5, most: 70 },
    { multiplier: 1, least: 52.5, most: 63 },
  ]
  for (const { multiplier, least, most } of rows) {
    const subject = inState('Up').configure({ multiplier })
    subject.hear({ state: 'Up', final: true, desiredTransmitMicros: 1e9 })
    t.equal(wakeAt(subject.at(100, 0).session), 100 + least)
    t.equal(wakeAt(subject.at(200, 1).session), 200 + most)
  }
})

t.test('a shorter interval of the remote moves the packet that is waited for', async (t) => {
  const subject = inState('Up').hear({ state: 'Up', requiredReceiveMicros: 10_000_000 })
  subject.hear({ state: 'Up', final: true, requiredReceiveMicros: 10_000_000 })
  subject.hear({ state: 'Up', desiredTransmitMicros: 1e9, requiredReceiveMicros: 10_000_000 })
  t.ok(wakeAt(subject.session)! >= 7500)
  subject.hear({ state: 'Up', desiredTransmitMicros: 1e9, requiredReceiveMicros: 20_000 })
  t.ok(wakeAt(subject.session)! <= 50)
})

t.test('a remote that takes no packets is sent none, and its Poll is still answered', async (t) => {
  const subject = inState('Up').hear({ state: 'Up', requiredReceiveMicros: 0 })
  t.equal(transmitIntervalMs(subject.session), null)
  t.equal(wakeAt(subject.session), detectAt(subject.session))
  t.match(subject.hear({ state: 'Up', requiredReceiveMicros: 0, poll: true }).sent, [
    { final: true },
  ])
})

t.test('a remote in demand mode is left in peace once both are Up, but for a Poll', async (t) => {
  const subject = inState('Up').hear({ state: 'Up', demand: true })
  t.equal(transmitIntervalMs(subject.session), 70, 'our Poll is still out')
  subject.hear({ state: 'Up', demand: true, final: true })
  t.equal(transmitIntervalMs(subject.session), null)
  subject.configure({ transmitMs: 100 })
  t.equal(transmitIntervalMs(subject.session), 70)
  t.equal(transmitIntervalMs(inState('Init').hear({ demand: true }).session), 1000)
})

t.test('faster sending holds at once, slower only when the remote knows', async (t) => {
  const subject = confirmed()
  subject.hear({ state: 'Up', requiredReceiveMicros: 1000 })
  subject.configure({ transmitMs: 20 })
  t.match(subject.sent, [{ poll: true, desiredTransmitMicros: 20_000 }])
  t.equal(transmitIntervalMs(subject.session), 20)
  subject.hear({ state: 'Up', final: true, requiredReceiveMicros: 1000 })
  subject.configure({ transmitMs: 200 })
  t.match(subject.sent, [{ poll: true, desiredTransmitMicros: 200_000 }])
  t.equal(transmitIntervalMs(subject.session), 20)
  subject.hear({ state: 'Up', final: true, requiredReceiveMicros: 1000 })
  t.equal(transmitIntervalMs(subject.session), 200)
})

t.test('more patience holds at once, less only when the remote knows', async (t) => {
  const subject = confirmed().configure({ receiveMs: 500 })
  t.equal(detectionMs(subject.session), 4 * 500)
  subject.hear({ state: 'Up', desiredTransmitMicros: 50_000, final: true })
  subject.configure({ receiveMs: 100 })
  t.equal(detectionMs(subject.session), 4 * 500)
  subject.hear({ state: 'Up', desiredTransmitMicros: 50_000 })
  t.equal(detectionMs(subject.session), 4 * 500, 'a packet without Final confirms nothing')
  subject.hear({ state: 'Up', desiredTransmitMicros: 50_000, final: true })
  t.equal(detectionMs(subject.session), 4 * 100)
})

t.test('a second change waits for its own Poll, a packet apart from the first', async (t) => {
  const subject = confirmed().configure({ transmitMs: 100 }).configure({ transmitMs: 200 })
  t.match(subject.sent, [{ poll: true, desiredTransmitMicros: 200_000 }])
  subject.hear({ state: 'Up', final: true })
  t.equal(transmitIntervalMs(subject.session), 70, 'the Final may have been for the first')
  t.match(subject.at(1000 / 5).sent, [{ poll: false }])
  t.match(subject.at(2000 / 5).sent, [{ poll: true }])
  subject.hear({ state: 'Up', final: true })
  t.equal(transmitIntervalMs(subject.session), 200)
})

t.test('a new multiplier is told by the next packet, without a Poll', async (t) => {
  const subject = confirmed().configure({ multiplier: 9 })
  t.same(subject.sent, [])
  t.match(subject.at(100).sent, [{ multiplier: 9, poll: false }])
})

t.test('down by order it stays, says why, and can be ordered up again', async (t) => {
  const subject = inState('Up').disable()
  t.match(subject.sent, [{ state: 'AdminDown', diagnostic: 7 }])
  t.same(subject.disable().sent, [], 'once')
  t.match(subject.later(5000).at(5000).session.state, 'AdminDown')
  subject.enable()
  t.match(subject.sent, [{ state: 'Down', diagnostic: 0 }])
  t.same(subject.enable().sent, [])
})

t.test('an interval beyond the wire is capped', async (t) => {
  const subject = new Subject().configure({ transmitMs: 1e9 }).at(0)
  t.match(subject.sent, [{ desiredTransmitMicros: 0xffff_ffff }])
})

/** Up, and the remote has answered the Poll that goes with it. */
function confirmed(): Subject {
  const subject = inState('Up').hear({ state: 'Up', desiredTransmitMicros: 50_000, final: true })
  t.equal(subject.session.poll, 'idle')
  return subject
}
