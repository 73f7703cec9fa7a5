/**
 * Who peers with whom: manifests → sessions, for the topologies of Calico's documentation and the
 * corners of its rules. A session is written `name address:port as local [flags]`.
 */
import t from 'tap'
import type { PeerConfig } from '../../bgp/types.ts'
import { readManifests } from '../../src/config/manifest.ts'
import { assembleResources } from '../../src/config/resources.ts'
import { computeIntent } from '../../src/intent/intent.ts'

interface NodeText {
  readonly name: string
  readonly v4?: string
  readonly v6?: string
  readonly asn?: number
  readonly cluster?: string
  readonly labels?: Readonly<Record<string, string>>
}

function node({ name, v4, v6, asn, cluster, labels = {} }: NodeText): object {
  const annotations = {
    ...(v4 === undefined ? {} : { 'projectcalico.org/IPv4Address': v4 }),
    ...(v6 === undefined ? {} : { 'projectcalico.org/IPv6Address': v6 }),
    ...(asn === undefined ? {} : { 'projectcalico.org/ASNumber': `${asn}` }),
    ...(cluster === undefined ? {} : { 'projectcalico.org/RouteReflectorClusterID': cluster }),
  }
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels, annotations } }
}

const object = (kind: string, name: string, spec: object) => ({
  apiVersion: 'projectcalico.org/v3',
  kind,
  metadata: { name },
  spec,
})
const peer = (name: string, spec: object) => object('BGPPeer', name, spec)
const configuration = (spec: object, name = 'default') => object('BGPConfiguration', name, spec)
const noMesh = configuration({ nodeToNodeMeshEnabled: false })

function peersOf(objects: readonly object[], own: string): readonly PeerConfig[] {
  const text = objects.map((one) => JSON.stringify(one)).join('\n---\n')
  const { resources, problems } = readManifests('test.yaml', text)
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('\n'))
  return computeIntent(assembleResources(resources).resources, own).peers
}

function write(peer: PeerConfig): string {
  const flags = [
    peer.passive ? 'passive' : null,
    peer.routeReflectorClient ? 'client' : null,
    peer.localAsn === 64_512 ? null : `local ${peer.localAsn}`,
    peer.localAddress === null ? 'no source' : null,
    peer.heldDown === null ? null : 'held',
  ].filter((flag) => flag !== null)
  const head = `${peer.name} ${peer.address ?? peer.range}:${peer.port} ${peer.asn}`
  return flags.length === 0 ? head : `${head} ${flags.join(' ')}`
}

const n1 = { name: 'n1', v4: '10.0.0.9/24' }
const n2 = { name: 'n2', v4: '10.0.0.10/24' }
const n3 = { name: 'n3', v4: '10.0.0.3/24' }
const reflector = { cluster: '244.0.0.1', labels: { 'route-reflector': 'true' } }
const r1 = { name: 'r1', v4: '10.0.0.1/24', ...reflector }
const r2 = { name: 'r2', v4: '10.0.0.2/24', ...reflector }
const toReflectors = peer('peer-with-rr', {
  nodeSelector: 'all()',
  peerSelector: "route-reflector == 'true'",
})
const dual = (name: string, host: number) =>
  node({ name, v4: `10.0.0.${host}/24`, v6: `2001:db8::${host}/64` })

interface Topology {
  readonly caption: string
  readonly objects: readonly object[]
  readonly own: string
  readonly expected: readonly string[]
}

const topologies: readonly Topology[] = [
  {
    caption: 'full mesh: the text order of addresses says who dials',
    objects: [node(n1), node(n2), node(n3)],
    own: 'n1',
    expected: ['mesh.n2.v4 10.0.0.10:179 64512', 'mesh.n3.v4 10.0.0.3:179 64512'],
  },
  {
    caption: 'full mesh seen from the other end: exactly one side is passive',
    objects: [node(n1), node(n2), node(n3)],
    own: 'n2',
    expected: ['mesh.n1.v4 10.0.0.9:179 64512 passive', 'mesh.n3.v4 10.0.0.3:179 64512 passive'],
  },
  {
    caption: 'full mesh, dual stack: one session a family both ends have',
    objects: [dual('a', 1), dual('b', 2), node(n3)],
    own: 'a',
    expected: [
      'mesh.b.v4 10.0.0.2:179 64512 passive',
      'mesh.b.v6 2001:db8::2:179 64512 passive',
      'mesh.n3.v4 10.0.0.3:179 64512 passive',
    ],
  },
  {
    caption: 'full mesh leaves reflectors out',
    objects: [node(n1), node(n2), node(r1)],
    own: 'n1',
    expected: ['mesh.n2.v4 10.0.0.10:179 64512'],
  },
  {
    caption: 'a reflector is in no mesh',
    objects: [node(n1), node(n2), node(r1)],
    own: 'r1',
    expected: [],
  },
  {
    caption: 'full mesh with an AS a node',
    objects: [node({ ...n1, asn: 65_001 }), node({ ...n2, asn: 65_002 })],
    own: 'n1',
    expected: ['mesh.n2.v4 10.0.0.10:179 65002 local 65001'],
  },
  {
    caption: 'full mesh on another port, one node on its own',
    objects: [
      configuration({ listenPort: 1790 }),
      configuration({ listenPort: 1791 }, 'node.n2'),
      ...[n1, n2, n3].map(node),
    ],
    own: 'n1',
    expected: ['mesh.n2.v4 10.0.0.10:1791 64512', 'mesh.n3.v4 10.0.0.3:1790 64512'],
  },
  {
    caption: 'a global peer beside the mesh',
    objects: [
      node(n1),
      node(n2),
      peer('bgppeer-global', { peerIP: '192.20.30.40', asNumber: 64_567 }),
    ],
    own: 'n1',
    expected: ['bgppeer-global 192.20.30.40:179 64567', 'mesh.n2.v4 10.0.0.10:179 64512'],
  },
  {
    caption: "a global peer isn't reached at the nodes' own port",
    objects: [
      configuration({ nodeToNodeMeshEnabled: false, listenPort: 1790 }),
      node(n1),
      peer('tor', { peerIP: '192.20.30.40', asNumber: 64_567 }),
    ],
    own: 'n1',
    expected: ['tor 192.20.30.40:179 64567'],
  },
  {
    caption: 'ToR peering per rack by label',
    objects: [
      noMesh,
      node({ ...n1, labels: { rack: 'rack-1' } }),
      node({ ...n2, labels: { rack: 'rack-2' } }),
      peer('rack1-tor', {
        peerIP: '192.20.30.40',
        asNumber: 64_567,
        nodeSelector: "rack == 'rack-1'",
      }),
      peer('rack2-tor', {
        peerIP: '192.20.30.41',
        asNumber: 64_568,
        nodeSelector: "rack == 'rack-2'",
      }),
    ],
    own: 'n2',
    expected: ['rack2-tor 192.20.30.41:179 64568'],
  },
  {
    caption: 'a peer of one node by its name, with port and without a source address',
    objects: [
      noMesh,
      node(n1),
      node(n2),
      peer('node1', {
        node: 'n1',
        peerIP: '192.20.30.40:1790',
        asNumber: 64_514,
        sourceAddress: 'None',
      }),
      peer('node2', { node: 'n2', peerIP: '192.20.30.40', asNumber: 64_514 }),
    ],
    own: 'n1',
    expected: ['node1 192.20.30.40:1790 64514 no source'],
  },
  {
    caption: 'reflectors, seen from a client: both dial, one session each',
    objects: [noMesh, node(n1), node(n2), node(r1), node(r2), toReflectors],
    own: 'n1',
    expected: ['peer-with-rr.r1.v4 10.0.0.1:179 64512', 'peer-with-rr.r2.v4 10.0.0.2:179 64512'],
  },
  {
    caption: 'reflectors, seen from one: clients by reverse peering, the other reflector is none',
    objects: [noMesh, node(n1), node(n2), node(r1), node(r2), toReflectors],
    own: 'r1',
    expected: [
      'peer-with-rr.n1.v4 10.0.0.9:179 64512 client',
      'peer-with-rr.n2.v4 10.0.0.10:179 64512 client',
      'peer-with-rr.r2.v4 10.0.0.2:179 64512',
    ],
  },
  {
    caption: 'reflectors of different clusters are clients of each other',
    objects: [noMesh, node(r1), node({ ...r2, cluster: '244.0.0.2' }), toReflectors],
    own: 'r1',
    expected: ['peer-with-rr 10.0.0.2:179 64512 client'],
  },
  {
    caption: 'a BGPPeer that gives one session lends it its name',
    objects: [noMesh, node(n1), node(r1), toReflectors],
    own: 'n1',
    expected: ['peer-with-rr 10.0.0.1:179 64512'],
  },
  {
    caption: 'reversePeering Manual: the reflector has no session of its own',
    objects: [
      noMesh,
      ...[n1, r1].map(node),
      peer('p', {
        nodeSelector: '!has(route-reflector)',
        peerSelector: 'has(route-reflector)',
        reversePeering: 'Manual',
      }),
    ],
    own: 'r1',
    expected: [],
  },
  {
    caption: 'a reflector of another AS has no clients',
    objects: [noMesh, node(n1), node({ ...r1, asn: 65_000 }), toReflectors],
    own: 'r1',
    expected: ['peer-with-rr 10.0.0.9:179 64512 local 65000'],
  },
  {
    caption: 'a reflector outside the cluster, by address',
    objects: [noMesh, node(n1), peer('rr', { peerIP: '10.9.9.9', asNumber: 64_512 })],
    own: 'n1',
    expected: ['rr 10.9.9.9:179 64512'],
  },
  {
    caption: 'clients outside the cluster: same AS, and a cluster id here',
    objects: [noMesh, node(r1), peer('outside', { peerIP: '10.9.9.9', asNumber: 64_512 })],
    own: 'r1',
    expected: ['outside 10.9.9.9:179 64512 client'],
  },
  {
    caption: 'a global peer that is a node: not with itself, passive by the order of addresses',
    objects: [noMesh, ...[n1, n3].map(node), peer('g', { peerIP: '10.0.0.9', asNumber: 64_512 })],
    own: 'n3',
    expected: ['g 10.0.0.9:179 64512 passive'],
  },
  {
    caption: 'and the node itself: its reverse peerings, which dial',
    objects: [
      noMesh,
      ...[n1, n2, n3].map(node),
      peer('g', { peerIP: '10.0.0.9', asNumber: 64_512 }),
    ],
    own: 'n1',
    expected: ['g.n2.v4 10.0.0.10:179 64512', 'g.n3.v4 10.0.0.3:179 64512'],
  },
  {
    caption: 'no reverse peering when the AS is not that of the node',
    objects: [noMesh, ...[n1, n3].map(node), peer('g', { peerIP: '10.0.0.9', asNumber: 65_000 })],
    own: 'n1',
    expected: [],
  },
  {
    caption: 'node-scoped peers that are nodes: both ends dial',
    objects: [
      noMesh,
      ...[n1, n3].map(node),
      peer('p', { nodeSelector: 'all()', peerIP: '10.0.0.9', asNumber: 64_512 }),
    ],
    own: 'n3',
    expected: ['p 10.0.0.9:179 64512'],
  },
  {
    caption: 'of a global and a node-scoped peer at one address the global one stays',
    objects: [
      noMesh,
      node(n1),
      peer('a-node', { node: 'n1', peerIP: '10.9.9.9', asNumber: 65_001 }),
      peer('b-global', { peerIP: '10.9.9.9', asNumber: 65_002 }),
    ],
    own: 'n1',
    expected: ['b-global 10.9.9.9:179 65002'],
  },
  {
    caption: 'an explicit peer takes the place of the mesh at its address',
    objects: [
      ...[n1, n2].map(node),
      peer('p', { node: 'n1', peerIP: '10.0.0.10', asNumber: 64_512 }),
    ],
    own: 'n1',
    expected: ['p 10.0.0.10:179 64512'],
  },
  {
    caption: 'a local AS of its own, and its mirror at the other end',
    objects: [
      noMesh,
      ...[n1, n3].map(node),
      peer('p', { node: 'n3', peerSelector: 'has(spine)', localASNumber: 65_100 }),
      node({ name: 'sp', v4: '10.0.0.50', labels: { spine: '' } }),
    ],
    own: 'sp',
    expected: ['p 10.0.0.3:179 65100'],
  },
  {
    caption: 'dynamic neighbours of a reflector',
    objects: [
      noMesh,
      node(r1),
      peer('clients', { peerRange: '10.0.0.0/16', asNumber: 64_512, routeReflectorClient: true }),
    ],
    own: 'r1',
    expected: ['clients 10.0.0.0/16:179 64512 passive client no source'],
  },
  {
    caption: 'peers that name what is not enforced are held down',
    objects: [
      noMesh,
      node(n1),
      peer('a', { peerIP: '10.9.9.1', asNumber: 65_001, filters: ['f'] }),
      peer('b', { peerIP: '10.9.9.2', asNumber: 65_001, role: 'Peer' }),
      peer('c', {
        peerIP: '10.9.9.3',
        asNumber: 65_001,
        password: { secretKeyRef: { name: 's', key: 'k' } },
      }),
    ],
    own: 'n1',
    expected: [
      'a 10.9.9.1:179 65001 held',
      'b 10.9.9.2:179 65001 held',
      'c 10.9.9.3:179 65001 held',
    ],
  },
  {
    caption: 'passive said by the author holds for the end that says it',
    objects: [
      noMesh,
      ...[n1, n3].map(node),
      peer('p', { node: 'n1', peerIP: '10.0.0.3', asNumber: 64_512, passive: true }),
    ],
    own: 'n3',
    expected: ['p 10.0.0.9:179 64512'],
  },
]

for (const { caption, objects, own, expected } of topologies) {
  t.test(caption, async (t) => {
    t.same(peersOf(objects, own).map(write), expected)
  })
}

t.test('every session in a mesh or with reflectors has its mirror', async (t) => {
  const mesh = [dual('a', 9), dual('b', 10), dual('c', 100), dual('d', 21)]
  const racks = [noMesh, toReflectors, ...[n1, n2, n3, r1, r2].map(node)]
  for (const [objects, names] of [
    [mesh, ['a', 'b', 'c', 'd']],
    [racks, ['n1', 'n2', 'n3', 'r1', 'r2']],
  ] as const) {
    const all = names.flatMap((own) => peersOf(objects, own))
    for (const one of all) {
      const back = all.filter(
        (other) => other.address === one.localAddress && other.localAddress === one.address,
      )
      t.equal(back.length, 1, `${one.localAddress} with ${one.address}`)
      t.notOk(one.passive && back[0]?.passive, 'one of the two dials')
      t.equal(back[0]?.asn, one.localAsn)
    }
  }
})
