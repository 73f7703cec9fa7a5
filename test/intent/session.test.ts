/** The parameters of one session, and what keeps it down. */
import t from 'tap'
import { configuration, intentOf, node, peer, reasons } from './texts.ts'

t.test('passwords come from Secrets; without one the session stays down', async (t) => {
  const secret = (name: string, data: string, namespace = 'kube-system') => `---
apiVersion: v1
kind: Secret
metadata: {name: ${name}, namespace: ${namespace}}
${data}
`
  const tor = peer(
    'tor',
    '{peerIP: 10.0.0.2, asNumber: 65001, password: {secretKeyRef: {name: s, key: k}}}',
  )
  const table: readonly [string, string, string | null, string | null][] = [
    ['plain', secret('s', 'stringData: {k: hello}'), 'hello', null],
    ['base64', secret('s', 'data: {k: aGVsbG8=}'), 'hello', null],
    ['stringData wins', secret('s', 'data: {k: eA==}\nstringData: {k: hello}'), 'hello', null],
    [
      'kube-system wins',
      secret('s', 'stringData: {k: no}', 'a') + secret('s', 'stringData: {k: yes}'),
      'yes',
      null,
    ],
    ['another namespace', secret('s', 'stringData: {k: hello}', 'mine'), 'hello', null],
    [
      'ambiguous',
      secret('s', 'stringData: {k: a}', 'a') + secret('s', 'stringData: {k: b}', 'b'),
      null,
      'Secret s exists in several namespaces (a, b), none kube-system',
    ],
    ['no Secret', '', null, 'Secret s does not exist'],
    ['no key', secret('s', 'stringData: {x: y}'), null, 'Secret s has no key k'],
    ['empty', secret('s', 'stringData: {k: ""}'), null, 'Secret s: k is empty'],
    [
      'too long',
      secret('s', `stringData: {k: ${'x'.repeat(81)}}`),
      null,
      'Secret s: k has 81 bytes; TCP-MD5 takes 80',
    ],
  ]
  for (const [caption, text, password, heldDown] of table) {
    const intent = intentOf(node + tor + text)
    t.match(intent.peers, [{ password, heldDown }], caption)
    t.same(reasons(intent), heldDown === null ? [] : ['error MissingSecret BGPPeer/tor'], caption)
  }
})

t.test('what is not enforced holds a peer down, in words', async (t) => {
  const table: readonly [string, string, readonly string[]][] = [
    [
      'filters: [f]',
      'filters: f does not exist: the session stays down',
      ['error UnknownFilter BGPPeer/tor'],
    ],
    ['role: Peer', 'role is not enforced yet', ['warning NotEnforced BGPPeer/tor']],
  ]
  for (const [field, heldDown, expected] of table) {
    const intent = intentOf(node + peer('tor', `{peerIP: 10.0.0.2, asNumber: 65001, ${field}}`))
    t.match(intent.peers, [{ heldDown }], field)
    t.same(reasons(intent), expected, field)
  }
  const unnumbered = intentOf(node + peer('tor', '{interface: eth0, asNumber: 65001}'))
  t.same(unnumbered.peers, [])
  t.same(reasons(unnumbered), ['warning NotEnforced BGPPeer/tor'])
})

t.test('filters arrive at the peer, and the last ones stay when theirs vanishes', async (t) => {
  const filter =
    '---\napiVersion: routelet.io/v1\nkind: BGPFilter\nmetadata: {name: f}\n' +
    'spec: {importV4: [{action: Reject}]}\n'
  const tor = peer('tor', '{peerIP: 10.0.0.2, asNumber: 65001, filters: [f]}')
  const before = intentOf(node + filter + tor)
  t.match(before.peers, [
    { heldDown: null, filters: [{ name: 'f', importV4: [{ action: 'Reject' }] }] },
  ])
  t.same(reasons(before), [])
  const kept = intentOf(node + tor, 'n1', before)
  t.same(kept.peers, before.peers)
  t.same(reasons(kept), ['warning LastFiltersKept BGPPeer/tor'])
})

t.test('ebgpRequiresPolicy denies everything to eBGP peers without filters', async (t) => {
  const text =
    node +
    configuration('{ebgpRequiresPolicy: true}') +
    peer('a', '{peerIP: 10.0.0.2, asNumber: 65001}') +
    peer('b', '{peerIP: 10.0.0.3, asNumber: 64512}')
  const intent = intentOf(text)
  t.match(intent.peers, [
    { heldDown: null, filters: [{ name: 'ebgpRequiresPolicy', exportV6: [{ action: 'Reject' }] }] },
    { heldDown: null, filters: [] },
  ])
  t.same(reasons(intent), ['warning PolicyRequired BGPPeer/a'])
})

t.test('every parameter of a peer arrives', async (t) => {
  const spec = `{
    peerIP: 10.0.0.2, asNumber: 65001, localASNumber: 65100, holdTime: 30s, keepaliveTime: 5s,
    connectRetryTime: 7s, families: [ipv6-unicast, ipv4-unicast], routeReflectorClient: false,
    nextHopMode: Self, export: All, numAllowedLocalASNumbers: 2, asOverride: true, ttlSecurity: 1, enforceFirstAS: false,
    maxRestartTime: 60s, description: to the rack, shutdown: true, shutdownMessage: moved, passive: true}`
  t.same(intentOf(node + peer('tor', spec)).peers, [
    {
      name: 'tor',
      origin: 'BGPPeer tor',
      description: 'to the rack',
      address: '10.0.0.2',
      range: null,
      rangeLimit: 10_000,
      port: 179,
      asn: 65_001,
      localAsn: 65_100,
      localAddress: '10.0.0.1',
      passive: true,
      password: null,
      holdSeconds: 30,
      keepaliveSeconds: 5,
      connectRetrySeconds: 7,
      families: ['ipv4-unicast', 'ipv6-unicast'],
      routeReflectorClient: false,
      clusterId: null,
      nextHopMode: 'Self',
      export: 'All',
      allowedLocalAsns: 2,
      asOverride: true,
      enforceFirstAs: false,
      ttlSecurity: 1,
      ebgpMultihop: null,
      gracefulRestart: 'Enabled',
      restartSeconds: 60,
      staleSeconds: 360,
      addPathReceive: true,
      addPathSend: 'None',
      addPathLimit: null,
      maxPrefixes: null,
      bfd: null,
      filters: [],
      shutdown: true,
      shutdownMessage: 'moved',
      heldDown: null,
    },
  ])
})

t.test('addPaths says how many paths are sent, and the best alone needs no path ids', async (t) => {
  const rows: [written: string, send: string, limit: number | null][] = [
    ['{}', 'Multipath', null],
    ['{send: None, sendLimit: 4}', 'None', null],
    ['{send: Best}', 'None', null],
    ['{send: Best, sendLimit: 1}', 'None', null],
    ['{send: Best, sendLimit: 4}', 'Best', 4],
    ['{send: Multipath, sendLimit: 2}', 'Multipath', 2],
    ['{send: All}', 'All', null],
    ['{send: All, sendLimit: 8}', 'All', 8],
  ]
  for (const [written, addPathSend, addPathLimit] of rows) {
    const spec = `{peerIP: 10.0.0.2, asNumber: 64512, addPaths: ${written}}`
    t.match(intentOf(node + peer('a', spec)).peers, [{ addPathSend, addPathLimit }], written)
  }
})

t.test('keepOriginalNextHop acts on eBGP only', async (t) => {
  const text =
    node +
    peer('a', '{peerIP: 10.0.0.2, asNumber: 65001, keepOriginalNextHop: true}') +
    peer('b', '{peerIP: 10.0.0.3, asNumber: 64512, keepOriginalNextHop: true}')
  t.match(intentOf(text).peers, [{ nextHopMode: 'Keep' }, { nextHopMode: 'Auto' }])
})

t.test('ECMP over different AS is on unless the BGPConfiguration says otherwise', async (t) => {
  t.equal(intentOf(node).asPathRelax, true)
  t.equal(intentOf(node + configuration('{asPathMultipathRelax: false}')).asPathRelax, false)
})

t.test('the mesh has its own password and restart time', async (t) => {
  const text =
    node +
    '---\n{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 10.0.0.2}]}}\n' +
    '---\n{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {k: hello}}\n' +
    configuration(
      '{nodeMeshPassword: {secretKeyRef: {name: s, key: k}}, nodeMeshMaxRestartTime: 30s}',
    )
  t.match(intentOf(text).peers, [
    { name: 'mesh.n2.v4', origin: 'mesh', password: 'hello', restartSeconds: 30 },
  ])
})

t.test('a running session keeps its key when the Secret vanishes', async (t) => {
  const secret =
    '---\n{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {k: hello}}\n'
  const tor = (host: string) =>
    peer('tor', `{peerIP: ${host}, asNumber: 65001, password: {secretKeyRef: {name: s, key: k}}}`)
  const before = intentOf(node + tor('10.0.0.2') + secret)
  const kept = intentOf(node + tor('10.0.0.2'), 'n1', before)
  t.same(kept.peers, before.peers)
  t.same(reasons(kept), ['warning LastKeyKept BGPPeer/tor'])
  t.same(intentOf(node + tor('10.0.0.2'), 'n1', kept).peers, before.peers, 'and goes on keeping it')
  t.match(intentOf(node + tor('10.0.0.3'), 'n1', before).peers, [
    { password: null, heldDown: 'Secret s does not exist' },
  ])
})
