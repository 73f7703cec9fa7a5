/**
 * Days of change, and nothing left of it: peers come and go, announce, withdraw what they never
 * announced, fall silent, restart; afterwards every table has the size it had before.
 */
import t from 'tap'
import type { FamilyRib } from '../../../bgp/rib/family-rib.ts'
import { keepalive, message } from '../session/scene.ts'
import {
  announcing,
  buildSite,
  connect,
  dial,
  dice,
  harmDone,
  hex,
  plainCapabilities,
  range,
  refresh,
  restartCapability,
  type Site,
  settle,
  strangeConfig,
  strangeOpen,
  withdrawing,
} from './scene.ts'

const seed = 43
const rounds = 400

/** Everything that could grow, by name. */
function sizes({ router, clock }: Site): Readonly<Record<string, number>> {
  const { engine, views } = router.speaker
  const rib: FamilyRib = engine.rib('ipv4-unicast')
  return {
    peers: views.counts().peers,
    prefixes: rib.prefixes.size,
    paths: rib.paths.size,
    attributeSets: engine.attributes.size,
    listeners: rib.listeners.size,
    retiredPeers: engine.peers.retired,
    timers: Math.ceil(clock.pending / 10),
  }
}

t.test(`after any churn the tables are as before (seed ${seed})`, async (t) => {
  const site = await buildSite({ staleSeconds: 30 })
  const random = dice(seed)
  const below = (end: number) => Math.floor(random() * end)
  site.clock.advance(60_000)
  const before = sizes(site)
  const capabilities = [...plainCapabilities, restartCapability({ seconds: 10 })]
  let line = connect(site, { capabilities })
  for (let round = 0; round < rounds; round++) {
    const some = range(1000 + below(50), 1050 + below(50))
    const med = `800404 ${hex(below(1000), 4)}`
    const deeds = [
      () => line.say(announcing({ numbers: some, more: med })),
      () => line.say(withdrawing(some)),
      () => line.say(withdrawing(range(3000, 3100))),
      () => line.say(refresh),
      () => line.say(announcing({ numbers: some, more: 'c00804 0001ffff' }), withdrawing(some)),
      () => line.say(message(2, '0000 000e 40010107 400200 4003040a000009 18 0a4400')),
      () => line.connection.destroy(),
      () => line.say(message(3, '0609')),
      () => line.say(message(9)),
    ]
    // The ways to end a session come last and are seldom.
    const deed = below(10) > 0 ? below(6) : 6 + below(3)
    ;(deeds[deed] as () => void)()
    if (line.closedBy === 'nobody') line.say(keepalive)
    site.clock.advance(below(3) * 200)
    if (line.closedBy !== 'nobody' || deed >= 6) {
      site.clock.advance(1000)
      line = connect(site, { capabilities })
    }
  }
  line.connection.destroy()
  site.clock.advance(600_000)
  t.same(sizes(site), before)
  t.same(harmDone(site), [])
  const { prefixes, paths } = site.router.speaker.engine.rib('ipv4-unicast')
  t.ok(prefixes.limit <= 1024, `${prefixes.limit} rows of prefixes were ever used`)
  t.ok(paths.limit <= 1024, `${paths.limit} rows of paths were ever used`)
  t.ok(site.router.speaker.engine.peers.names.length <= 8, 'peer numbers are used again')
})

t.test('withdrawing what was never announced leaves no trace', async (t) => {
  const site = await buildSite()
  const line = connect(site)
  site.clock.advance(1000)
  const before = sizes(site)
  const heard = site.healthy[0].heardFrom('reflector')
  const { update } = site.router.view('a').messages.sent
  for (let round = 0; round < 20; round++) {
    line.say(withdrawing(range(1000, 2000).map((number) => number + round)))
    site.clock.advance(100)
  }
  t.same(sizes(site), before)
  t.same(site.healthy[0].heardFrom('reflector'), heard)
  t.equal(site.router.view('a').messages.sent.update, update, 'nobody is told of it')
})

t.test('neighbours of a range that come and go leave nothing', async (t) => {
  const site = await buildSite()
  const dynamic = { address: null, range: '10.0.0.8/29', rangeLimit: 8 }
  const kept = site.router.speaker.wantedPeers.filter(({ name }) => name !== 'stranger')
  await settle(site, site.router.speaker.setPeers([...kept, strangeConfig(dynamic)]))
  site.clock.advance(60_000)
  const before = sizes(site)
  for (let round = 0; round < 100; round++) {
    const line = dial(site, `10.0.0.${8 + (round % 8)}`)
    site.clock.advance(10)
    const open = { routerId: 0x0a000008 + (round % 8) }
    line.say(strangeOpen(open), keepalive, announcing({ numbers: range(1000, 1010) }))
    site.clock.advance(1000)
    line.connection.destroy()
    site.clock.advance(500)
  }
  site.clock.advance(60_000)
  t.same(sizes(site), before)
  t.same(harmDone(site), [])
})
