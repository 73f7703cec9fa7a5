/** Nodes of a Calico cluster: blocks as aggregates, borrowed addresses as host routes. */
import t from 'tap'
import { intentOf, reasons } from './texts.ts'

const node = (spec = '') => `apiVersion: v1
kind: Node
metadata: {name: n1, annotations: {projectcalico.org/IPv4Address: 10.0.0.1/24}}
spec: {${spec}}
`
const calico = (kind: string, name: string, spec: string, group = 'crd.projectcalico.org/v1') =>
  `---\napiVersion: ${group}\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`

let blocks = 0
const block = (cidr: string, rest = 'state: confirmed, node: n1, deleted: "false"') =>
  calico('BlockAffinity', `affinity-${++blocks}`, `{cidr: "${cidr}", ${rest}}`)
const pool = (cidr: string, rest = '') =>
  calico('IPPool', `pool-${++blocks}`, `{cidr: ${cidr}${rest}}`)
const pod = (name: string, ips: string, rest = 'nodeName: n1', phase = 'Running') => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop}
spec: {${rest}}
status: {phase: ${phase}, podIPs: [${ips}]}
`

interface Case {
  readonly caption: string
  readonly manifests: readonly string[]
  readonly expected: readonly string[]
}

const cases: readonly Case[] = [
  {
    caption: 'a confirmed block, both families',
    manifests: [block('10.244.1.0/26'), block('2001:db8:244::/122')],
    expected: ['10.244.1.0/26', '2001:db8:244::/122'],
  },
  {
    caption: 'not a pending one, a deleted one, one of another node or a virtual one',
    manifests: [
      block('10.244.1.0/26', 'state: pending, node: n1'),
      block('10.244.2.0/26', 'state: confirmed, node: n1, deleted: "true"'),
      block('10.244.3.0/26', 'state: confirmed, node: n1, deleted: true'),
      block('10.244.4.0/26', 'state: confirmed, node: n2'),
      block('10.244.5.0/26', 'state: confirmed, node: n1, type: virtual'),
      block('10.244.6.0/26', 'state: pendingDeletion, node: n1'),
    ],
    expected: [],
  },
  {
    caption: 'not one of a pool that is kept out of BGP',
    manifests: [
      pool('10.244.0.0/16', ', disableBGPExport: true'),
      pool('10.245.0.0/16'),
      block('10.244.1.0/26'),
      block('10.245.1.0/26'),
    ],
    expected: ['10.245.1.0/26'],
  },
  {
    caption: 'beside the pod CIDRs of the Node',
    manifests: [block('10.244.1.0/26')],
    expected: ['10.1.0.0/24', '10.244.1.0/26'],
  },
  {
    caption: 'addresses of pods outside the blocks, in a pool',
    manifests: [
      pool('10.244.0.0/16'),
      block('10.244.1.0/26'),
      block('10.244.2.0/26', 'state: confirmed, node: n2'),
      pod('inside', '{ip: 10.244.1.9}'),
      pod('borrowed', '{ip: 10.244.2.9}, {ip: "2001:db8::9"}'),
      pod('host', '{ip: 10.0.0.1}', 'nodeName: n1, hostNetwork: true'),
      pod('ended', '{ip: 10.244.2.10}', 'nodeName: n1', 'Succeeded'),
      pod('elsewhere', '{ip: 10.244.2.11}', 'nodeName: n2'),
      pod('unplaced', '', '', 'Pending'),
    ],
    expected: ['10.244.1.0/26', '10.244.2.9/32'],
  },
  {
    caption: 'not in a disabled pool',
    manifests: [pool('10.244.0.0/16', ', disabled: true'), pod('a', '{ip: 10.244.2.9}')],
    expected: [],
  },
  {
    caption: 'pods alone say nothing where Calico is not',
    manifests: [pod('a', '{ip: 10.244.2.9}')],
    expected: [],
  },
  {
    caption: 'by workload endpoint',
    manifests: [
      block('10.244.1.0/26'),
      `---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: n1-k8s-a-eth0, namespace: shop}
spec: {node: n1, ipNetworks: [10.244.2.9/32, 10.244.1.9/32]}
`,
    ],
    expected: ['10.244.1.0/26', '10.244.2.9/32'],
  },
  {
    caption: "by what is allocated in other nodes' blocks",
    manifests: [
      pool('10.244.0.0/16'),
      calico(
        'IPAMBlock',
        '10-244-2-0-29',
        `{cidr: 10.244.2.0/29, affinity: host:n2, allocations: [0, null, 1, 2, 0], attributes: [
          {handle_id: a, secondary: {node: n1, pod: a, namespace: shop}},
          {handle_id: b, secondary: {node: n2, pod: b, namespace: shop}},
          {handle_id: c, secondary: {node: n1, type: ipipTunnelAddress}}]}`,
      ),
    ],
    expected: ['10.244.2.0/32', '10.244.2.4/32'],
  },
]

for (const { caption, manifests, expected } of cases) {
  t.test(caption, async (t) => {
    const own = node(caption.includes('pod CIDRs') ? 'podCIDRs: [10.1.0.0/24]' : '')
    const intent = intentOf(own + manifests.join(''))
    t.same(
      intent.announcements.map(({ prefix }) => prefix),
      expected,
    )
  })
}

t.test('a block is an aggregate with a blackhole, and refused as itself alone', async (t) => {
  const text = node('podCIDRs: [10.244.0.0/24]') + block('10.244.1.0/26') + block('10.244.1.64/32')
  const { blackholes, refuse, announcements } = intentOf(text)
  t.same(blackholes, ['10.244.0.0/24', '10.244.1.0/26'])
  t.same(refuse, [
    { prefix: '10.244.0.0/24', match: 'exact', reason: 'own pod CIDR' },
    { prefix: '10.244.1.0/26', match: 'exact', reason: 'own Calico block' },
    { prefix: '10.244.1.64/32', match: 'exact', reason: 'own Calico block' },
  ])
  t.match(announcements[1], { reason: 'Calico block of node n1' })
})

t.test('what is kept back is told', async (t) => {
  const text = [
    node('podCIDRs: [10.1.0.0/24]'),
    pool('10.244.0.0/16', ', disableBGPExport: true'),
    calico('BlockAffinity', 'a', '{cidr: 10.245.0.0/26, node: n1, state: pending}'),
    calico('BlockAffinity', 'b', '{cidr: 10.244.0.0/26, node: n1, state: confirmed}'),
    pod('p', '{ip: nine}'),
  ].join('')
  t.same(reasons(intentOf(text)), [
    'info BlockNotConfirmed BlockAffinity/a',
    'info PoolNotExported BlockAffinity/b',
    'warning BadPodAddress Pod/shop/p',
  ])
})
