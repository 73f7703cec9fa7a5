/**
 * Settings of a peer that shape its routes, over whole sessions: next hops by mode and kind of session
 * (RFC 4271 §5.1.3), the own AS in what comes back, another port. All but the port change under a
 * running session.
 */
import t from 'tap'
import type { PeerConfig } from '../../../bgp/types.ts'
import {
  announcing,
  buildSite,
  clients,
  connect,
  dial,
  harmDone,
  ourAsn,
  ours,
  prefixOf,
  type Site,
  settle,
  strangeConfig,
  stranger,
  strangerAsn,
} from './scene.ts'

/** Changes the stranger's settings; its session must not notice. */
async function change(site: Site, settings: Partial<PeerConfig>): Promise<void> {
  const { speaker } = site.router
  const kept = speaker.wantedPeers.filter(({ name }) => name !== 'stranger')
  await settle(site, speaker.setPeers([...kept, strangeConfig(settings)]))
  site.clock.advance(100)
}

const ebgp = { asn: strangerAsn }
const ibgp = { asn: ourAsn, routeReflectorClient: true, clusterId: ours }

t.test('next hops are those of the mode, and change with it', async (t) => {
  const rows: readonly [kind: string, PeerConfig['nextHopMode'], own: string, learned: string][] = [
    // All of them share a subnet, so the first hop of a learned route is theirs (third party).
    ['ebgp', 'Auto', ours, clients[0]],
    ['ebgp', 'Self', ours, ours],
    ['ebgp', 'Keep', ours, clients[0]],
    ['ibgp', 'Auto', ours, clients[0]],
    ['ibgp', 'Self', ours, ours],
    ['ibgp', 'Keep', ours, clients[0]],
  ]
  for (const [kind, settings] of [
    ['ebgp', ebgp],
    ['ibgp', ibgp],
  ] as const) {
    const site = await buildSite(settings)
    site.router.announce([2000])
    const { asn } = settings
    connect(site, { asn, capabilities: [{ kind: 'as4', asn }] })
    for (const [of, nextHopMode, own, learned] of rows) {
      if (of !== kind) continue
      await change(site, { ...settings, nextHopMode })
      const told = (number: number) =>
        site.router.speaker.views
          .explain(prefixOf(number))
          .advertisements.find(({ peer }) => peer === 'stranger')?.attributes?.nextHop
      t.equal(told(2000), own, `${kind}, ${nextHopMode}: own`)
      t.equal(told(0), learned, `${kind}, ${nextHopMode}: learned`)
    }
    t.equal(site.router.view('stranger').flaps, 0)
    t.same(harmDone(site), [])
  }
})

t.test(
  'the own AS may come back as often as it is allowed, from one change to the next',
  async (t) => {
    const site = await buildSite()
    const line = connect(site)
    for (const times of [1, 2, 3]) {
      const path = [strangerAsn, ...new Array<number>(times).fill(ourAsn)]
      line.say(announcing({ numbers: [1000 + times], path }))
    }
    for (const allowedLocalAsns of [0, 1, 2, 3, 0]) {
      await change(site, { allowedLocalAsns })
      const used = site.router.pathsFrom('stranger').map(({ eligible }) => eligible)
      t.same(
        used,
        [1, 2, 3].map((times) => times <= allowedLocalAsns),
        `${allowedLocalAsns} allowed`,
      )
    }
    t.equal(site.router.view('stranger').flaps, 0)
  },
)

t.test('a peer on another port is dialled there', async (t) => {
  const site = await buildSite({ passive: false, port: 1790 })
  let accepted = 0
  await site.network
    .host(stranger)
    .listen({ address: null, family: 4, port: 1790, backlog: 1 }, (incoming) => {
      accepted++
      incoming.reject()
    })
  site.clock.advance(120_000)
  t.ok(accepted > 0)
  const line = dial(site)
  site.clock.advance(100)
  t.ok(line.open, 'and may come to ours')
})
