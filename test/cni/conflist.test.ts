/**
 * What the agent writes for each way of attaching pods, from manifests to JSON. ipvlan, devices of the
 * host and SR-IOV are proved here, at the level of configuration; the others also with their plugins.
 */
import t from 'tap'
import { writeConflist } from '../../src/cni/conflist.ts'
import { readManifests } from '../../src/config/manifest.ts'
import { configuration, intentOf, reasons } from '../intent/texts.ts'

const node = `apiVersion: v1
kind: Node
metadata: {name: n1, annotations: {projectcalico.org/IPv4Address: 192.168.50.7/24}}
spec: {podCIDRs: [10.244.1.0/24, "fd44:1::/64"]}
`
const link = { name: 'eth0', mtu: 9000 }
const origin = { node: 'n1', bootId: 'b1' }
const both = [{ dst: '0.0.0.0/0' }, { dst: '::/0' }]
const podRanges = [[{ subnet: '10.244.1.0/24' }], [{ subnet: 'fd44:1::/64' }]]
const portmap = { type: 'portmap', capabilities: { portMappings: true } }
const segment = '{cidr: 192.168.50.64/26, subnet: 192.168.50.0/24, gateway: 192.168.50.1}'
const segmentIpam = {
  type: 'host-local',
  ranges: [
    [
      {
        subnet: '192.168.50.0/24',
        rangeStart: '192.168.50.64',
        rangeEnd: '192.168.50.127',
        gateway: '192.168.50.1',
      },
    ],
  ],
  routes: [{ dst: '0.0.0.0/0' }],
}

const cases: readonly (readonly [string, string, readonly object[]])[] = [
  [
    'ptp is the default, with every pod CIDR and the MTU of the link',
    '{}',
    [
      {
        type: 'ptp',
        ipMasq: false,
        mtu: 9000,
        ipam: { type: 'host-local', ranges: podRanges, routes: both },
      },
      portmap,
    ],
  ],
  [
    'a bridge is the gateway of its pods, and lets one reach itself',
    '{type: Bridge, mtu: 1400, hostPorts: false}',
    [
      {
        type: 'bridge',
        bridge: 'routelet0',
        isGateway: true,
        hairpinMode: true,
        ipMasq: false,
        mtu: 1400,
        ipam: { type: 'host-local', ranges: podRanges, routes: both },
      },
    ],
  ],
  [
    "macvlan takes the node's part of the subnet",
    `{type: Macvlan, ranges: [${segment}]}`,
    [{ type: 'macvlan', master: 'eth0', mode: 'bridge', mtu: 9000, ipam: segmentIpam }],
  ],
  [
    'ipvlan on a link of its own, without a gateway no default route',
    '{type: Ipvlan, interface: eth1, ranges: [{cidr: 198.51.100.0/24}]}',
    [
      {
        type: 'ipvlan',
        master: 'eth1',
        mode: 'l2',
        mtu: 9000,
        ipam: { type: 'host-local', ranges: [[{ subnet: '198.51.100.0/24' }]], routes: [] },
      },
    ],
  ],
  [
    'a device of the host moves into the pod',
    `{type: HostDevice, interface: eth2, ranges: [${segment}]}`,
    [{ type: 'host-device', device: 'eth2', ipam: segmentIpam }],
  ],
  [
    'SR-IOV takes the virtual function that the device plugin gave',
    `{type: Sriov, ranges: [${segment}]}`,
    [{ type: 'sriov', capabilities: { deviceID: true }, ipam: segmentIpam }],
  ],
  [
    'a part at the ends of its subnet leaves out the network and the broadcast address',
    '{type: Macvlan, ranges: [{cidr: 10.9.0.0/25, subnet: 10.9.0.0/24}, {cidr: 10.9.1.128/25, subnet: 10.9.1.0/24}, {cidr: "fd09::ff00/120", subnet: "fd09::/112"}]}',
    [
      {
        type: 'macvlan',
        ipam: {
          ranges: [
            [
              { subnet: '10.9.0.0/24', rangeStart: '10.9.0.1', rangeEnd: '10.9.0.127' },
              { subnet: '10.9.1.0/24', rangeStart: '10.9.1.128', rangeEnd: '10.9.1.254' },
            ],
            [{ subnet: 'fd09::/112', rangeStart: 'fd09:0:0:0:0:0:0:ff00' }],
          ],
        },
      },
    ],
  ],
]

for (const [caption, cni, plugins] of cases) {
  t.test(caption, async (t) => {
    const intent = intentOf(node + configuration(`{cni: ${cni}}`))
    if (intent.cni === null) throw new Error(reasons(intent).join())
    const text = writeConflist(intent.cni, link, origin)
    const list = JSON.parse(text)
    t.match(list, {
      cniVersion: '1.0.0',
      name: 'routelet',
      'routelet.io/node': 'n1',
      'routelet.io/boot': 'b1',
    })
    t.match(list.plugins, plugins)
    t.equal(list.plugins.length, plugins.length)
    t.equal(writeConflist(intent.cni, link, origin), text, 'the same again')
  })
}

t.test('pods on the segment are not announced and get no blackhole', async (t) => {
  const routed = intentOf(node + configuration('{cni: {type: Bridge}}'))
  t.same(routed.blackholes, ['10.244.1.0/24', 'fd44:1::/64'])
  const sitting = intentOf(node + configuration(`{cni: {type: Macvlan, ranges: [${segment}]}}`))
  t.same(sitting.announcements, [])
  t.same(sitting.blackholes, [])
})

t.test('what can never work is told, and nothing is written', async (t) => {
  for (const [cni, reason] of [
    ['{type: Macvlan}', 'error CniIncomplete'],
    [`{type: HostDevice, ranges: [${segment}]}`, 'error CniIncomplete'],
  ] as const) {
    const intent = intentOf(node + configuration(`{cni: ${cni}}`))
    t.equal(intent.cni, null)
    t.ok(
      reasons(intent).some((text) => text.startsWith(reason)),
      cni,
    )
  }
  const bare = intentOf(node.replace(/spec:.*/, '') + configuration('{cni: {}}'))
  t.equal(bare.cni, null)
  t.ok(reasons(bare).includes('error CniNoPodCidr Node/n1'))
})

t.test('what is of no use, or dangerous, is told', async (t) => {
  const idle = intentOf(node + configuration(`{cni: {ranges: [${segment}]}}`))
  t.ok(idle.cni)
  t.ok(reasons(idle).includes('warning NoEffect BGPConfiguration/default'))
  const taken = '{type: Macvlan, ranges: [{cidr: 192.168.50.0/24}]}'
  const clash = intentOf(node + configuration(`{cni: ${taken}}`))
  t.ok(reasons(clash).includes('warning CniRangeTaken BGPConfiguration/default'))
})

t.test('a manifest whose range contradicts itself is refused', async (t) => {
  for (const [range, words] of [
    ['{cidr: 10.1.0.0/24, subnet: 10.2.0.0/16}', /10\.1\.0\.0\/24 does not lie in 10\.2\.0\.0\/16/],
    ['{cidr: 10.1.0.0/24, gateway: 10.2.0.1}', /10\.2\.0\.1 does not lie in 10\.1\.0\.0\/24/],
    ['{cidr: 10.1.0.0/24, gateway: "fd00::1"}', /fd00::1 does not lie in/],
  ] as const) {
    const { problems } = readManifests('t.yaml', configuration(`{cni: {ranges: [${range}]}}`))
    t.match(problems[0]?.message, words)
  }
})

t.test('a node has ranges of its own where the cluster says the type', async (t) => {
  const own = configuration(`{cni: {ranges: [${segment}]}}`, 'node.n1')
  const intent = intentOf(node + configuration('{cni: {type: Macvlan}}') + own)
  t.match(intent.cni, { type: 'Macvlan', ranges: [{ part: '192.168.50.64/26' }] })
})
