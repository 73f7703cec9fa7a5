/**
 * What a node announces of Services: by range, by address, by who answers. A case is the Services and
 * their endpoints in short, and the prefixes that node n1 announces beside its pods.
 */
import fc from 'fast-check'
import t from 'tap'
import { coversPrefix, knownPrefix } from '../../src/config/address.ts'
import { configuration, intentOf, reasons } from './texts.ts'

const { SEED: seedText = '179' } = process.env
const seed = Number(seedText)

const labelled = (labels: string) => `apiVersion: v1
kind: Node
metadata: {name: n1, labels: ${labels}, annotations: {projectcalico.org/IPv4Address: 10.0.0.1/24}}
`
const n1 = labelled('{}')

const service = (name: string, spec: string, ingress = '[]', namespace = 'shop') => `---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec: ${spec}
status: {loadBalancer: {ingress: ${ingress}}}
`
let slices = 0
const slice = (name: string, endpoints: string, addressType = 'IPv4', namespace = 'shop') => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-${++slices}, namespace: ${namespace}, labels: {kubernetes.io/service-name: ${name}}}
addressType: ${addressType}
endpoints: ${endpoints}
`
const ready = (node: string) => `{nodeName: ${node}, conditions: {ready: true}}`
const here = `[${ready('n1')}]`
const there = `[${ready('n2')}]`

const ranges = configuration(`{
  serviceClusterIPs: [{cidr: 10.96.0.0/16}],
  serviceExternalIPs: [{cidr: 203.0.113.0/24}, {cidr: 198.51.100.7/32}],
  serviceLoadBalancerIPs: [{cidr: 192.0.2.0/24}, {cidr: 198.51.100.9/32}]}`)
const aggregates = ['10.96.0.0/16', '192.0.2.0/24', '203.0.113.0/24']
const apart = configuration(
  '{serviceLoadBalancerAggregation: Disabled, serviceLoadBalancerIPs: [{cidr: 192.0.2.0/24}]}',
)
const dualStack = configuration(
  '{serviceClusterIPs: [{cidr: 10.96.0.0/16}, {cidr: "2001:db8:96::/108"}]}',
)

const local = (rest: string) => `{type: LoadBalancer, externalTrafficPolicy: Local, ${rest}}`
const cluster = (rest: string) => `{type: LoadBalancer, externalTrafficPolicy: Cluster, ${rest}}`
const balanced = '[{ip: 192.0.2.5}]'

interface Case {
  readonly caption: string
  readonly manifests: readonly string[]
  readonly expected: readonly string[]
}

const cases: readonly Case[] = [
  { caption: 'ranges whole, without any service', manifests: [ranges], expected: aggregates },
  {
    caption: 'a service of policy Cluster adds nothing to its range',
    manifests: [ranges, service('a', cluster('clusterIP: 10.96.0.5'), balanced), slice('a', here)],
    expected: aggregates,
  },
  {
    caption: 'policy Local: each of its addresses, where it has an endpoint',
    manifests: [
      ranges,
      service('a', local('clusterIP: 10.96.0.5, externalIPs: [203.0.113.5]'), balanced),
      slice('a', here),
    ],
    expected: [...aggregates, '10.96.0.5/32', '192.0.2.5/32', '203.0.113.5/32'],
  },
  {
    caption: 'policy Local without an endpoint here',
    manifests: [ranges, service('a', local('clusterIP: 10.96.0.5'), balanced), slice('a', there)],
    expected: aggregates,
  },
  {
    caption: 'policy Local without any slice',
    manifests: [ranges, service('a', local('clusterIP: 10.96.0.5'), balanced)],
    expected: aggregates,
  },
  {
    caption: 'addresses outside the ranges are not announced',
    manifests: [
      ranges,
      service('a', local('clusterIP: 10.97.0.5, externalIPs: [8.8.8.8]'), '[{ip: 9.9.9.9}]'),
      slice('a', here),
    ],
    expected: aggregates,
  },
  {
    caption: 'an address of one list does not count by the range of another',
    manifests: [ranges, service('a', local('externalIPs: [192.0.2.5]')), slice('a', here)],
    expected: aggregates,
  },
  {
    caption: 'a single address is announced by every node, once a service has it',
    manifests: [ranges, service('a', cluster('externalIPs: [198.51.100.7]')), slice('a', there)],
    expected: [...aggregates, '198.51.100.7/32'],
  },
  {
    caption: 'a single address that a service wishes for by spec.loadBalancerIP',
    manifests: [
      ranges,
      service('a', cluster('loadBalancerIP: 198.51.100.9')),
      service('b', cluster('loadBalancerIP: 192.0.2.77')),
    ],
    expected: [...aggregates, '198.51.100.9/32'],
  },
  {
    caption: 'load balancer addresses apart: those that somebody answers',
    manifests: [
      apart,
      service('a', cluster(''), '[{ip: 192.0.2.1}]'),
      service('b', cluster(''), '[{ip: 192.0.2.2}]'),
      service('c', local(''), '[{ip: 192.0.2.3}]'),
      service('d', local(''), '[{ip: 192.0.2.4}]'),
      slice('a', there),
      slice('b', '[{nodeName: n2, conditions: {ready: false}}]'),
      slice('c', there),
      slice('d', here),
    ],
    expected: ['192.0.2.1/32', '192.0.2.4/32'],
  },
  {
    caption: 'an address behind a proxy is not the nodes to announce',
    manifests: [
      apart,
      service('a', cluster(''), '[{ip: 192.0.2.1, ipMode: Proxy}, {hostname: lb.example}]'),
      slice('a', there),
    ],
    expected: [],
  },
  {
    caption: 'headless and external services have no address',
    manifests: [
      ranges,
      service('a', '{clusterIP: None, externalTrafficPolicy: Local, externalIPs: [203.0.113.5]}'),
      service('b', '{type: ExternalName, externalIPs: [198.51.100.7]}'),
      slice('a', here),
    ],
    expected: aggregates,
  },
  {
    caption: 'each family by the endpoints of that family',
    manifests: [
      dualStack,
      service('a', local('clusterIPs: [10.96.0.5, "2001:db8:96::5"]')),
      slice('a', there, 'IPv4'),
      slice('a', here, 'IPv6'),
    ],
    expected: ['10.96.0.0/16', '2001:db8:96::/108', '2001:db8:96::5/128'],
  },
  {
    caption: 'a service of the same name in another namespace is another one',
    manifests: [
      ranges,
      service('a', local('clusterIP: 10.96.0.5')),
      slice('a', here, 'IPv4', 'other'),
    ],
    expected: aggregates,
  },
]

const announced = (text: string) => intentOf(text).announcements.map(({ prefix }) => prefix)

for (const { caption, manifests, expected } of cases) {
  t.test(caption, async (t) => {
    t.same(announced(n1 + manifests.join('')), [...expected].sort())
  })
}

t.test('who takes traffic: ready, or on its way out and still serving', async (t) => {
  const table: readonly [string, boolean][] = [
    ['{ready: true}', true],
    ['{}', true],
    ['{ready: false}', false],
    ['{ready: false, serving: true}', false],
    ['{ready: false, serving: true, terminating: true}', true],
    ['{ready: false, serving: false, terminating: true}', false],
    ['{ready: false, terminating: true}', false],
    ['{ready: true, serving: true, terminating: true}', true],
  ]
  for (const [conditions, expected] of table) {
    const text = [
      n1,
      ranges,
      service('a', local('clusterIP: 10.96.0.5')),
      slice('a', `[{nodeName: n1, conditions: ${conditions}}]`),
    ].join('')
    t.equal(announced(text).includes('10.96.0.5/32'), expected, conditions)
  }
})

t.test('services that share an address keep it for each other', async (t) => {
  const one = service('one', local('externalIPs: [203.0.113.5]')) + slice('one', here)
  const two = service('two', local('externalIPs: [203.0.113.5]')) + slice('two', here)
  const gone = service('two', local('externalIPs: [203.0.113.5]')) + slice('two', there)
  const of = (text: string) =>
    intentOf(n1 + ranges + text).announcements.find(({ prefix }) => prefix === '203.0.113.5/32')
  t.match(of(one + two)?.reason, /Service\/shop\/one.*; .*Service\/shop\/two/)
  t.match(of(one + gone)?.reason, /^external address of Service\/shop\/one, which has endpoints/)
  t.equal(of(gone), undefined)
})

t.test('only what follows endpoints is unsteady', async (t) => {
  const { unsteady } = intentOf(
    [
      n1,
      ranges,
      service('a', local('clusterIP: 10.96.0.5')),
      service('b', cluster('externalIPs: [198.51.100.7]')),
      slice('a', here),
    ].join(''),
  )
  t.same(unsteady, ['10.96.0.5/32'])
})

t.test('a node that is excluded from load balancers announces no service', async (t) => {
  const key = 'node.kubernetes.io/exclude-from-external-load-balancers'
  for (const [value, excluded] of [
    ['""', true],
    ['"true"', true],
    ['"false"', false],
  ] as const) {
    const intent = intentOf(labelled(`{${key}: ${value}}`) + ranges)
    t.same(
      intent.announcements.map(({ prefix }) => prefix),
      excluded ? [] : aggregates,
      value,
    )
    t.equal(reasons(intent).includes('info ServicesExcluded Node/n1'), excluded, value)
    t.match(intent.refuse[0], { prefix: '10.96.0.0/16' }, 'and still believes them from nobody')
  }
})

t.test('service routes carry the communities of their prefix', async (t) => {
  const spec = `{serviceClusterIPs: [{cidr: 10.96.0.0/16}],
    prefixAdvertisements: [{cidr: 10.96.0.0/12, communities: ["65001:96"]}]}`
  t.match(intentOf(n1 + configuration(spec)).announcements, [
    { prefix: '10.96.0.0/16', communities: ['65001:96'] },
  ])
})

t.test('an address that is none is told, and the others stand', async (t) => {
  const intent = intentOf(
    [n1, ranges, service('a', local('externalIPs: [nine, 203.0.113.5]')), slice('a', here)].join(
      '',
    ),
  )
  t.match(intent.problems, [
    { reason: 'NoPodCidr' },
    { reason: 'BadServiceAddress', subject: 'Service/shop/a', message: /"nine" is not an address/ },
  ])
  t.ok(intent.announcements.some(({ prefix }) => prefix === '203.0.113.5/32'))
})

t.test('the addresses of the node, if it is told to announce them', async (t) => {
  const text = `apiVersion: v1
kind: Node
metadata:
  name: n1
  annotations: {routelet.io/IPv4Address: 10.0.0.1/32, routelet.io/IPv6Address: "2001:db8::1"}
`
  t.match(intentOf(text + configuration('{announceNodeAddresses: true}')).announcements, [
    { prefix: '10.0.0.1/32', reason: 'address of node n1' },
    { prefix: '2001:db8::1/128' },
  ])
})

const inRanges = ['10.96.0.0/16', '203.0.113.0/24', '198.51.100.7/32', '192.0.2.0/24']
  .concat('198.51.100.9/32')
  .map(knownPrefix)

t.test(
  `whatever a Service says, only addresses of the ranges come of it (seed ${seed})`,
  async (t) => {
    const address = fc.oneof(
      fc.string(),
      fc.ipV4(),
      fc.ipV6(),
      fc.constantFrom('10.96.0.5', '203.0.113.5', '192.0.2.5', '198.51.100.7', '198.51.100.9', ''),
    )
    const spec = fc.record({
      type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName', 'Else'),
      clusterIP: fc.oneof(address, fc.constant('None')),
      clusterIPs: fc.array(address, { maxLength: 2 }),
      externalIPs: fc.array(address, { maxLength: 3 }),
      loadBalancerIP: address,
      externalTrafficPolicy: fc.constantFrom('Cluster', 'Local', ''),
    })
    const ingress = fc.array(fc.record({ ip: address }), { maxLength: 2 })
    fc.assert(
      fc.property(spec, ingress, fc.boolean(), (one, status, answers) => {
        const { announcements } = intentOf(
          [
            n1,
            ranges,
            service('a', JSON.stringify(one), JSON.stringify(status)),
            slice('a', answers ? here : there),
          ].join(''),
        )
        return announcements.every(({ prefix }) =>
          inRanges.some((range) => coversPrefix(range, knownPrefix(prefix))),
        )
      }),
      { seed, numRuns: 300 },
    )
    t.pass()
  },
)
