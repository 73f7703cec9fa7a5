/** Filters as a whole: Calico's examples, order, keys, traces, and what is refused. */
import t from 'tap'
import { compilePolicy, filterListOf } from '../../../bgp/policy/policy.ts'
import type { Direction, FilterConfig, FilterRule } from '../../../bgp/policy/types.ts'
import type { FamilyName } from '../../../bgp/types.ts'
import { factsOf, filter, type Route, refusalOf, rule } from './scene.ts'

/** `accept my-filter[1]`, `none`. */
function verdictOf(
  filters: readonly FilterConfig[],
  route: Route,
  direction: Direction = 'import',
  family: FamilyName = 'ipv4-unicast',
): string {
  const policy = compilePolicy(filters, direction, family)
  if (policy === null) return 'no policy'
  const match = policy.evaluate(factsOf(route))
  return match.verdict === 'none' ? 'none' : `${match.verdict} ${match.filter}[${match.rule}]`
}

const accept = (changes: Partial<FilterRule> = {}) => rule({ ...changes, action: 'Accept' })
const reject = (changes: Partial<FilterRule> = {}) => rule({ ...changes, action: 'Reject' })

t.test("the example in Calico's reference does what its text says", async (t) => {
  const example = filter('my-filter', {
    exportV4: [
      accept({ matchOperator: 'In', cidr: '77.0.0.0/16', source: 'RemotePeers' }),
      reject({ interface: '*.calico' }),
    ],
    importV4: [
      accept({
        matchOperator: 'In',
        cidr: '55.0.0.0/16',
        prefixLength: { min: 30, max: null },
      }),
      reject({ matchOperator: 'NotIn', cidr: '44.0.0.0/16' }),
    ],
    exportV6: [reject({ source: 'RemotePeers' }), reject({ interface: '*.calico' })],
    importV6: [accept({ matchOperator: 'Equal', cidr: '5000::/64' }), reject()],
  })
  const table: readonly [Direction, FamilyName, Route, verdict: string][] = [
    ['export', 'ipv4-unicast', { prefix: '77.0.1.0/24' }, 'accept my-filter[0]'],
    ['export', 'ipv4-unicast', { prefix: '77.0.1.0/24', learned: false }, 'none'],
    [
      'export',
      'ipv4-unicast',
      { prefix: '78.0.0.0/16', interfaces: ['vxlan.calico'] },
      'reject my-filter[1]',
    ],
    [
      'export',
      'ipv4-unicast',
      { prefix: '77.0.1.0/24', interfaces: ['vxlan.calico'] },
      'accept my-filter[0]',
    ],
    ['export', 'ipv4-unicast', { prefix: '78.0.0.0/16', interfaces: ['eth0'] }, 'none'],
    ['import', 'ipv4-unicast', { prefix: '55.0.1.4/30' }, 'accept my-filter[0]'],
    ['import', 'ipv4-unicast', { prefix: '55.0.1.0/29' }, 'reject my-filter[1]'],
    ['import', 'ipv4-unicast', { prefix: '44.0.7.0/24' }, 'none'],
    ['export', 'ipv6-unicast', { prefix: '5000::/64' }, 'reject my-filter[0]'],
    ['export', 'ipv6-unicast', { prefix: '5000::/64', learned: false }, 'none'],
    ['import', 'ipv6-unicast', { prefix: '5000::/64' }, 'accept my-filter[0]'],
    ['import', 'ipv6-unicast', { prefix: '5000::/65' }, 'reject my-filter[1]'],
  ]
  for (const [direction, family, route, verdict] of table) {
    t.equal(verdictOf([example], route, direction, family), verdict, `${direction} ${route.prefix}`)
  }
})

t.test('every condition of a rule must hold, and peer types guard whole rules', async (t) => {
  const full = filter('full-example', {
    importV4: [
      accept({
        cidr: '10.244.0.0/16',
        matchOperator: 'In',
        prefixLength: { min: 24, max: 28 },
        peerType: 'iBGP',
        community: '65000:100',
        asPathPrefix: [65000],
        priority: 512,
        interface: 'eth0',
      }),
      accept({
        cidr: '10.244.0.0/16',
        matchOperator: 'In',
        peerType: 'eBGP',
        community: '65000:100:999',
        asPathPrefix: [65000, 65001],
      }),
      reject(),
    ],
  })
  const route: Route = {
    prefix: '10.244.5.0/24',
    ebgp: false,
    communities: ['65000:100'],
    largeCommunities: ['65000:100:999'],
    asPath: [[2, [65000, 65001]]],
    localPref: 2_147_483_135,
    interfaces: ['eth0'],
  }
  const { communities: _, ...untagged } = route
  const table: readonly [what: string, Route, verdict: string][] = [
    ['iBGP, all of it', route, 'accept full-example[0]'],
    ['eBGP skips the first rule', { ...route, ebgp: true }, 'accept full-example[1]'],
    ['too short', { ...route, prefix: '10.244.0.0/16' }, 'reject full-example[2]'],
    ['another prefix', { ...route, prefix: '10.245.5.0/24' }, 'reject full-example[2]'],
    ['no community', untagged, 'reject full-example[2]'],
    ['another path', { ...route, asPath: [[2, [65009]]] }, 'reject full-example[2]'],
    ['another priority', { ...route, localPref: 100 }, 'reject full-example[2]'],
    ['another way', { ...route, interfaces: ['eth1'] }, 'reject full-example[2]'],
  ]
  for (const [what, given, verdict] of table) t.equal(verdictOf([full], given), verdict, what)
})

t.test('filters are asked in order, and the first match of any of them decides', async (t) => {
  const ten = { cidr: '10.0.0.0/8', matchOperator: 'In' } as const
  const a = filter('a', { importV4: [accept({ ...ten, community: '1:1' })] })
  const b = filter('b', { importV4: [reject(ten)] })
  const route: Route = { prefix: '10.1.0.0/16', communities: ['1:1'] }
  t.equal(verdictOf([a, b], route), 'accept a[0]')
  t.equal(verdictOf([b, a], route), 'reject b[0]')
  t.equal(verdictOf([a, b], { prefix: '10.1.0.0/16' }), 'reject b[0]')
  t.equal(verdictOf([a, b], { prefix: '11.0.0.0/8' }), 'none')
})

t.test('filters without rules for a direction and family are no policy there', async (t) => {
  const only = filter('only', { exportV6: [accept()] })
  t.equal(compilePolicy([], 'import', 'ipv4-unicast'), null)
  for (const direction of ['import', 'export'] as const) {
    for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
      const serves = filterListOf(direction, family) === 'exportV6'
      t.equal(compilePolicy([only], direction, family) !== null, serves, `${direction} ${family}`)
    }
  }
})

t.test('a policy knows what its answers depend on', async (t) => {
  const cases: readonly [changes: Partial<FilterRule>, perPrefix: boolean, perNextHop: boolean][] =
    [
      [{}, false, false],
      [{ community: '1:1', asPathPrefix: [1], priority: 1, peerType: 'eBGP' }, false, false],
      [{ cidr: '10.0.0.0/8', matchOperator: 'NotIn' }, true, false],
      [{ prefixes: [{ cidr: '10.0.0.0/8', min: null, max: null }] }, true, false],
      [{ interface: 'eth*' }, false, true],
    ]
  for (const [changes, perPrefix, perNextHop] of cases) {
    const policy = compilePolicy(
      [filter('f', { importV4: [rule(changes)] })],
      'import',
      'ipv4-unicast',
    )
    t.match(policy, { perPrefix, perNextHop }, JSON.stringify(changes))
  }
  const unreached = filter('f', { importV4: [reject(), accept({ interface: 'eth0' })] })
  t.match(
    compilePolicy([unreached], 'import', 'ipv4-unicast'),
    { perNextHop: false },
    'what follows a rule that matches everything is never asked',
  )
})

t.test(
  'interfaces are asked for only by a rule that names one, after its other conditions',
  async (t) => {
    let asked = 0
    const facts = { ...factsOf({ prefix: '10.0.0.0/8' }), interfaces: () => [`eth${asked++}`] }
    const policy = compilePolicy(
      [filter('f', { importV4: [reject({ interface: 'eth*', community: '1:1' }), accept()] })],
      'import',
      'ipv4-unicast',
    )!
    t.equal(policy.evaluate(facts).verdict, 'accept')
    t.equal(asked, 0)
  },
)

t.test(
  'answers are made once: a rule gives the same one, and the same operations, each time',
  async (t) => {
    const policy = compilePolicy(
      [filter('f', { importV4: [accept({ operations: [{ kind: 'setMED', med: 1 }] })] })],
      'import',
      'ipv4-unicast',
    )!
    const match = policy.evaluate(factsOf({ prefix: '10.0.0.0/8' }))
    t.same(match, {
      verdict: 'accept',
      filter: 'f',
      rule: 0,
      operations: [{ kind: 'setMED', med: 1 }],
    })
    t.equal(policy.evaluate(factsOf({ prefix: '11.0.0.0/8' })), match)
    t.ok(Object.isFrozen(match) && Object.isFrozen(match.operations))
  },
)

t.test('a rule that cannot be carried out is refused with filter, place and field', async (t) => {
  const table: readonly [FilterRule, said: RegExp][] = [
    [rule({ cidr: '10.0.0.1/8', matchOperator: 'In' }), /^filter "f", importV4\[1\]: cidr: /],
    [rule({ community: 'x' }), /^filter "f", importV4\[1\]: community: "x" is no community/],
    [
      reject({ operations: [{ kind: 'setMED', med: 1 }] }),
      /^filter "f", importV4\[1\]: operations: only an Accept rule changes a route$/,
    ],
    [
      accept({ operations: [{ kind: 'setNextHop', nextHop: 'self' }] }),
      /importV4\[1\]: operations\[0\]\.setNextHop: .* leads nowhere/,
    ],
  ]
  for (const [bad, said] of table) {
    const first = reject({ source: 'RemotePeers' })
    const filters = [filter('f', { importV4: [first, bad] })]
    t.match(
      refusalOf(() => compilePolicy(filters, 'import', 'ipv4-unicast')),
      said,
    )
  }
})

t.test('rules of one policy have a ceiling', async (t) => {
  const many = filter('f', { importV4: new Array<FilterRule>(5001).fill(accept()) })
  t.match(
    refusalOf(() => compilePolicy([many, many], 'import', 'ipv4-unicast')),
    /^10002 rules in the importV4 of a peer's filters; 10000 are allowed$/,
  )
})

t.test('a trace tells every rule that was asked, and why', async (t) => {
  const filters = [
    filter('first', { exportV4: [reject({ community: '1:1', source: 'RemotePeers' })] }),
    filter('second', {
      exportV4: [
        accept({
          cidr: '10.0.0.0/8',
          matchOperator: 'In',
          operations: [{ kind: 'addCommunity', community: '2:2' }],
        }),
        reject(),
      ],
    }),
  ]
  const trace = (route: Route) =>
    compilePolicy(filters, 'export', 'ipv4-unicast')!
      .trace(factsOf(route))
      .map(({ filter: name, place, matched, text }) => `${name} ${place} ${matched}: ${text}`)
  t.same(trace({ prefix: '10.1.0.0/16', learned: false }), [
    'first exportV4[0] false: does not match: not "the route was learned by BGP"',
    'second exportV4[0] true: accepts and adds 2:2: the prefix lies in 10.0.0.0/8',
  ])
  t.same(trace({ prefix: '11.0.0.0/8' }), [
    'first exportV4[0] false: does not match: not "it carries 1:1"',
    'second exportV4[0] false: does not match: not "the prefix lies in 10.0.0.0/8"',
    'second exportV4[1] true: rejects: it names no condition',
  ])
})

t.test('whatever an answer holds is in the key', async (t) => {
  const keyOf = (name: string, rules: readonly FilterRule[]) =>
    compilePolicy([filter(name, { exportV4: rules })], 'export', 'ipv4-unicast')!.key
  const base = rule({ cidr: '10.0.0.0/8', matchOperator: 'In' })
  const keys = [
    keyOf('f', [base]),
    keyOf('g', [base]),
    keyOf('f', [{ ...base, action: 'Reject' }]),
    keyOf('f', [base, base]),
    keyOf('f', [{ ...base, matchOperator: 'NotIn' }]),
    keyOf('f', [{ ...base, prefixLength: { min: 16, max: null } }]),
    keyOf('f', [{ ...base, prefixLength: { min: null, max: 16 } }]),
    keyOf('f', [{ ...base, anyCommunity: ['1:1'] }]),
    keyOf('f', [{ ...base, allCommunities: ['1:1'] }]),
    keyOf('f', [{ ...base, operations: [{ kind: 'setMED', med: 1 }] }]),
    keyOf('f', [{ ...base, operations: [{ kind: 'setLocalPref', localPref: 1 }] }]),
    keyOf('f', [{ ...base, operations: [{ kind: 'addCommunity', community: '1:1' }] }]),
    keyOf('f', [{ ...base, operations: [{ kind: 'removeCommunity', community: '1:1' }] }]),
  ]
  t.equal(new Set(keys).size, keys.length)
})
