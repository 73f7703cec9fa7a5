/** BGPFilters as written → the filters the policy engine gets, and what is said about names. */
import t from 'tap'
import { compilePolicy } from '../../bgp/policy/policy.ts'
import type { FilterRule } from '../../bgp/policy/types.ts'
import { readManifests } from '../../src/config/manifest.ts'
import { assembleResources } from '../../src/config/resources.ts'
import { chooseFilters, readFilters } from '../../src/intent/filters.ts'

const manifest = (name: string, spec: string, group = 'routelet.io/v1') =>
  `---\napiVersion: ${group}\nkind: BGPFilter\nmetadata: {name: ${name}}\nspec: ${spec}\n`

function filtersOf(text: string) {
  const { resources, problems } = readManifests('test.yaml', text)
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('\n'))
  return readFilters(assembleResources(resources).resources.bgpFilters)
}

const nothing: FilterRule = {
  action: 'Accept',
  cidr: null,
  matchOperator: null,
  prefixLength: null,
  source: null,
  interface: null,
  peerType: null,
  community: null,
  asPathPrefix: null,
  priority: null,
  operations: [],
}

t.test('every field of a rule reaches the engine, in its canonical form', async (t) => {
  const table: readonly [written: string, rule: Partial<FilterRule>][] = [
    ['action: Reject', { action: 'Reject' }],
    ['cidr: 10.0.0.0/8, matchOperator: NotIn', { cidr: '10.0.0.0/8', matchOperator: 'NotIn' }],
    [
      'cidr: 10.0.0.0/8, matchOperator: In, prefixLength: {min: 16}',
      { cidr: '10.0.0.0/8', matchOperator: 'In', prefixLength: { min: 16, max: null } },
    ],
    ['source: RemotePeers', { source: 'RemotePeers' }],
    ['interface: "*.calico"', { interface: '*.calico' }],
    ['peerType: iBGP', { peerType: 'iBGP' }],
    ['communities: {values: [no-export]}', { community: '65535:65281' }],
    ['communities: {values: ["1:2:3"]}', { community: '1:2:3' }],
    ['asPathPrefix: [65000, "1.1"]', { asPathPrefix: [65_000, 65_537] }],
    ['priority: 512', { priority: 512 }],
    [
      'prefixes: [{cidr: 10.0.0.0/8}, {cidr: 192.168.0.0/16, min: 24, max: 28}]',
      {
        prefixes: [
          { cidr: '10.0.0.0/8', min: null, max: null },
          { cidr: '192.168.0.0/16', min: 24, max: 28 },
        ],
      },
    ],
    ['anyCommunity: ["65001:*", blackhole]', { anyCommunity: ['65001:*', '65535:666'] }],
    ['allCommunities: ["065001:01", "*:1:*"]', { allCommunities: ['65001:1', '*:1:*'] }],
  ]
  for (const [written, rule] of table) {
    const action = written.startsWith('action') ? '' : 'action: Accept, '
    const filters = filtersOf(manifest('f', `{exportV4: [{${action}${written}}]}`))
    t.same(filters.get('f')?.exportV4, [{ ...nothing, ...rule }], written)
  }
})

t.test('operations keep their order', async (t) => {
  const operations = [
    '{addCommunity: {value: graceful-shutdown}}',
    '{prependASPath: {prefix: [65001, 65002]}}',
    '{setPriority: {value: 512}}',
    '{removeCommunity: {value: "65001:*"}}',
    '{replaceCommunities: {values: ["1:1"]}}',
    '{replaceCommunities: {values: []}}',
    '{setLocalPref: {value: 0}}',
    '{setMED: {value: 4294967295}}',
    '{setNextHop: {value: "2001:DB8::1"}}',
    '{setNextHop: {value: self}}',
  ].join(', ')
  const filters = filtersOf(
    manifest('f', `{exportV6: [{action: Accept, operations: [${operations}]}]}`),
  )
  t.same(filters.get('f')?.exportV6[0]?.operations, [
    { kind: 'addCommunity', community: '65535:0' },
    { kind: 'prependASPath', asns: [65_001, 65_002] },
    { kind: 'setPriority', priority: 512 },
    { kind: 'removeCommunity', community: '65001:*' },
    { kind: 'replaceCommunities', communities: ['1:1'] },
    { kind: 'replaceCommunities', communities: [] },
    { kind: 'setLocalPref', localPref: 0 },
    { kind: 'setMED', med: 4_294_967_295 },
    { kind: 'setNextHop', nextHop: '2001:db8::1' },
    { kind: 'setNextHop', nextHop: 'self' },
  ])
})

t.test("Calico's example is read unchanged from its own group, and compiles", async (t) => {
  const example = `
  exportV4:
    - {action: Accept, matchOperator: In, cidr: 77.0.0.0/16, source: RemotePeers}
    - {action: Reject, interface: '*.calico'}
  importV4:
    - {action: Accept, matchOperator: In, cidr: 55.0.0.0/16, prefixLength: {min: 30}}
    - {action: Reject, matchOperator: NotIn, cidr: 44.0.0.0/16}
  exportV6:
    - {action: Reject, source: RemotePeers}
    - {action: Reject, interface: '*.calico'}
  importV6:
    - {action: Accept, matchOperator: Equal, cidr: 5000::0/64}
    - {action: Reject}`
  const known = filtersOf(manifest('my-filter', example, 'projectcalico.org/v3'))
  const { filters, problems } = chooseFilters(known, ['my-filter'], 'BGPPeer/p')
  t.same(problems, [])
  for (const direction of ['import', 'export'] as const) {
    for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
      t.not(compilePolicy(filters, direction, family), null, `${direction} ${family}`)
    }
  }
})

t.test('filters come in the order of their names, and each once', async (t) => {
  const known = filtersOf(manifest('a', '{}') + manifest('b', '{}') + manifest('c', '{}'))
  const choice = chooseFilters(known, ['c', 'a', 'c'], 'BGPPeer/p')
  t.same(
    choice.filters.map(({ name }) => name),
    ['c', 'a'],
  )
  t.same([choice.unknown, choice.problems], [[], []])
  t.equal(choice.filters[1], known.get('a'), 'peers that name a filter share it')
})

t.test('a name without a filter is reported, never skipped', async (t) => {
  const choice = chooseFilters(filtersOf(manifest('a', '{}')), ['x', 'a'], 'BGPPeer/p')
  t.same(
    choice.filters.map(({ name }) => name),
    ['a'],
  )
  t.same(choice.unknown, ['x'])
  t.same(choice.problems, [
    {
      reason: 'UnknownFilter',
      severity: 'error',
      subject: 'BGPPeer/p',
      message: 'filters: BGPFilter x does not exist',
      remedy: 'create it, or correct the name',
    },
  ])
})

t.test('rules that can never be reached are pointed out', async (t) => {
  const reachable = '{action: Reject, source: RemotePeers}, {action: Accept}'
  const known = filtersOf(
    manifest('good', `{importV4: [${reachable}]}`) +
      manifest('bad', `{exportV6: [${reachable}, {action: Reject}], importV4: [${reachable}]}`),
  )
  const { problems } = chooseFilters(known, ['good', 'bad'], 'BGPPeer/p')
  t.same(problems, [
    {
      reason: 'UnreachableRule',
      severity: 'info',
      subject: 'BGPFilter/bad',
      message: 'exportV6[1] matches every route, so the rules after it are never reached',
      remedy: 'move it to the end, or remove what follows',
    },
  ])
})
