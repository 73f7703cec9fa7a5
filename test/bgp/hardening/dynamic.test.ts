/**
 * Neighbours of a range, of which nothing but their pauses outlives their sessions: one that comes and
 * goes all the time has to wait as a configured peer has, and what is remembered is bounded.
 */
import t from 'tap'
import { Pauses, pausesMax } from '../../../bgp/pauses.ts'
import { Pace, quickReturnsMax } from '../../../bgp/session/pace.ts'
import { stableSeconds } from '../../../bgp/session/timers.ts'
import { FakeClock } from '../clock.ts'
import { keepalive, message } from '../session/scene.ts'
import {
  announcing,
  buildSite,
  dial,
  harmDone,
  type Line,
  plainCapabilities,
  range,
  restartCapability,
  type Site,
  settle,
  strangeConfig,
  strangeOpen,
  stranger,
} from './scene.ts'

const name = `stranger.${stranger}`
const numbers = range(1000, 1010)

async function ranged(changes: Parameters<typeof strangeConfig>[0] = {}): Promise<Site> {
  const site = await buildSite()
  const kept = site.router.speaker.wantedPeers.filter((peer) => peer.name !== 'stranger')
  const dynamic = { address: null, range: '10.0.0.8/29', rangeLimit: 4, ...changes }
  await settle(site, site.router.speaker.setPeers([...kept, strangeConfig(dynamic)]))
  return site
}

function sessionsOf({ router }: Site): number {
  return router.events.filter(({ kind, peer }) => kind === 'peer.established' && peer === name)
    .length
}

/** One attempt at a session; whether it came about. */
function attempt(site: Site, ...more: readonly Uint8Array[]): { line: Line; up: boolean } {
  const before = sessionsOf(site)
  const line = dial(site)
  site.clock.advance(10)
  if (line.open) line.say(strangeOpen(), keepalive, ...more)
  site.clock.advance(490)
  return { line, up: sessionsOf(site) > before }
}

const misdeeds: readonly [caption: string, flap: (site: Site) => void, sessionsMax: number][] = [
  [
    'closes in good order',
    (site) => attempt(site, announcing({ numbers })).line.connection.destroy(),
    quickReturnsMax + 15,
  ],
  [
    'says Cease each time',
    (site) => void attempt(site, announcing({ numbers }), message(3, '0604')),
    quickReturnsMax + 15,
  ],
  ['sends garbage in each session', (site) => void attempt(site, message(9)), 16],
]

for (const [caption, flap, sessionsMax] of misdeeds) {
  t.test(`a neighbour of a range that ${caption} has to wait, longer every time`, async (t) => {
    const site = await ranged()
    for (let second = 0; second < 600; second++) {
      flap(site)
      site.clock.advance(500)
    }
    const sessions = sessionsOf(site)
    t.ok(sessions >= 5 && sessions <= sessionsMax, `it had ${sessions} sessions in ten minutes`)
    t.equal(site.router.speaker.views.peer(name), null, 'nothing is left of it')
    const refusals = site.router.events.filter(({ text }) =>
      /refused a connection from 10\.0\.0\.9: its last \d+ sessions failed/.test(text),
    )
    t.ok(refusals.length > 0 && refusals.length <= 110, `${refusals.length} times it was said why`)
    t.same(harmDone(site), [])
    site.clock.advance((stableSeconds + 60) * 1000)
    const again = range(0, quickReturnsMax).map(() => {
      const { line, up } = attempt(site)
      line.connection.destroy()
      site.clock.advance(10)
      return up
    })
    t.same(new Set(again), new Set([true]), 'after minutes of peace it is as new')
  })
}

t.test('others of the same range come in meanwhile', async (t) => {
  const site = await ranged()
  for (let times = 0; times < 3; times++) attempt(site, message(9))
  const other = dial(site, '10.0.0.10')
  site.clock.advance(10)
  other.say(strangeOpen({ routerId: 0x0a00000a }), keepalive)
  site.clock.advance(100)
  t.equal(site.router.view('stranger.10.0.0.10').state, 'Established')
})

t.test('a session that lasted clears the slate', async (t) => {
  const site = await ranged()
  const { line } = attempt(site, message(9))
  t.not(line.closedBy, 'nobody')
  site.clock.advance(6000)
  const next = attempt(site)
  t.ok(next.up)
  for (let second = 0; second < stableSeconds + 1; second += 10) {
    next.line.say(keepalive)
    site.clock.advance(10_000)
  }
  next.line.connection.destroy()
  site.clock.advance(100)
  t.ok(attempt(site).up, 'it comes back at once')
})

t.test('a neighbour that never gets as far as an OPEN leaves no entry behind', async (t) => {
  const site = await ranged()
  for (let times = 0; times < 50; times++) {
    const line = dial(site)
    site.clock.advance(10)
    line.connection.destroy()
    site.clock.advance(10)
  }
  t.equal(site.router.speaker.views.counts().peers, 2)
})

t.test('one that restarts gracefully is the same neighbour when it returns', async (t) => {
  const site = await ranged()
  const open = strangeOpen({ capabilities: [...plainCapabilities, restartCapability()] })
  const first = dial(site)
  site.clock.advance(10)
  first.say(open, keepalive, announcing({ numbers }))
  site.clock.advance(6000)
  const second = dial(site)
  site.clock.advance(10)
  second.say(open)
  site.clock.advance(100)
  t.equal(first.notification, null)
  t.ok(site.router.pathsFrom(name).every(({ stale }) => stale))
  t.equal(site.router.pathsFrom(name).length, numbers.length)
  second.say(keepalive, announcing({ numbers }))
  site.clock.advance(100)
  t.equal(site.router.view(name).state, 'Established')
})

t.test('so many addresses are remembered, those that failed last', async (t) => {
  const clock = new FakeClock()
  const pauses = new Pauses(clock)
  for (let host = 0; host < pausesMax + 10; host++) {
    const pace = pauses.recall(`10.0.${host >> 8}.${host & 255}`)
    pace.sessionFailed(5)
    pauses.keep(`10.0.${host >> 8}.${host & 255}`, pace)
    clock.advance(1)
  }
  t.equal(pauses.size, pausesMax)
  t.equal(pauses.recall('10.0.0.9').sessionFailures, 0, 'the first ones are forgotten')
  t.equal(pauses.recall('10.0.0.10').sessionFailures, 1)
  pauses.keep('10.0.0.10', new Pace())
  t.equal(pauses.size, pausesMax - 1, 'one whose sessions do not fail is not worth a line')
  clock.advance(stableSeconds * 1000 + pausesMax + 10)
  t.equal(pauses.recall('10.0.0.11').sessionFailures, 0)
  t.equal(pauses.size, 0, 'and none is kept for ever')
})
