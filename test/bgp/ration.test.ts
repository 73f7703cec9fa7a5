/** Events that a peer can cause at will: a few are told, the rest is counted, nobody else loses any. */
import t from 'tap'
import { Ration, toldPerWindowMax } from '../../bgp/ration.ts'
import type { SpeakerEvent } from '../../bgp/types.ts'
import { FakeClock } from './clock.ts'

function event(peer: string | null, kind: SpeakerEvent['kind'] = 'update.fault'): SpeakerEvent {
  return { kind, peer, level: 'warn', text: `a fault of ${peer}` }
}

t.test('a flood is told a few times, and its size with the next one', async (t) => {
  const clock = new FakeClock()
  const told: SpeakerEvent[] = []
  const ration = new Ration(clock, (each) => told.push(each))
  for (let times = 0; times < 1000; times++) ration.tell(event('a'))
  t.equal(told.length, toldPerWindowMax)
  t.same(told[0], event('a'), 'as it came')
  clock.advance(60_000)
  ration.tell(event('a'))
  t.equal(told.at(-1)?.text, 'a fault of a (990 like it were not told)')
  clock.advance(60_000)
  ration.tell(event('a'))
  t.equal(told.at(-1)?.text, 'a fault of a')
})

t.test('each peer and each kind has a ration of its own', async (t) => {
  const told: SpeakerEvent[] = []
  const ration = new Ration(new FakeClock(), (each) => told.push(each))
  for (let times = 0; times < 100; times++) ration.tell(event('a'))
  ration.tell(event('b'))
  ration.tell(event('a', 'peer.error'))
  ration.tell(event(null))
  t.equal(told.length, toldPerWindowMax + 3)
})

t.test('of any number of peers, it remembers a bounded number', async (t) => {
  const told: SpeakerEvent[] = []
  const ration = new Ration(new FakeClock(), (each) => told.push(each))
  for (let times = 0; times < toldPerWindowMax; times++) ration.tell(event('first'))
  for (let peer = 0; peer < 4095; peer++) ration.tell(event(`${peer}`))
  const before = told.length
  ration.tell(event('first'))
  t.equal(told.length, before, 'still remembered')
  ration.tell(event('one more'))
  ration.tell(event('first'))
  t.equal(told.length, before + 2, 'forgotten: its window began first')
})
