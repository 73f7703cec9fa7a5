/**
 * What is kept of a peer, and for how long: graceful restart from the helper's side (RFC 4724,
 * RFC 8538) over whole sessions. Nothing stale outlives its reason, whatever the order of events.
 */
import t from 'tap'
import type { PeerConfig } from '../../../bgp/types.ts'
import { UpdateReader } from '../../../bgp/wire/update.ts'
import { keepalive, message } from '../session/scene.ts'
import { context } from '../wire/vectors.ts'
import {
  announcing,
  buildSite,
  connect,
  dial,
  endOfRib,
  harmDone,
  type Line,
  plainCapabilities,
  prefixOf,
  range,
  refresh,
  restartCapability,
  type Site,
  settle,
  strangeConfig,
  strangeOpen,
  stranger,
} from './scene.ts'

const numbers = range(1000, 1020)
const prefixes = numbers.map(prefixOf)
const stale = prefixes.map((prefix) => `${prefix} stale`)
const restarting = { capabilities: [...plainCapabilities, restartCapability()] }
const notifying = {
  capabilities: [...plainCapabilities, restartCapability({ notification: true })],
}

/** A session of the stranger that offers graceful restart and has announced its prefixes. */
async function learned(
  settings: Partial<PeerConfig> = {},
  open: Parameters<typeof strangeOpen>[0] = restarting,
): Promise<Site & { readonly line: Line }> {
  const site = await buildSite(settings)
  const line = connect(site, open)
  line.say(announcing({ numbers }), endOfRib)
  site.clock.advance(100)
  return { ...site, line }
}

function heard({ router }: Site): string[] {
  return router.heardFrom('stranger')
}

t.test('how a session ends decides what is kept of the peer', async (t) => {
  const rows: readonly [
    caption: string,
    open: Parameters<typeof strangeOpen>[0],
    end: (site: Site & { readonly line: Line }) => Promise<void> | void,
    kept: boolean,
  ][] = [
    ['TCP closes, no graceful restart', {}, ({ line }) => line.connection.destroy(), false],
    ['TCP closes', restarting, ({ line }) => line.connection.destroy(), true],
    ['a NOTIFICATION comes', restarting, ({ line }) => line.say(message(3, '0604')), false],
    ['a NOTIFICATION goes', restarting, ({ line }) => line.say(message(9)), false],
    ['a NOTIFICATION comes, N bit', notifying, ({ line }) => line.say(message(3, '0604')), true],
    ['a NOTIFICATION goes, N bit', notifying, ({ line }) => line.say(message(9)), true],
    ['Hard Reset, N bit', notifying, ({ line }) => line.say(message(3, '06090604')), false],
    ['the hold timer expires, N bit', notifying, ({ clock }) => void clock.advance(91_000), true],
    ['reset by order', notifying, ({ router }) => void router.speaker.reset('stranger'), false],
    ['shut down', notifying, ({ router }) => void router.speaker.shutdown('stranger'), false],
  ]
  for (const [caption, open, end, kept] of rows) {
    const site = await learned({}, open)
    await settle(site, end(site))
    site.clock.advance(100)
    t.same(heard(site), kept ? stale : [], caption)
    const shown = site.router.speaker.views.peerPaths('stranger', 'received', 100, null)
    t.equal(shown.items.length, kept ? numbers.length : 0, `${caption}: shown with its peer`)
    site.clock.advance(121_000)
    t.same(heard(site), [], `${caption}: after the restart time`)
  }
})

t.test('a Hard Reset is over with its session', async (t) => {
  const site = await learned({}, notifying)
  site.line.say(message(3, '06090604'))
  site.clock.advance(100)
  const next = connect(site, notifying)
  next.say(announcing({ numbers }), endOfRib)
  site.clock.advance(100)
  next.say(message(3, '0604'))
  site.clock.advance(100)
  t.same(heard(site), stale, 'the next one keeps again')
})

t.test('End-of-RIB sweeps what was not announced again', async (t) => {
  const site = await learned()
  site.line.connection.destroy()
  site.clock.advance(1000)
  const line = connect(site, restarting)
  line.say(announcing({ numbers: [1000, 1001] }))
  site.clock.advance(100)
  t.same(heard(site), [...prefixes.slice(0, 2), ...stale.slice(2)])
  line.say(endOfRib)
  site.clock.advance(100)
  t.same(heard(site), prefixes.slice(0, 2))
})

t.test(
  'a peer that returns and never says End-of-RIB is waited for, but not for ever',
  async (t) => {
    const site = await learned({ staleSeconds: 60 })
    site.line.connection.destroy()
    site.clock.advance(1000)
    const line = connect(site, restarting)
    for (let second = 0; second < 59; second++) {
      line.say(keepalive)
      site.clock.advance(1000)
    }
    t.same(heard(site), stale)
    site.clock.advance(2000)
    t.same(heard(site), [])
  },
)

t.test('a stale route over a dead next hop is not used', async (t) => {
  const site = await learned()
  site.line.connection.destroy()
  site.clock.advance(1000)
  const known = () => site.healthy[0].heardFrom('reflector').includes(prefixOf(1000))
  t.ok(known(), 'it is kept for the others as well')
  site.router.reach(stranger, false)
  site.clock.advance(1000)
  t.same(heard(site), stale)
  t.notOk(known(), 'the loss of the next hop counts for more')
  t.match(site.router.pathsFrom('stranger')[0], { eligible: false, reason: /unreachable/ })
})

t.test('a peer that returns without its forwarding state keeps nothing', async (t) => {
  const site = await learned()
  site.line.connection.destroy()
  site.clock.advance(1000)
  const [family] = (restartCapability() as { families: readonly object[] }).families
  const lost = restartCapability({ families: [{ ...family, forwarding: false } as never] })
  connect(site, { capabilities: [...plainCapabilities, lost] })
  t.same(heard(site), [])
})

t.test('stale routes survive a collision of two connections, and go in time', async (t) => {
  const site = await learned()
  site.line.connection.destroy()
  site.clock.advance(1000)
  // Two connections at once: one of them is dropped, the timer is the peer's.
  const lines = [dial(site), dial(site)]
  site.clock.advance(100)
  for (const line of lines) line.say(strangeOpen(restarting))
  site.clock.advance(100)
  for (const line of lines) line.connection.destroy()
  site.clock.advance(1000)
  t.same(heard(site), stale)
  site.clock.advance(120_000)
  t.same(heard(site), [])
})

t.test('a new connection is the restart of the old one (RFC 4724 §5)', async (t) => {
  const site = await learned()
  site.clock.advance(20_000)
  const second = dial(site)
  site.clock.advance(100)
  t.same(heard(site), prefixes, 'a connection alone says nothing')
  second.say(strangeOpen(restarting))
  site.clock.advance(100)
  t.equal(site.line.notification, null, 'the old connection is closed without a word')
  t.not(site.line.closedBy, 'nobody')
  t.same(heard(site), stale)
  second.say(keepalive, announcing({ numbers }), endOfRib)
  site.clock.advance(100)
  t.same(heard(site), prefixes)
  t.same(harmDone(site), [])
})

t.test('a peer that is shut down while it restarts keeps nothing', async (t) => {
  for (const [caption, order] of [
    ['by order', ({ router }: Site) => void router.speaker.shutdown('stranger')],
    ['by its manifest', (site: Site) => reconfigured(site, { shutdown: true })],
    ['held down', (site: Site) => reconfigured(site, { heldDown: 'its Secret is missing' })],
  ] as const) {
    const site = await learned()
    site.line.connection.destroy()
    site.clock.advance(1000)
    t.same(heard(site), stale, caption)
    await settle(site, order(site))
    site.clock.advance(100)
    t.same(heard(site), [], `${caption}: its routes go at once`)
    t.same(harmDone(site), [], caption)
  }
})

t.test('a speaker that is closed counts down for nobody', async (t) => {
  const site = await learned()
  site.line.connection.destroy()
  site.clock.advance(1000)
  t.same(heard(site), stale)
  const told = site.router.events.length
  await settle(site, site.router.speaker.close(false))
  site.clock.advance(600_000)
  const late = site.router.events.slice(told).filter(({ text }) => text.includes('did not return'))
  t.same(late, [])
})

t.test('a change that keeps a restarting peer wanted keeps its routes', async (t) => {
  const site = await learned()
  site.line.connection.destroy()
  site.clock.advance(1000)
  await settle(site, reconfigured(site, { holdSeconds: 30 }))
  t.same(heard(site), stale)
})

function reconfigured({ router }: Site, changes: Partial<PeerConfig>): Promise<void> {
  const kept = router.speaker.wantedPeers.filter(({ name }) => name !== 'stranger')
  return router.speaker.setPeers([...kept, strangeConfig(changes)])
}

t.test('what is kept of a dynamic neighbour goes although it never returns', async (t) => {
  const dynamic = { address: null, range: '10.0.0.8/29', rangeLimit: 4 }
  const site = await buildSite()
  const kept = site.router.speaker.wantedPeers.filter(({ name }) => name !== 'stranger')
  await settle(site, site.router.speaker.setPeers([...kept, strangeConfig(dynamic)]))
  const name = 'stranger.10.0.0.9'
  const line = dial(site)
  site.clock.advance(100)
  line.say(strangeOpen(restarting), keepalive, announcing({ numbers }), endOfRib)
  site.clock.advance(100)
  t.same(site.router.heardFrom(name), prefixes)
  line.connection.destroy()
  site.clock.advance(1000)
  t.same(site.router.heardFrom(name), stale)
  site.clock.advance(120_000)
  t.equal(site.router.speaker.views.peer(name), null, 'it is forgotten')
  t.equal(site.router.speaker.views.counts().paths['ipv4-unicast'], 200, 'and so are its routes')
})

t.test('a range that is removed takes what was kept with it', async (t) => {
  const dynamic = { address: null, range: '10.0.0.8/29', rangeLimit: 4 }
  const site = await buildSite()
  const kept = site.router.speaker.wantedPeers.filter(({ name }) => name !== 'stranger')
  await settle(site, site.router.speaker.setPeers([...kept, strangeConfig(dynamic)]))
  const line = dial(site)
  site.clock.advance(100)
  line.say(strangeOpen(restarting), keepalive, announcing({ numbers }), endOfRib)
  site.clock.advance(100)
  line.connection.destroy()
  site.clock.advance(1000)
  await settle(site, site.router.speaker.setPeers(kept))
  site.clock.advance(100)
  t.equal(site.router.speaker.views.counts().paths['ipv4-unicast'], 200)
})

t.test('End-of-RIB stands behind the last route, once a session', async (t) => {
  const site = await buildSite()
  const reader = new UpdateReader()
  const told: string[] = []
  const line = dial(site)
  line.onMessage = (bytes) => {
    if (bytes[18] !== 2) return
    reader.read(bytes, new DataView(bytes.buffer), 0, bytes.length, context({ peerAsn: 65001 }))
    told.push(reader.endOfRib === null ? 'route' : 'End-of-RIB')
  }
  site.clock.advance(10)
  // What is announced while the table is being sent comes before the mark as well.
  line.say(strangeOpen(), keepalive)
  site.healthy[0].announce([...range(0, 100), ...range(300, 500)], ['65001:1'])
  site.clock.advance(1000)
  line.say(refresh)
  site.clock.advance(1000)
  t.equal(told.filter((each) => each === 'End-of-RIB').length, 1)
  const mark = told.indexOf('End-of-RIB')
  t.ok(mark > 0, 'routes come first')
  const [family] = site.router.view('stranger').families
  t.equal(family?.advertised, 400)
  t.equal(family?.endOfRibSent, true)
})

t.test('while we restart ourselves, nobody is told half of our table', async (t) => {
  const site = await buildSite()
  site.router.speaker.restart = { restarting: true, forwarding: ['ipv4-unicast'] }
  const line = connect(site)
  site.clock.advance(10_000)
  t.equal(line.heard[2], 0, 'neither routes nor End-of-RIB')
  site.router.speaker.restart = { restarting: false, forwarding: ['ipv4-unicast'] }
  site.clock.advance(1000)
  t.ok((line.heard[2] as number) > 1)
  t.equal(site.router.view('stranger').families[0]?.endOfRibSent, true)
})
