/**
 * Which service ranges are guarded against loops: a case is a cluster's ranges, and what of them is
 * guarded on node n1.
 */
import t from 'tap'
import { configuration, intentOf, reasons } from './texts.ts'

const nodes = `apiVersion: v1
kind: Node
metadata: {name: n1, annotations: {projectcalico.org/IPv4Address: 10.0.0.1/24}}
spec: {podCIDRs: [10.244.1.0/24]}
---
apiVersion: v1
kind: Node
metadata: {name: n2, annotations: {projectcalico.org/IPv4Address: 10.0.9.2/24}}
spec: {podCIDRs: [10.244.2.0/24]}
---
apiVersion: routelet.io/v1
kind: BGPPeer
metadata: {name: tor}
spec: {peerIP: 192.0.2.1, asNumber: 65000}
`

interface Case {
  readonly caption: string
  readonly spec: string
  readonly prefixes: readonly string[]
  readonly action?: 'drop' | 'reject'
  readonly shared?: number
}

const cases: readonly Case[] = [
  { caption: 'no ranges, nothing to guard', spec: '{}', prefixes: [] },
  {
    caption: 'every range of every list, once and sorted',
    spec: `{serviceClusterIPs: [{cidr: "fd00:96::/108"}, {cidr: 10.96.0.0/16}],
      serviceExternalIPs: [{cidr: 203.0.113.7/32}], serviceLoadBalancerIPs: [{cidr: 10.96.0.0/16}]}`,
    prefixes: ['10.96.0.0/16', '203.0.113.7/32', 'fd00:96::/108'],
  },
  {
    caption: 'Reject answers',
    spec: '{serviceLoopPrevention: Reject, serviceClusterIPs: [{cidr: 10.96.0.0/16}]}',
    prefixes: ['10.96.0.0/16'],
    action: 'reject',
  },
  {
    caption: 'Disabled guards nothing',
    spec: '{serviceLoopPrevention: Disabled, serviceClusterIPs: [{cidr: 10.96.0.0/16}]}',
    prefixes: [],
  },
  {
    caption: 'a range that holds a subnet of nodes, pods, or a peer is left alone',
    spec: `{serviceExternalIPs: [{cidr: 10.0.0.128/25}, {cidr: 10.0.0.0/8}, {cidr: 10.244.2.8/29},
      {cidr: 192.0.2.0/24}, {cidr: 198.51.100.0/24}]}`,
    prefixes: ['198.51.100.0/24'],
    shared: 4,
  },
]

for (const { caption, spec, prefixes, action = 'drop', shared = 0 } of cases) {
  t.test(caption, async (t) => {
    const intent = intentOf(nodes + configuration(spec))
    t.same(intent.guard, { prefixes, action })
    t.equal(reasons(intent).filter((text) => /ServiceRangeShared/.test(text)).length, shared)
  })
}
