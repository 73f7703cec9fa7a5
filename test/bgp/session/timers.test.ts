/** Named timers on a clock that stands still, jitter, and the pauses between attempts. */
import t from 'tap'
import { backOffSeconds, backOffSecondsMax, Timers } from '../../../bgp/session/timers.ts'
import { FakeClock } from '../clock.ts'

function timers(random = (): number => 0.5) {
  const clock = new FakeClock()
  const fired: string[] = []
  const names = ['hold', 'retry'] as const
  const set = new Timers(names, clock, random, (name) => fired.push(`${name} ${clock.now()}`))
  return { clock, fired, set }
}

t.test('a timer fires once, under its name', async (t) => {
  const { clock, fired, set } = timers()
  set.set('hold', 9)
  t.ok(set.running('hold'))
  clock.advance(60_000)
  t.same(fired, ['hold 9000'])
  t.notOk(set.running('hold'))
})

t.test('null seconds is no timer, and stops one that runs', async (t) => {
  const { clock, fired, set } = timers()
  set.set('hold', null)
  t.equal(clock.pending, 0)
  set.set('hold', 9)
  set.set('hold', null)
  set.setJittered('retry', null)
  t.equal(clock.pending, 0)
  clock.advance(60_000)
  t.same(fired, [])
})

t.test('setting again replaces; clearing stops', async (t) => {
  const { clock, fired, set } = timers()
  set.set('hold', 9)
  set.set('hold', 20)
  set.set('retry', 5)
  set.clear('retry')
  clock.advance(60_000)
  t.same(fired, ['hold 20000'])
  set.set('hold', 1)
  set.set('retry', 1)
  set.clearAll()
  t.equal(clock.pending, 0)
})

t.test('restarting moves the deadline without scheduling anew', async (t) => {
  const { clock, fired, set } = timers()
  set.set('hold', 9)
  for (let second = 0; second < 100; second++) {
    clock.advance(1000)
    set.restart('hold')
  }
  t.equal(clock.pending, 1)
  t.same(fired, [])
  clock.advance(8999)
  t.same(fired, [])
  clock.advance(1)
  t.same(fired, ['hold 109000'])
  set.restart('hold')
  t.notOk(set.running('hold'), 'a timer that does not run is not started')
})

t.test('several timers share one call on the clock, and each comes in its time', async (t) => {
  const { clock, fired, set } = timers()
  set.set('hold', 9)
  set.set('retry', 5)
  t.equal(clock.pending, 1)
  set.restart('retry')
  clock.advance(5000)
  t.same(fired, ['retry 5000'])
  t.equal(clock.pending, 1)
  set.set('retry', 1)
  set.restart('hold')
  clock.advance(60_000)
  t.same(fired, ['retry 5000', 'retry 6000', 'hold 14000'])
  t.equal(clock.pending, 0)
})

t.test('what is due at one moment runs in the order of the deadlines', async (t) => {
  const { clock, fired, set } = timers()
  set.set('hold', 3)
  set.set('retry', 2)
  clock.pass(5000)
  t.same(fired, ['retry 5000', 'hold 5000'])
})

t.test('one that sets itself for this very moment does not hold up the turn', async (t) => {
  const clock = new FakeClock()
  let fired = 0
  const set: Timers<'again'> = new Timers(['again'], clock, Math.random, () => {
    fired += 1
    if (fired < 3) set.set('again', 0)
  })
  set.set('again', 1)
  clock.pass(1000)
  t.equal(fired, 1)
  t.equal(clock.pending, 1)
  clock.flush()
  t.equal(fired, 3)
})

t.test('jitter takes away up to a quarter (RFC 4271 §10)', async (t) => {
  for (const [random, wanted] of [
    [0, 'retry 3000'],
    [0.5, 'retry 3500'],
    [1, 'retry 4000'],
  ] as const) {
    const { clock, fired, set } = timers(() => random)
    set.setJittered('retry', 4)
    clock.advance(60_000)
    t.same(fired, [wanted])
  }
})

t.test('the pause doubles with every failure up to its ceiling', async (t) => {
  t.same(
    [0, 1, 2, 3, 4, 5, 6, 1000].map((failures) => backOffSeconds(5, failures)),
    [5, 5, 10, 20, 40, 60, 60, 60],
  )
  t.equal(backOffSeconds(300, 1), 300, 'a longer setting is respected')
  t.equal(backOffSeconds(300, 9), 300)
  t.equal(backOffSecondsMax, 60)
})
