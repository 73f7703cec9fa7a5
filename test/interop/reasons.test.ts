/**
 * A session that can't come up says why, in `peers`: each row is a mistake people make, played
 * against a real BIRD, and the words they must find.
 */
import t from 'tap'
import { Agent } from '../network/agent.ts'
import { missing } from '../network/namespaces.ts'
import { startRouter } from '../network/router.ts'
import { waitUntil } from '../network/wait.ts'
import { bgpPeer, buildSite, manifest, nodeResource, switchAsn } from './site.ts'

t.setTimeout(240_000)

const skip = await missing('bird', 'birdc')

interface Mistake {
  readonly caption: string
  readonly name: string
  readonly spec: object
  readonly words: readonly RegExp[]
}

const mistakes: readonly Mistake[] = [
  {
    caption: 'the peer has another AS than configured',
    name: 'wrong-as',
    spec: { peerIP: '10.99.1.1', asNumber: 65009 },
    words: [/65009/, new RegExp(String(switchAsn))],
  },
  {
    caption: 'the peer has our own router id (RFC 6286 §2.2)',
    name: 'same-id',
    spec: { peerIP: '10.99.1.11', asNumber: 64512 },
    words: [/router id|BGP identifier/i, /10\.99\.1\.2/],
  },
  {
    caption: 'nothing listens at the address',
    name: 'nobody',
    spec: { peerIP: '10.99.1.12', asNumber: switchAsn },
    words: [/refused/, /10\.99\.1\.12/],
  },
  {
    caption: 'the address belongs to nobody on the link',
    name: 'absent',
    spec: { peerIP: '10.99.1.77', asNumber: switchAsn },
    words: [/10\.99\.1\.77/, /no answer|unreachable|no route/i],
  },
  {
    caption: 'there is no way to the address',
    name: 'no-way',
    spec: { peerIP: '192.0.2.77', asNumber: switchAsn },
    words: [/192\.0\.2\.77/, /unreachable|no route/i],
  },
  {
    caption: 'the Secret of its key is missing',
    name: 'no-secret',
    spec: {
      peerIP: '10.99.1.13',
      asNumber: switchAsn,
      password: { secretKeyRef: { name: 'absent-secret', key: 'tor' } },
    },
    words: [/Secret/, /absent-secret/],
  },
  {
    caption: 'it names a filter, which is not enforced yet',
    name: 'filtered',
    spec: { peerIP: '10.99.1.14', asNumber: switchAsn, filters: ['some-filter'] },
    words: [/filter/i],
  },
  {
    caption: 'it is shut down on purpose',
    name: 'down',
    spec: { peerIP: '10.99.1.15', asNumber: switchAsn, shutdown: true },
    words: [/administratively down/],
  },
]

t.test('every mistake has its reason in peers', { skip }, async (t) => {
  const site = await buildSite(t)
  const [node] = site.nodes
  if (!node) throw new Error('the site has a node')
  // More addresses of the switch; where BIRD isn't told to listen, the kernel refuses.
  for (const last of ['11', '12', '13', '14', '15']) {
    await site.fabric.address('port1', `10.99.1.${last}/24`)
  }
  await startRouter('bird', site.fabric, {
    asn: switchAsn,
    routerId: node.addresses[0],
    announce: [],
    strictBind: true,
    neighbours: [
      { name: 'peering1', local: '10.99.1.1', address: node.addresses[0], asn: 64512 },
      {
        name: 'peering2',
        local: '10.99.1.11',
        localAsn: 64512,
        address: node.addresses[0],
        asn: 64512,
      },
    ],
  })
  site.manifests.write('node', manifest(nodeResource(node)))
  site.manifests.remove(node.name)
  site.manifests.write('peers', manifest(...mistakes.map(({ name, spec }) => bgpPeer(name, spec))))
  const agent = await Agent.start(node.namespace, { node: node.name, manifests: site.manifests })
  for (const { caption, name, words } of mistakes) {
    const { state, reason } = await waitUntil(
      `a reason for ${name}`,
      () => agent.peer(name),
      (peer) => words.every((word) => word.test(peer.reason ?? '')),
      60,
    )
    t.not(state, 'Established', `${caption}: ${reason}`)
  }
  const table = await agent.cli('peers')
  for (const { name } of mistakes) t.ok(table.includes(name), `routelet peers lists ${name}`)
})
