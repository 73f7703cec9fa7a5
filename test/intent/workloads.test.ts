/** Peers that are workloads of the node, by their labels, as Calico's documents have them. */
import t from 'tap'
import { configuration, intentOf, node, peer, reasons } from './texts.ts'

interface PodText {
  readonly name: string
  readonly on?: string
  readonly colour?: string
  readonly ips: string
  readonly more?: string
  readonly phase?: string
}

const pod = ({
  name,
  on = 'n1',
  colour = 'red',
  ips,
  more = '',
  phase = 'Running',
}: PodText) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: vms, labels: {color: ${colour}}}
spec: {nodeName: ${on}${more}}
status: {phase: ${phase}, podIPs: [${ips}]}
`
const both = '{ip: 10.1.0.5}, {ip: "2001:db8:1::5"}'
const filter = `---
apiVersion: routelet.io/v1
kind: BGPFilter
metadata: {name: child}
spec: {importV4: [{action: Accept, cidr: 10.123.0.0/16, matchOperator: In}]}
`
const red = (more = '') =>
  peer('vm', `{localWorkloadSelector: color == 'red', asNumber: 65401, filters: [child]${more}}`)
const addresses = configuration(
  '{localWorkloadPeeringIPV4: 169.254.0.179, localWorkloadPeeringIPV6: "fd12:3456:789a::1"}',
)
const base = node + filter

t.test('one session a family with each matching workload of the node', async (t) => {
  const intent = intentOf(base + red() + addresses + pod({ name: 'a', ips: both }))
  t.match(intent.peers, [
    { name: 'vm.10.1.0.5.v4', address: '10.1.0.5', asn: 65401, localAddress: '169.254.0.179' },
    {
      name: 'vm.2001:db8:1::5.v6',
      address: '2001:db8:1::5',
      localAddress: 'fd12:3456:789a::1',
      passive: false,
    },
  ])
  t.same(intent.casual, ['vm.10.1.0.5.v4', 'vm.2001:db8:1::5.v6'], 'nothing waits for them')
  t.same(reasons(intent), [])
})

t.test('which workloads match', async (t) => {
  const ips = '{ip: 10.1.0.5}'
  const table: readonly [string, string, number][] = [
    ['a pod with the label', pod({ name: 'a', ips }), 1],
    ['two of them', pod({ name: 'a', ips }) + pod({ name: 'b', ips: '{ip: 10.1.0.6}' }), 2],
    ['another label', pod({ name: 'a', ips, colour: 'blue' }), 0],
    ['another node', pod({ name: 'a', ips, on: 'n2' }), 0],
    ['in the network of the host', pod({ name: 'a', ips, more: ', hostNetwork: true' }), 0],
    ['one that has ended', pod({ name: 'a', ips, phase: 'Succeeded' }), 0],
    ['one without an address yet', pod({ name: 'a', ips: '', phase: 'Pending' }), 0],
    [
      'a workload endpoint of Calico',
      '---\n{apiVersion: projectcalico.org/v3, kind: WorkloadEndpoint, metadata: {name: w, namespace: vms, ' +
        'labels: {color: red}}, spec: {node: n1, ipNetworks: [10.1.0.7/32]}}\n',
      1,
    ],
  ]
  for (const [caption, text, sessions] of table) {
    t.equal(intentOf(base + red() + text).peers.length, sessions, caption)
  }
  const byNamespace = peer(
    'vm',
    `{localWorkloadSelector: projectcalico.org/namespace == 'vms', asNumber: 65401, filters: [child]}`,
  )
  t.equal(intentOf(base + byNamespace + pod({ name: 'a', ips })).peers.length, 1, "Calico's labels")
  const elsewhere = red(', node: n2')
  t.equal(intentOf(base + elsewhere + pod({ name: 'a', ips })).peers.length, 0, 'for another node')
})

t.test("without an address of their own they peer with the node's", async (t) => {
  const intent = intentOf(base + red() + pod({ name: 'a', ips: both }))
  t.match(intent.peers, [{ localAddress: '10.0.0.1' }, { localAddress: '2001:db8::1' }])
})

t.test('without filters a condition says what such a workload may do', async (t) => {
  const open = peer('vm', "{localWorkloadSelector: color == 'red', asNumber: 65401}")
  const intent = intentOf(node + open + pod({ name: 'a', ips: both }))
  t.same(reasons(intent), ['warning UnfilteredWorkloads BGPPeer/vm'])
})
