/**
 * The pace of a group's rounds, on a clock that is moved by hand: what a round takes decides how long
 * the next one waits, and only where waiting gathers something.
 */
import t from 'tap'
import { RoundPace, roundPauseMsMax, roundWorkEnough } from '../../../bgp/rib/round-pace.ts'
import { FakeClock } from '../clock.ts'

interface Scene {
  readonly clock: FakeClock
  readonly pace: RoundPace
  /** Times at which a round that was put off was called for. */
  readonly due: number[]
}

function scene(): Scene {
  const clock = new FakeClock()
  const due: number[] = []
  return { clock, due, pace: new RoundPace(clock, () => due.push(clock.now())) }
}

/** A round of this work that takes so long, if it may begin. */
function round({ clock, pace }: Scene, work: number, milliseconds: number): boolean {
  if (!pace.admits(work)) return false
  pace.run(work, () => clock.advance(milliseconds))
  return true
}

/** Rounds of 10 ms while new work comes every millisecond; when each of them began. */
function rush(scene: Scene, rounds: number): number[] {
  const begun: number[] = []
  for (let work = 1; begun.length < rounds; work++) {
    const now = scene.clock.now()
    if (round(scene, work, 10)) {
      begun.push(now)
      work = 0
    } else {
      scene.clock.advance(1)
    }
  }
  return begun
}

t.test('the first change of a quiet time goes at once, the next waits half as long', async (t) => {
  const it = scene()
  t.ok(round(it, 1, 10))
  t.notOk(round(it, 1, 10), 'at 10 ms')
  it.clock.advance(4)
  t.same(it.due, [])
  it.clock.advance(1)
  t.same(it.due, [15], 'called for when it is due')
  t.ok(round(it, 1, 10))
})

t.test('a group that is quick to serve never waits', async (t) => {
  const it = scene()
  for (let change = 0; change < 5; change++) t.ok(round(it, 1, 1))
  t.equal(it.clock.pending, 0, 'and needs no timer')
})

t.test('work that keeps coming is gathered for longer and longer, up to a ceiling', async (t) => {
  const it = scene()
  const begun = rush(it, 7)
  const pauses = begun.slice(1).map((at, index) => at - (begun[index] as number) - 10)
  t.same(pauses, [5, 10, 20, 40, 40, 40])
  const slow = scene()
  round(slow, 1, 1000)
  slow.pace.admits(1)
  slow.clock.advance(roundPauseMsMax)
  t.same(slow.due, [1000 + roundPauseMsMax])
})

t.test('one change at a time gathers nothing, so its pause stays short', async (t) => {
  const it = scene()
  const waits: number[] = []
  for (let change = 0; change < 6; change++) {
    const since = it.clock.now()
    while (!round(it, 10, 10)) it.clock.advance(1)
    waits.push(it.clock.now() - 10 - since)
  }
  t.same(waits, [0, 5, 5, 5, 5, 5])
})

t.test('what comes turn by turn is gathered first, for as long as a round takes', async (t) => {
  const rows: [caption: string, arrivals: readonly number[], begun: number][] = [
    ['nothing more comes with the next turn', [1], 0],
    ['more comes with the next turn, and then nothing', [1, 5, 9], 2],
    ['more comes all the time', Array.from({ length: 30 }, (_, turn) => turn + 1), 10],
  ]
  for (const [caption, arrivals, begun] of rows) {
    const it = scene()
    round(it, 1, 10)
    it.clock.advance(100)
    const since = it.clock.now()
    let at = -1
    for (let turn = 0; at < 0; turn++) {
      const work = arrivals[Math.min(turn, arrivals.length - 1)] as number
      if (it.pace.admits(work)) at = it.clock.now() - since
      // A turn takes a millisecond where it has something to do.
      else if (turn + 1 < arrivals.length) it.clock.advance(1)
      else it.clock.flush()
    }
    t.equal(at, begun, caption)
  }
})

t.test('a round that carries much is neither put off nor followed by a pause', async (t) => {
  const it = scene()
  t.ok(round(it, 1, 10))
  t.ok(round(it, roundWorkEnough, 10))
  t.ok(round(it, 1, 10))
})

t.test('a pace that is given up calls for nothing', async (t) => {
  const it = scene()
  round(it, 1, 10)
  round(it, 1, 10)
  it.pace.cancel()
  it.clock.advance(1000)
  t.same(it.due, [])
})
