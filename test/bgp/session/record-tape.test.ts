/**
 * The tape against a plain list: it holds the newest events, octet by octet, within its ceilings, and
 * of what it lost that which the rest needs.
 */
import fc from 'fast-check'
import t from 'tap'
import {
  handedKeptMax,
  Tape,
  TapeShelf,
  tapeBytesMax,
  tapedSessionsMax,
  tapeEventsMax,
  tapeTextMax,
} from '../../../bgp/session/record-tape.ts'
import { hexOf } from '../../../bgp/wire/bytes.ts'
import { keepaliveMessage } from '../../../bgp/wire/message.ts'
import { FakeClock } from '../clock.ts'
import { message, peerConfig, theirOpen } from './scene.ts'

const seed = 20_771
t.comment(`fast-check seed ${seed}`)

function begun(config = peerConfig()): { clock: FakeClock; tape: Tape } {
  const clock = new FakeClock()
  const tape = new Tape(config, clock, new TapeShelf())
  tape.begin()
  return { clock, tape }
}

t.test('it holds the newest messages as they came, whatever their lengths', async (t) => {
  const lengths = fc.array(
    fc.oneof(fc.integer({ min: 19, max: 200 }), fc.integer({ min: 19, max: 65_535 })),
    {
      minLength: 1,
      maxLength: 60,
    },
  )
  fc.assert(
    fc.property(lengths, fc.nat(255), (each, first) => {
      const { clock, tape } = begun()
      const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7 + first) & 0xff)
      const sent: { readonly hex: string; readonly bytes: number }[] = []
      for (const [index, length] of each.entries()) {
        clock.advance(1)
        tape.received('incoming', bytes, index, index + length)
        sent.push({ hex: hexOf(bytes, index, index + length), bytes: length })
      }
      const events =
        tape.read()?.events.flatMap((one) => (one.event === 'received' ? [one] : [])) ?? []
      const newest = sent.slice(-events.length)
      for (const [index, one] of events.entries()) {
        if (one.hex !== newest[index]?.hex) throw new Error(`message ${index} differs`)
      }
      const held = newest.reduce((sum, one) => sum + one.bytes, 0)
      const next = sent.at(-events.length - 1)?.bytes ?? Number.POSITIVE_INFINITY
      // No more than the ceiling, and no event less than fits.
      return held <= tapeBytesMax && held + next > tapeBytesMax
    }),
    { seed, numRuns: 60 },
  )
  t.pass('60 tapes hold what a list holds')
})

t.test('it holds so many events and characters, and counts what it lost', async (t) => {
  const { tape } = begun()
  for (let i = 0; i < tapeEventsMax + 10; i++) tape.drained('outgoing')
  const gap = tape.read()?.events[0]
  t.match(gap, { event: 'gap', events: 10, bytes: 0 })
  t.equal(tape.read()?.events.length, tapeEventsMax + 1)
  for (let i = 0; i < 100; i++) tape.note({ event: 'told', kind: 'x', text: 'y'.repeat(2_000) })
  const told = tape.read()?.events.filter(({ event }) => event === 'told') ?? []
  t.ok(told.length > 0 && JSON.stringify(told).length < 1.1 * tapeTextMax)
})

t.test('the OPENs of the connection that stands outlive a flood', async (t) => {
  const { tape } = begun()
  tape.note({ event: 'start' })
  tape.note({ event: 'dial', address: '10.0.0.2', port: 179, localAddress: null })
  tape.note({ event: 'ended', lane: 'outgoing' })
  tape.note({ event: 'accept', localAddress: '10.0.0.1', remotePort: 1, lane: 'incoming' })
  tape.sent('incoming', theirOpen())
  tape.received('incoming', theirOpen(), 0, theirOpen().length)
  tape.sent('incoming', keepaliveMessage)
  tape.received('incoming', keepaliveMessage, 0, keepaliveMessage.length)
  tape.note({ event: 'state', from: 'OpenConfirm', to: 'Established' })
  const update = message(2, '0000 0000')
  for (let i = 0; i < 3 * tapeEventsMax; i++) tape.received('incoming', update, 0, update.length)
  const events = tape.read()?.events ?? []
  t.same(
    events.slice(0, 7).map(({ event }) => event),
    ['accept', 'sent', 'received', 'sent', 'received', 'gap', 'received'],
  )
  t.match(events[5], { started: true, state: 'Established' })
})

t.test('a header shows the settings before the first event, and never a key', async (t) => {
  const first = peerConfig({ password: 'alpha', holdSeconds: 9 })
  const { tape } = begun(first)
  const second = { ...first, password: 'beta', holdSeconds: 30 }
  tape.configure(first, second, 'cease/otherConfigurationChange')
  t.match(tape.read(), { peer: { holdSeconds: 9, password: 'key 1' } })
  t.match(tape.read()?.events, [{ event: 'configure', config: { password: 'key 2' } }])
  for (let i = 0; i < tapeEventsMax; i++) tape.drained('outgoing')
  t.match(tape.read(), { peer: { holdSeconds: 30, password: 'key 2' } })
  t.notMatch(JSON.stringify(tape.read()), /alpha|beta/)
})

t.test('what the tables send is kept when it is short, and counted when it is not', async (t) => {
  const { tape } = begun()
  tape.handed('outgoing', [keepaliveMessage, keepaliveMessage], 7)
  tape.handed('outgoing', [new Uint8Array(handedKeptMax + 1)], 9)
  const twice = hexOf(keepaliveMessage).repeat(2)
  t.match(tape.read()?.events, [
    { event: 'handed', bytes: 38, hex: twice, queuedBytes: 7 },
    { event: 'handed', bytes: handedKeptMax + 1, hex: null, queuedBytes: 9 },
  ])
})

t.test('only so many sessions record at a time, and one that ends makes room', async (t) => {
  const shelf = new TapeShelf()
  const clock = new FakeClock()
  const tapes = Array.from(
    { length: tapedSessionsMax + 1 },
    () => new Tape(peerConfig(), clock, shelf),
  )
  for (const tape of tapes) tape.begin()
  const last = tapes.at(-1) as Tape
  t.same(tapes.map(({ recording }) => recording).indexOf(false), tapedSessionsMax)
  last.note({ event: 'start' })
  t.equal(last.read(), null)
  tapes[0]?.discard()
  last.begin()
  last.drained('outgoing')
  t.match(last.read()?.events, [{ event: 'gap', events: 0, started: true }, { event: 'drained' }])
})

t.test('a tape that begins late says how the session stood, and no word of a key', async (t) => {
  const shelf = new TapeShelf()
  const config = peerConfig({ password: 'first secret' })
  const tape = new Tape(config, new FakeClock(), shelf)
  tape.note({ event: 'start' })
  tape.note({ event: 'accept', localAddress: '10.0.0.1', remotePort: 40_000, lane: 'incoming' })
  tape.note({ event: 'state', from: 'Idle', to: 'OpenSent' })
  const changed = { ...config, holdSeconds: 30, password: 'second secret' }
  tape.configure(config, changed, 'cease/otherConfigurationChange')
  tape.begin()
  const recording = tape.read()
  t.match(recording?.peer, { holdSeconds: 30, password: 'key 2' })
  t.match(recording?.events, [{ event: 'gap', events: 0, started: true, state: 'OpenSent' }])
  t.notMatch(JSON.stringify(recording), 'secret')
})
