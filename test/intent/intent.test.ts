/** What else an intent holds: the node, its announcements, kernel settings, and what is wrong. */
import t from 'tap'
import { BgpPeerSpec } from '../../src/config/schema/bgp-peer.ts'
import { notEnforced as peerFields } from '../../src/intent/session.ts'
import { configuration, intentOf, node, peer, reasons } from './texts.ts'

t.test('a node alone', async (t) => {
  t.same(intentOf(node), {
    node: {
      name: 'n1',
      asn: 64_512,
      routerId: '10.0.0.1',
      clusterId: null,
      addresses: ['10.0.0.1/24', '2001:db8::1'],
      podCidrs: ['10.1.0.0/24', '2001:db8:1::/64', '10.9.9.9/32'],
    },
    listen: [
      { address: null, family: 4, port: 179 },
      { address: null, family: 6, port: 179 },
    ],
    peers: [],
    announcements: ['10.1.0.0/24', '10.9.9.9/32', '2001:db8:1::/64'].map((prefix) => ({
      prefix,
      reason: 'pod CIDR of node n1',
      communities: [],
    })),
    unsteady: [],
    holdDownSeconds: 10,
    blackholes: ['10.1.0.0/24', '2001:db8:1::/64'],
    casual: [],
    hostRoutes: [],
    refuse: ['10.1.0.0/24', '10.9.9.9/32', '2001:db8:1::/64'].map((prefix) => ({
      prefix,
      match: 'covered',
      reason: 'own pod CIDR',
    })),
    guard: { prefixes: [], action: 'drop' },
    cni: null,
    fib: {
      table: 254,
      protocol: 179,
      metric: 2179,
      maxPaths: 16,
      install: 'All',
      scanSeconds: 60,
      nexthops: 'Auto',
      preferredSources: { ipv4: null, ipv6: null },
    },
    sysctls: 'Check',
    nodeCount: 1,
    asPathRelax: true,
    defaultRoute: 'Ignore',
    localPreference: 100,
    onStop: 'Auto',
    readiness: { policy: 'Quorum', timeoutSeconds: 300 },
    logLevel: null,
    problems: [],
  })
})

t.test('an absent node: nothing to do, and why', async (t) => {
  const intent = intentOf(node, 'n2')
  t.equal(intent.node, null)
  t.same(intent.announcements, [])
  t.match(intent.problems, [{ reason: 'NodeAbsent', remedy: 'did you mean n1?' }])
})

t.test(
  'what a node says of itself: ours, Calico annotations, Calico Node, addresses',
  async (t) => {
    const core = (annotations: string) => `
apiVersion: v1
kind: Node
metadata: {name: n1, annotations: ${annotations}}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
`
    const calico = `---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: n1, labels: {a: calico}}
spec: {bgp: {ipv4Address: 10.0.0.3/24, asNumber: "65003", routeReflectorClusterID: 244.0.0.3}}
`
    t.match(intentOf(core('{}')).node, { addresses: ['192.168.0.1'], asn: 64_512 })
    t.match(intentOf(core('{}') + calico).node, {
      addresses: ['10.0.0.3/24'],
      asn: 65_003,
      clusterId: '244.0.0.3',
    })
    const annotated = core(
      '{projectcalico.org/IPv4Address: 10.0.0.2/24, routelet.io/ASNumber: "1.1"}',
    )
    t.match(intentOf(annotated + calico).node, { addresses: ['10.0.0.2/24'], asn: 65_537 })
    const both = core(
      '{projectcalico.org/IPv4Address: 10.0.0.2, routelet.io/IPv4Address: 10.0.0.9}',
    )
    t.match(intentOf(both).node, { addresses: ['10.0.0.9'] })
    t.match(intentOf(calico.slice(4)).node, { routerId: '10.0.0.3' }, 'a Calico Node alone')
  },
)

t.test('annotations that are wrong are ignored and told', async (t) => {
  const text = `
apiVersion: v1
kind: Node
metadata: {name: n1, annotations: {routelet.io/IPv4Address: nine, projectcalico.org/ASNumber: "0"}}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}, {type: InternalIP, address: x}]}
`
  const intent = intentOf(text)
  t.match(intent.node, { addresses: ['192.168.0.1'], asn: 64_512 })
  t.match(intent.problems, [
    { reason: 'BadAnnotation', message: /ASNumber: expected an AS number.*found "0"/ },
    { reason: 'BadAnnotation', message: /IPv4Address: expected an address.*found "nine"/ },
    { reason: 'BadNodeAddress', message: /"x" is not an address/ },
    { reason: 'NoPodCidr', severity: 'info' },
  ])
})

t.test('the router id of a node without IPv4 is a hash of its name', async (t) => {
  const text = `
apiVersion: v1
kind: Node
metadata: {name: n1}
spec: {podCIDRs: ["2001:db8:1::/64"]}
status: {addresses: [{type: InternalIP, address: "2001:db8::1"}]}
`
  const { node: own, listen } = intentOf(text)
  t.match(own?.routerId, /^\d+\.\d+\.\d+\.\d+$/)
  t.ok(Number(own?.routerId.split('.')[0]) <= 223)
  t.equal(intentOf(text).node?.routerId, own?.routerId)
  t.same(listen, [{ address: null, family: 6, port: 179 }])
})

t.test('two nodes with one address are told apart by nobody', async (t) => {
  const twin = node.replace('name: n1', 'name: n2')
  t.match(intentOf(`${node}---\n${twin}`).problems, [
    { reason: 'DuplicateAddress', subject: 'Node/n2', message: /10\.0\.0\.1 is also .* n1/ },
    { reason: 'DuplicateAddress', subject: 'Node/n2', message: /2001:db8::1 is also/ },
  ])
})

t.test('node.NAME overrides what it says, field by field', async (t) => {
  const cluster = configuration(
    '{asNumber: 65000, listenPort: 1790, logSeverityScreen: debug, fib: {metric: 50, table: 100}}',
  )
  const own = configuration(
    '{listenPort: 1791, logSeverityScreen: Warning, fib: {metric: 60, scanInterval: 0s}, bindMode: NodeIP}',
    'node.n1',
  )
  const intent = intentOf(node + cluster + own)
  t.match(intent, {
    node: { asn: 65_000 },
    fib: { metric: 60, table: 100, scanSeconds: null, protocol: 179 },
    logLevel: 'warn',
    listen: [
      { address: '10.0.0.1', family: 4, port: 1791 },
      { address: '2001:db8::1', family: 6, port: 1791 },
    ],
  })
})

t.test('communities of every prefixAdvertisement that covers a pod CIDR', async (t) => {
  const spec = `{
    communities: [{name: bgp-large, value: "63400:300:100"}],
    prefixAdvertisements: [
      {cidr: 10.0.0.0/8, communities: [bgp-large, "65001:1"]},
      {cidr: 10.1.0.0/24, communities: [no-export]},
      {cidr: 10.1.0.0/25, communities: ["65001:2"]}]}`
  const { announcements } = intentOf(node + configuration(spec))
  t.same(
    announcements.map(({ communities }) => communities),
    [['63400:300:100', '65001:1', '65535:65281'], ['63400:300:100', '65001:1'], []],
  )
})

t.test('service ranges are announced, and refused from others', async (t) => {
  const intent = intentOf(
    node + configuration('{serviceClusterIPs: [{cidr: 10.96.0.0/12}], serviceExternalIPs: []}'),
  )
  t.match(intent.refuse[1], { prefix: '10.9.9.9/32' })
  t.match(intent.refuse[2], {
    prefix: '10.96.0.0/12',
    match: 'covered',
    reason: 'service range (serviceClusterIPs)',
  })
  t.match(intent.announcements[2], {
    prefix: '10.96.0.0/12',
    reason: 'service range (serviceClusterIPs)',
  })
  t.same(reasons(intent), [])
})

t.test('a reflector passes service routes on, and installs none', async (t) => {
  const reflector = node.replace(
    'annotations: {',
    'annotations: {projectcalico.org/RouteReflectorClusterID: 244.0.0.1, ',
  )
  const { refuse } = intentOf(
    reflector + configuration('{serviceLoadBalancerIPs: [{cidr: 192.0.2.0/24}]}'),
  )
  t.match(
    refuse.find(({ prefix }) => prefix === '192.0.2.0/24'),
    { passOn: true },
  )
  t.notHas(refuse[0], { passOn: true }, 'pods of its own are its own')
})

t.test('LOCAL_PREF is a number, or follows Calico', async (t) => {
  const table: readonly [string, number][] = [
    ['{}', 100],
    ['{localPreference: 250}', 250],
    ['{localPreference: Calico}', 2_147_482_623],
    ['{ipv4NormalRoutePriority: 512}', 2_147_483_135],
    ['{ipv4NormalRoutePriority: 512, localPreference: 100}', 100],
  ]
  for (const [spec, expected] of table) {
    t.equal(intentOf(node + configuration(spec)).localPreference, expected, spec)
  }
})

t.test('one AS behind eBGP switches is a trap unless the loop is allowed', async (t) => {
  const other =
    '---\n{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 10.0.0.2}]}}\n'
  const noMesh = configuration('{nodeToNodeMeshEnabled: false}')
  const tor = (extra: string) => peer('tor', `{peerIP: 10.0.0.200, asNumber: 65001${extra}}`)
  const table: readonly [string, string, readonly string[]][] = [
    ['trapped', node + other + noMesh + tor(''), ['warning AsLoop BGPPeer/tor']],
    ['allowed', node + other + noMesh + tor(', numAllowedLocalASNumbers: 1'), []],
    ['overridden', node + other + noMesh + tor(', asOverride: true'), []],
    ['beside a mesh', node + other + tor(''), []],
    ['alone', node + noMesh + tor(''), []],
  ]
  for (const [caption, text, expected] of table) {
    t.same(reasons(intentOf(text)), expected, caption)
  }
})

const filter = `---
apiVersion: routelet.io/v1
kind: BGPFilter
metadata: {name: f}
spec: {}
`

t.test('a reflector that puts itself in the way is told so', async (t) => {
  const reflector = node.replace(
    'annotations: {',
    'annotations: {projectcalico.org/RouteReflectorClusterID: 244.0.0.1, ',
  )
  const inside = peer('p', '{peerIP: 10.9.0.1, asNumber: 64512, nextHopMode: Self}')
  t.same(reasons(intentOf(reflector + inside)), ['warning NextHopSelfReflects BGPPeer/p'])
  t.same(reasons(intentOf(node + inside)), [])
})

t.test('what is worth a warning', async (t) => {
  const table: readonly [string, string, readonly string[]][] = [
    [
      'a range of pods',
      peer('r', '{peerRange: 10.1.0.0/16, asNumber: 65001}'),
      ['warning RangeCoversPods BGPPeer/r', 'warning UnauthenticatedRange BGPPeer/r'],
    ],
    [
      'a reflector without cluster id',
      peer('r', '{peerIP: 10.9.0.1, asNumber: 64512, routeReflectorClient: true}'),
      ['info ClusterIdFromRouterId BGPPeer/r'],
    ],
    [
      'two BGPPeers at one address',
      peer('a', '{peerIP: 10.9.0.1, asNumber: 65001}') +
        peer('b', '{peerIP: 10.9.0.1, asNumber: 65001}'),
      ['info DuplicatePeer BGPPeer/b'],
    ],
    [
      'a mark of BIRD',
      configuration('{fib: {protocol: 12}}'),
      ['warning ForeignProtocol BGPConfiguration/default'],
    ],
    ['settings at their default', configuration('{announceNodeAddresses: false}'), []],
    [
      'settings without effect here',
      configuration('{ignoredInterfaces: [eth1], programClusterRoutes: Enabled}'),
      ['info NoEffect BGPConfiguration/default', 'info NoEffect BGPConfiguration/default'],
    ],
    [
      'a community that nothing uses',
      configuration(`{communities: [{name: a, value: "1:2"}, {name: b, value: "1:3"}],
        prefixAdvertisements: [{cidr: 10.0.0.0/8, communities: [a]}]}`),
      ['info UnusedCommunity BGPConfiguration/default'],
    ],
    ['a filter that nobody names', filter, ['info UnusedFilter BGPFilter/f']],
    [
      'a peerSelector that selects nobody',
      peer('p', '{peerSelector: has(spine)}'),
      ['warning PeerSelectsNobody BGPPeer/p'],
    ],
    [
      'what makes no sense within one AS',
      peer(
        'p',
        '{peerIP: 10.9.0.1, asNumber: 64512, keepOriginalNextHop: true, asOverride: true, ebgpMultihop: 2}',
      ),
      ['info NoEffect BGPPeer/p', 'info NoEffect BGPPeer/p', 'info NoEffect BGPPeer/p'],
    ],
    [
      'a client of another AS',
      peer('p', '{peerIP: 10.9.0.1, asNumber: 65001, routeReflectorClient: true}'),
      ['info ClusterIdFromRouterId BGPPeer/p', 'warning NoEffect BGPPeer/p'],
    ],
    [
      'two route priorities',
      configuration('{ipv4NormalRoutePriority: 1, ipv6NormalRoutePriority: 2}'),
      ['warning RoutePriorityMismatch BGPConfiguration/default'],
    ],
  ]
  for (const [caption, text, expected] of table) {
    t.same(reasons(intentOf(node + text)), expected, caption)
  }
})

t.test('the AS said of a node must be its own', async (t) => {
  const other =
    '---\n{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 10.0.0.2}]}}\n'
  const intent = intentOf(node + other + peer('p', '{peerIP: 10.0.0.2, asNumber: 65009}'))
  t.match(intent.problems, [{ reason: 'AsMismatch', remedy: 'set asNumber: 64512' }])
  const own = intentOf(node + other + peer('p', '{node: n2, peerIP: 10.0.0.1, asNumber: 65009}'))
  t.match(
    own.problems,
    [{ reason: 'AsMismatch', message: /node n1 has AS 64512: it gets no session in return/ }],
    'and the node that has the address says so itself',
  )
})

t.test('the order of manifests makes no difference', async (t) => {
  const parts = [
    node,
    '{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 10.0.0.2}]}}\n',
    peer('a', '{peerIP: 10.9.0.1, asNumber: 65001}').slice(4),
    peer('b', '{peerSelector: all()}').slice(4),
    configuration('{asNumber: 65000}').slice(4),
  ]
  const forwards = intentOf(parts.join('---\n'))
  t.same(intentOf([...parts].reverse().join('---\n')), forwards)
})

t.test('fields that are not enforced say so in their description', async (t) => {
  const describe = (schema: object, field: string) =>
    (schema as { properties: Record<string, { description: string }> }).properties[field]
      ?.description
  for (const [field] of peerFields) {
    t.match(describe(BgpPeerSpec, field), /Not enforced yet\.$/, field)
  }
})
