/**
 * Ceilings and rules that no peer may talk us out of: what one turn reads, how much one peer may
 * announce, how long its attributes may be, and the communities that say where a route stops.
 */
import t from 'tap'
import { messagesPerTurnMax } from '../../../bgp/session/channel.ts'
import { asPathAsnsMax } from '../../../bgp/wire/as-path.ts'
import { listEntriesMax } from '../../../bgp/wire/attribute.ts'
import { message } from '../session/scene.ts'
import {
  announcing,
  buildSite,
  connect,
  dial,
  endOfRib,
  harmDone,
  hex,
  plainCapabilities,
  prefixOf,
  range,
  refresh,
  type Site,
  settle,
  strangeConfig,
  strangeOpen,
  strangerAsn,
} from './scene.ts'

const extended = { capabilities: [...plainCapabilities, { kind: 'extendedMessage' } as const] }

t.test('a flood is read in turns, and others have theirs in between', async (t) => {
  for (const [caption, flood] of [
    ['UPDATEs', announcing({ numbers: [1000] })],
    ['End-of-RIBs', endOfRib],
    ['ROUTE-REFRESHs', refresh],
  ] as const) {
    const site = await buildSite()
    const line = connect(site)
    const read = () => {
      const { update, refresh } = site.router.view('stranger').messages.received
      return update + refresh
    }
    line.say(...range(0, 4000).map(() => flood))
    let before = read()
    let most = 0
    // `until` looks after every turn: whoever else of this process waited has run in between.
    while (site.clock.until(() => read() > before, 1000)) {
      most = Math.max(most, read() - before)
      before = read()
    }
    t.equal(before, 4000, `${caption}: all of them were read`)
    t.ok(most <= messagesPerTurnMax, `${caption}: ${most} in the longest turn`)
    t.same(harmDone(site), [], caption)
  }
})

t.test(
  'a peer over its limit is put down alone, and tried again when that was asked for',
  async (t) => {
    const maxPrefixes = { limit: 10, warningPercent: 75, restartSeconds: 60 }
    const site = await buildSite({ maxPrefixes, gracefulRestart: 'Disabled' })
    const line = connect(site)
    const limits = () => site.router.events.filter(({ kind }) => kind === 'peer.limit')
    line.say(announcing({ numbers: range(1000, 1008) }))
    site.clock.advance(100)
    t.match(limits(), [{ text: /sends 8 ipv4-unicast prefixes, of 10 at most/ }])
    line.say(announcing({ numbers: range(1000, 1010) }))
    site.clock.advance(100)
    t.equal(site.router.view('stranger').state, 'Established', 'ten are allowed')
    line.say(announcing({ numbers: range(1000, 1011) }))
    site.clock.advance(100)
    t.equal(line.notification, '0601')
    t.same(site.router.heardFrom('stranger'), [])
    site.clock.advance(30_000)
    const early = dial(site)
    site.clock.advance(1000)
    t.equal(early.open, false, 'it is not let in before')
    site.clock.advance(30_000)
    connect(site)
    t.same(harmDone(site), [])
  },
)

t.test('warnings and limits hold for numbers beyond 31 bits', async (t) => {
  const maxPrefixes = { limit: 2 ** 32 - 2, warningPercent: 75, restartSeconds: null }
  const site = await buildSite({ maxPrefixes })
  const line = connect(site)
  const { engine } = site.router.speaker
  const number = engine.peers.names.indexOf('stranger')
  const limits = () => site.router.events.filter(({ kind }) => kind === 'peer.limit')
  // Nobody can send so many in a test; the counter is set as if somebody had.
  const receiveAs = (count: number, prefix: number): void => {
    engine.rib('ipv4-unicast').counts.received[number] = count - 1
    line.say(announcing({ numbers: [prefix] }))
    site.clock.advance(100)
  }
  receiveAs(3_200_000_000, 1000)
  t.same(limits(), [], 'under three quarters of 2^32')
  receiveAs(3_300_000_000, 1001)
  t.match(limits(), [{ text: /sends 3300000000 ipv4-unicast prefixes/ }])
  t.equal(line.notification, null)
  receiveAs(2 ** 32 - 1, 1002)
  t.equal(line.notification, '0601')
})

t.test('a list longer than allowed withdraws its prefixes and nothing else', async (t) => {
  const kinds: readonly [code: number, octets: number][] = [
    [8, 4],
    [16, 8],
    [32, 12],
  ]
  for (const [code, octets] of kinds) {
    const site = await buildSite()
    const line = connect(site, extended)
    const list = (entries: number): string => {
      const values = range(0, entries).map((each) => hex(each + 1, octets))
      return `d0${hex(code, 1)} ${hex(entries * octets, 2)} ${values.join('')}`
    }
    line.say(announcing({ numbers: [1000, 1001], more: list(listEntriesMax) }))
    site.clock.advance(100)
    t.same(site.router.heardFrom('stranger'), [prefixOf(1000), prefixOf(1001)], `attribute ${code}`)
    line.say(announcing({ numbers: [1000], more: list(listEntriesMax + 1) }))
    site.clock.advance(100)
    t.same(site.router.heardFrom('stranger'), [prefixOf(1001)], `attribute ${code}`)
    t.match(site.router.events.at(-1), { text: /it has 1025 entries, of 1024 at most/ })
    t.same(harmDone(site), [])
  }
})

t.test('an AS path longer than allowed withdraws its prefixes and nothing else', async (t) => {
  const site = await buildSite()
  const line = connect(site, extended)
  const path = (length: number) =>
    range(0, length).map((index) => (index === 0 ? strangerAsn : 64999))
  line.say(announcing({ numbers: [1000, 1001], path: path(asPathAsnsMax) }))
  site.clock.advance(100)
  t.same(site.router.heardFrom('stranger'), [prefixOf(1000), prefixOf(1001)])
  t.ok(site.healthy[0].heardFrom('reflector').includes(prefixOf(1000)), 'and go on')
  line.say(announcing({ numbers: [1000], path: path(asPathAsnsMax + 1) }))
  site.clock.advance(100)
  t.same(site.router.heardFrom('stranger'), [prefixOf(1001)])
  t.notOk(site.healthy[0].heardFrom('reflector').includes(prefixOf(1000)))
  line.say(announcing({ numbers: [1000], path: path(5000) }))
  site.clock.advance(100)
  t.equal(site.router.view('stranger').state, 'Established')
  t.same(harmDone(site), [])
})

t.test(
  'attributes too long for those we tell are not passed on, nor is an older form',
  async (t) => {
    const site = await buildSite()
    const line = connect(site, extended)
    line.say(announcing({ numbers: [1000, 1001] }))
    site.clock.advance(100)
    t.ok(site.healthy[0].heardFrom('reflector').includes(prefixOf(1000)))
    // Seven hundred large communities are 8,400 octets; the unknown attribute is 40,000.
    const large = range(0, 700).map((each) => `${hex(65009, 4)}${hex(each, 4)}${hex(1, 4)}`)
    const unknown = `f0fa ${hex(40_000, 2)} ${'ab'.repeat(40_000)}`
    line.say(
      announcing({ numbers: [1000], more: `d020 ${hex(8400, 2)} ${large.join('')} ${unknown}` }),
    )
    site.clock.advance(100)
    t.same(site.router.heardFrom('stranger'), [prefixOf(1000), prefixOf(1001)], 'we know it')
    const passed = site.healthy[0].heardFrom('reflector')
    t.notOk(passed.includes(prefixOf(1000)))
    t.ok(passed.includes(prefixOf(1001)))
    t.same(harmDone(site), [])
  },
)

t.test('a CLUSTER_LIST of any length is looked through for a loop (RFC 4456 §8)', async (t) => {
  // Client a, which is iBGP, brings a list of 256 clusters, ours the last.
  const site = await buildSite({ asn: 65001, routeReflectorClient: true, clusterId: '10.0.0.1' })
  const capabilities = [...plainCapabilities.slice(0, 1), { kind: 'as4', asn: 65001 } as const]
  const line = connect(site, { asn: 65001, capabilities })
  for (const clusters of [1, 255, 256, 257, 512]) {
    const list = range(0, clusters).map((each) => (each === clusters - 1 ? 0x0a000001 : 7))
    const clusterList = list.map((each) => hex(each, 4)).join('')
    line.say(
      announcing({
        numbers: [1000],
        path: [],
        more: `400504 00000064 8009 04 0a00000a 900a ${hex(clusters * 4, 2)} ${clusterList}`,
      }),
    )
    site.clock.advance(100)
    t.match(
      site.router.pathsFrom('stranger'),
      [{ eligible: false, reason: /reflection loop/ }],
      `${clusters} clusters`,
    )
  }
})

t.test('well-known communities stop a route where they say (RFC 1997)', async (t) => {
  const client = { asn: 65001, routeReflectorClient: true, clusterId: '10.0.0.1' }
  const rows: readonly [community: string, toClient: boolean, toEbgp: boolean][] = [
    ['65001:1', true, true],
    ['65535:65281', true, false],
    ['65535:65282', false, false],
    ['65535:65283', true, false],
  ]
  for (const [community, toClient, toEbgp] of rows) {
    for (const [settings, asn, expected] of [
      [client, 65001, toClient],
      [{}, strangerAsn, toEbgp],
    ] as const) {
      const site = await buildSite(settings)
      connect(site, { asn, capabilities: [{ kind: 'as4', asn }] })
      site.healthy[0].announce(range(0, 100), [community])
      site.clock.advance(1000)
      const told = site.router.speaker.views.explain(prefixOf(0)).advertisements
      const stranger = told.find(({ peer }) => peer === 'stranger')
      t.equal(stranger?.advertised, expected, `${community} to AS ${asn}`)
    }
  }
})

t.test('no more dynamic neighbours than the range allows', async (t) => {
  const site = await buildSite()
  const range3 = { address: null, range: '10.0.0.8/29', rangeLimit: 3 }
  const kept = site.router.speaker.wantedPeers.filter(({ name }) => name !== 'stranger')
  await settle(site, site.router.speaker.setPeers([...kept, strangeConfig(range3)]))
  const lines = range(8, 16).map((host) => dial(site, `10.0.0.${host}`))
  site.clock.advance(1000)
  t.equal(lines.filter(({ open }) => open).length, 3)
  for (const line of lines) line.connection.destroy()
  site.clock.advance(1000)
  t.equal(site.router.speaker.views.counts().peers, 2, 'those that are gone count no more')
  const line = dial(site)
  site.clock.advance(100)
  line.say(strangeOpen())
  site.clock.advance(100)
  t.equal(line.heard[4], 1)
  t.same(harmDone(site), [])
})

t.test('a dynamic neighbour over its limit is kept out as any other', async (t) => {
  const site = await buildSite()
  const maxPrefixes = { limit: 10, warningPercent: null, restartSeconds: 60 }
  const dynamic = { address: null, range: '10.0.0.8/29', rangeLimit: 3, maxPrefixes }
  const kept = site.router.speaker.wantedPeers.filter(({ name }) => name !== 'stranger')
  await settle(site, site.router.speaker.setPeers([...kept, strangeConfig(dynamic)]))
  const attempt = () => {
    const line = dial(site)
    site.clock.advance(100)
    if (line.open) line.say(strangeOpen(), message(4), announcing({ numbers: range(1000, 1011) }))
    site.clock.advance(100)
    return line
  }
  t.equal(attempt().notification, '0601')
  site.clock.advance(5000)
  t.equal(attempt().heard[2], 0, 'it gets no session before the minute is over')
  site.clock.advance(60_000)
  t.equal(attempt().notification, '0601', 'and then another try')
})

t.test(
  'the own AS of the speaker is a loop on a session with another local AS (RFC 7705)',
  async (t) => {
    const site = await buildSite({ localAsn: 65100 })
    const line = connect(site)
    line.say(announcing({ numbers: [1000], path: [strangerAsn, 65001] }))
    line.say(announcing({ numbers: [1001], path: [strangerAsn, 65100] }))
    line.say(announcing({ numbers: [1002] }))
    site.clock.advance(100)
    t.match(site.router.pathsFrom('stranger'), [
      { prefix: prefixOf(1000), eligible: false, reason: /AS loop/ },
      { prefix: prefixOf(1001), eligible: false, reason: /AS loop/ },
      { prefix: prefixOf(1002), eligible: true },
    ])
  },
)

/** Events of a kind that one misdeed brings about. */
function eventsOf(site: Site, kind: string): number {
  return site.router.events.filter((event) => event.kind === kind).length
}

t.test('a flood of End-of-RIBs is news once', async (t) => {
  const site = await buildSite()
  const line = connect(site)
  const before = eventsOf(site, 'peer.endOfRib')
  line.say(...range(0, 1000).map(() => endOfRib))
  site.clock.advance(1000)
  t.equal(eventsOf(site, 'peer.endOfRib') - before, 1)
})

t.test('a flood of malformed UPDATEs is told a few times, with a count', async (t) => {
  const site = await buildSite()
  const line = connect(site)
  const wrong = message(2, '0000 000e 40010107 400200 4003040a000009 18 0a4400')
  line.say(...range(0, 5000).map(() => wrong))
  site.clock.advance(1000)
  t.ok(eventsOf(site, 'update.fault') <= 50, `${eventsOf(site, 'update.fault')} events`)
})
