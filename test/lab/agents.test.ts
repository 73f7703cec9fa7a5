/**
 * What `ip` prints is read as it is, and the kernel is judged against what the agent learned.
 */
import t from 'tap'
import type { NodeView } from '../../api/views.ts'
import type { PathView } from '../../bgp/types.ts'
import {
  judgeKernel,
  type KernelRoute,
  type NodeSurvey,
  parseKernelRoutes,
} from '../../src/lab/agents.ts'
import { planTopology } from '../../src/lab/topology.ts'

const [node] = planTopology({ topology: 'tor', nodes: 2, dual: false, sameAs: false }).nodes

t.test('routes of ip -j are read in both families', async (t) => {
  const ipv4 = `[{"dst":"10.244.2.0/24","gateway":"10.240.1.1","dev":"eth0","protocol":"179",
    "metric":2179,"flags":[]},{"dst":"10.250.0.1","gateway":"10.240.1.1","dev":"eth0","flags":[]},
    {"type":"blackhole","dst":"10.244.1.0/24","flags":[]},{"dst":"10.244.3.0/24","flags":[],
    "nexthops":[{"gateway":"10.240.1.13","dev":"eth0","weight":1,"flags":[]},
    {"gateway":"10.240.2.13","dev":"eth1","weight":1,"flags":[]}]},
    {"dst":"default","via":{"family":"inet6","host":"fe80::1"},"dev":"eth0","flags":[]}]`
  t.same(parseKernelRoutes(ipv4, 4), [
    { prefix: '10.244.2.0/24', kind: 'unicast', nextHops: ['10.240.1.1 eth0'] },
    { prefix: '10.250.0.1/32', kind: 'unicast', nextHops: ['10.240.1.1 eth0'] },
    { prefix: '10.244.1.0/24', kind: 'blackhole', nextHops: [] },
    {
      prefix: '10.244.3.0/24',
      kind: 'unicast',
      nextHops: ['10.240.1.13 eth0', '10.240.2.13 eth1'],
    },
    { prefix: '0.0.0.0/0', kind: 'unicast', nextHops: ['fe80::1 eth0'] },
  ])
  // A blackhole of IPv6 has a device: the kernel's way of saying "none".
  const ipv6 = `[{"type":"blackhole","dst":"fd42:244:1::/64","dev":"lo"},
    {"dst":"fd42:250::1","gateway":"fd42:240:1::1","dev":"eth0"}]`
  t.same(parseKernelRoutes(ipv6, 6), [
    { prefix: 'fd42:244:1::/64', kind: 'blackhole', nextHops: [] },
    { prefix: 'fd42:250::1/128', kind: 'unicast', nextHops: ['fd42:240:1::1 eth0'] },
  ])
})

t.test('no output at all means no routes', async (t) => {
  t.same(parseKernelRoutes('', 4), [])
  t.same(parseKernelRoutes('[ ]\n', 6), [])
})

const route = (prefix: string, kind: KernelRoute['kind'] = 'unicast'): KernelRoute => ({
  prefix,
  kind,
  nextHops: [],
})
const survey = (learned: readonly string[], kernel: readonly KernelRoute[]): NodeSurvey => ({
  node: node!,
  view: { podCidrs: ['10.244.1.0/24', '10.250.0.9/32'] } as unknown as NodeView,
  peers: [],
  best: [
    { prefix: '10.244.1.0/24', peer: 'local' },
    ...learned.map((prefix) => ({ prefix, peer: 'rack-1-v4' })),
  ] as PathView[],
  kernel,
})
const own = route('10.244.1.0/24', 'blackhole')

t.test('the kernel holds what was learned and a blackhole for each own aggregate', async (t) => {
  const verdicts: [caption: string, NodeSurvey, problems: string[]][] = [
    ['all is well', survey(['10.1.0.0/16'], [own, route('10.1.0.0/16')]), []],
    [
      'a learned prefix is missing',
      survey(['10.1.0.0/16'], [own]),
      ['10.1.0.0/16 was learned and is not installed'],
    ],
    [
      'a prefix nobody announced',
      survey([], [own, route('10.9.0.0/16')]),
      ['10.9.0.0/16 is installed and was not learned'],
    ],
    ['the blackhole is missing', survey([], []), ['10.244.1.0/24 lacks its blackhole']],
    [
      'a route in place of the blackhole',
      survey([], [route('10.244.1.0/24')]),
      ['10.244.1.0/24 lacks its blackhole'],
    ],
    [
      'a blackhole in place of a route',
      survey(['10.1.0.0/16'], [own, route('10.1.0.0/16', 'blackhole')]),
      ['10.1.0.0/16 was learned and is not installed'],
    ],
  ]
  for (const [caption, given, problems] of verdicts) t.same(judgeKernel(given), problems, caption)
})
