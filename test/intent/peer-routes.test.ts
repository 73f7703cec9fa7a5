/** Peers behind a gateway: the host route, and what the session must know of it. */
import t from 'tap'
import { configuration, intentOf, node, peer, reasons } from './texts.ts'

const behind = (name: string, peerIP: string, gateway: string, more = '') =>
  peer(name, `{peerIP: "${peerIP}", asNumber: 65001, reachableBy: "${gateway}"${more}}`)

t.test('a peer behind a gateway has a host route and a session of several hops', async (t) => {
  const intent = intentOf(
    node + behind('tor', '10.9.0.1', '10.0.0.9') + behind('tor6', '2001:db8:9::1', '2001:db8::9'),
  )
  t.same(intent.hostRoutes, [
    { address: '10.9.0.1', gateway: '10.0.0.9', subject: 'BGPPeer/tor' },
    { address: '2001:db8:9::1', gateway: '2001:db8::9', subject: 'BGPPeer/tor6' },
  ])
  t.match(intent.peers, [{ heldDown: null, ebgpMultihop: 64 }, { ebgpMultihop: 64 }])
  t.same(reasons(intent), [])
  const secured = intentOf(node + behind('tor', '10.9.0.1', '10.0.0.9', ', ttlSecurity: 2'))
  t.match(secured.peers, [{ ebgpMultihop: null, ttlSecurity: 2 }])
})

t.test('where a gateway does nothing, or two differ, a condition says so', async (t) => {
  const table: readonly [string, string, readonly string[], readonly string[]][] = [
    ['the peer itself', behind('tor', '10.9.0.1', '10.9.0.1'), [], ['info NoEffect BGPPeer/tor']],
    [
      'a peer at an interface',
      behind('tor', 'fe80::1%eth0', 'fe80::2'),
      [],
      ['info NoEffect BGPPeer/tor'],
    ],
    [
      'no routes are written',
      configuration('{fib: {install: None}}') + behind('tor', '10.9.0.1', '10.0.0.9'),
      [],
      ['info NoEffect BGPPeer/tor'],
    ],
    [
      'two gateways to one address',
      behind('a', '10.9.0.1', '10.0.0.9') + behind('b', '10.9.0.1:1179', '10.0.0.8'),
      ['10.9.0.1'],
      ['warning GatewayDiffers BGPPeer/b'],
    ],
    [
      'one gateway, two ports',
      behind('a', '10.9.0.1', '10.0.0.9') + behind('b', '10.9.0.1:1179', '10.0.0.9'),
      ['10.9.0.1'],
      [],
    ],
  ]
  for (const [caption, text, addresses, expected] of table) {
    const intent = intentOf(node + text)
    t.same(
      intent.hostRoutes.map(({ address }) => address),
      addresses,
      caption,
    )
    t.same(reasons(intent), expected, caption)
  }
})

t.test('the mirror of such a peering needs no gateway', async (t) => {
  const other = `---
apiVersion: v1
kind: Node
metadata: {name: n2}
status: {addresses: [{type: InternalIP, address: 10.0.0.2}]}
`
  const mesh = configuration('{nodeToNodeMeshEnabled: false}')
  const text =
    node +
    other +
    mesh +
    peer('p', '{node: n2, peerIP: 10.0.0.1, asNumber: 64512, reachableBy: 10.0.0.9}')
  t.match(intentOf(text), { peers: [{ origin: 'reverse of BGPPeer p' }], hostRoutes: [] })
  t.match(intentOf(text, 'n2').hostRoutes, [{ address: '10.0.0.1', gateway: '10.0.0.9' }])
})
