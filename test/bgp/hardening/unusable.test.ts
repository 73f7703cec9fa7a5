/**
 * Routes that are well formed and can't be right: a path that does not begin with the peer's AS
 * (RFC 4271 §6.3), a loopback address as next hop. They are not used and say why; the session and the
 * routes beside them stand.
 */
import t from 'tap'
import { isLoopback } from '../../../bgp/wire/next-hop.ts'
import { message } from '../session/scene.ts'
import {
  announcing,
  buildSite,
  connect,
  harmDone,
  prefixOf,
  type Site,
  settle,
  strangeConfig,
  strangerAsn,
} from './scene.ts'

const others = [64999, strangerAsn]

/** Our peers without the stranger. */
function kept({ router }: Site) {
  return router.speaker.wantedPeers.filter(({ name }) => name !== 'stranger')
}

t.test('an eBGP path begins with the AS of the peer', async (t) => {
  const site = await buildSite()
  const line = connect(site)
  line.say(announcing({ numbers: [1000], path: others }), announcing({ numbers: [1001] }))
  line.say(announcing({ numbers: [1002], path: [] }))
  site.clock.advance(100)
  const reason = /the peer's AS is not the first of the AS path/
  t.match(site.router.pathsFrom('stranger'), [
    { prefix: prefixOf(1000), eligible: false, reason },
    { prefix: prefixOf(1001), eligible: true },
    { prefix: prefixOf(1002), eligible: false, reason },
  ])
  t.notOk(site.healthy[0].heardFrom('reflector').includes(prefixOf(1000)), 'nobody is told of it')
  t.ok(site.healthy[0].heardFrom('reflector').includes(prefixOf(1001)))
  line.say(announcing({ numbers: [1001], path: others }))
  site.clock.advance(100)
  t.notOk(site.healthy[0].heardFrom('reflector').includes(prefixOf(1001)), 'it is withdrawn')
  t.equal(site.router.view('stranger').flaps, 0)
})

t.test('a route server need not, and the setting changes under a running session', async (t) => {
  const site = await buildSite()
  const line = connect(site)
  line.say(announcing({ numbers: [1000], path: others }))
  site.clock.advance(100)
  for (const [enforceFirstAs, used] of [
    [false, true],
    [true, false],
  ] as const) {
    const peers = [...kept(site), strangeConfig({ enforceFirstAs })]
    await settle(site, site.router.speaker.setPeers(peers))
    site.clock.advance(100)
    t.match(site.router.pathsFrom('stranger'), [{ eligible: used }])
    t.equal(site.healthy[0].heardFrom('reflector').includes(prefixOf(1000)), used)
  }
  t.equal(site.router.view('stranger').flaps, 0)
  t.equal(line.open, true)
})

t.test('an iBGP path begins with any AS', async (t) => {
  const site = await buildSite({ asn: 65001 })
  const line = connect(site, { asn: 65001, capabilities: [{ kind: 'as4', asn: 65001 }] })
  line.say(announcing({ numbers: [1000], path: [64999], more: '400504 00000064' }))
  site.clock.advance(100)
  t.match(site.router.pathsFrom('stranger'), [{ eligible: true }])
})

t.test('a loopback address as next hop leaves its routes unused, and is said', async (t) => {
  const site = await buildSite()
  const line = connect(site)
  const path = `4002 06 0201${strangerAsn.toString(16).padStart(8, '0')}`
  const update = (nextHop: string) =>
    message(2, `0000 0014 40010100 ${path} 400304 ${nextHop} 180a4400`)
  const text = /unusable UPDATE from stranger: next hop 127\.\d+\.0\.1 is a loopback address/
  for (const nextHop of ['7f000001', '7f010001']) {
    line.say(announcing({ numbers: [1024] }))
    line.say(update(nextHop))
    site.clock.advance(100)
    t.match(site.router.pathsFrom('stranger'), [
      { prefix: '10.68.0.0/24', eligible: false, reason: 'the next hop is a loopback address' },
    ])
    t.match(site.router.events.at(-1), { kind: 'update.fault', peer: 'stranger', text })
  }
  t.equal(site.router.view('stranger').state, 'Established')
  t.equal(line.notification, null)
  t.same(harmDone(site), [])
})

t.test('which addresses are loopback', async (t) => {
  for (const [text, expected] of [
    ['7f000001', true],
    ['7fffffff', true],
    ['80000001', false],
    ['0a00007f', false],
    [`${'00'.repeat(15)}01`, true],
    [`${'00'.repeat(15)}02`, false],
    ['00'.repeat(16), false],
    [`${'00'.repeat(10)}ffff7f000001`, true],
    [`${'00'.repeat(10)}ffff0a000001`, false],
    [`20010db8${'00'.repeat(11)}01`, false],
    [`${'00'.repeat(15)}01fe80${'00'.repeat(13)}01`, true],
  ] as const) {
    const bytes = Uint8Array.from(Buffer.from(text, 'hex'))
    t.equal(isLoopback(bytes, bytes.length), expected, text)
  }
})
