/** Every condition a rule can name: what it matches, what it leaves, and what is refused. */
import t from 'tap'
import { AttributePlaces } from '../../../bgp/policy/attribute-places.ts'
import { compileConditions } from '../../../bgp/policy/conditions.ts'
import type { FilterRule } from '../../../bgp/policy/types.ts'
import { familyOf } from '../../../bgp/prefix.ts'
import type { FamilyName } from '../../../bgp/types.ts'
import { factsOf, type Route, refusalOf, rule } from './scene.ts'

function holds(changes: Partial<FilterRule>, route: Route): boolean {
  const facts = factsOf(route)
  const places = new AttributePlaces()
  places.read(facts)
  const conditions = compileConditions(rule(changes), familyOf(route.prefix))
  return conditions.every((condition) => condition.holds(facts, places))
}

type Row = readonly [rule: Partial<FilterRule>, matching: readonly Route[], other: readonly Route[]]

/** The rows' expectations that don't come true. */
function mistakes(rows: readonly Row[]): string[] {
  return rows.flatMap(([changes, matching, other]) => [
    ...matching
      .filter((route) => !holds(changes, route))
      .map((route) => `${JSON.stringify(changes)} leaves ${JSON.stringify(route)}`),
    ...other
      .filter((route) => holds(changes, route))
      .map((route) => `${JSON.stringify(changes)} matches ${JSON.stringify(route)}`),
  ])
}

const to = (...prefixes: string[]): Route[] => prefixes.map((prefix) => ({ prefix }))
const withPath = (...asPath: NonNullable<Route['asPath']>): Route => ({
  prefix: '10.0.0.0/8',
  asPath,
})
const tagged = (communities: string[], largeCommunities: string[] = []): Route => ({
  prefix: '10.0.0.0/8',
  ...(communities.length > 0 && { communities }),
  ...(largeCommunities.length > 0 && { largeCommunities }),
})
const by = (...interfaces: string[]): Route => ({ prefix: '10.0.0.0/8', interfaces })

t.test('a prefix is compared as BIRD does for Calico: =, !=, ~, !~', async (t) => {
  const inside = ['10.1.0.0/16', '10.1.2.0/24', '10.1.2.3/32']
  const outside = ['10.0.0.0/8', '10.2.0.0/16', '0.0.0.0/0', '11.1.0.0/16']
  const cidr = '10.1.0.0/16'
  t.same(
    mistakes([
      [{ cidr, matchOperator: 'In' }, to(...inside), to(...outside)],
      [{ cidr, matchOperator: 'NotIn' }, to(...outside), to(...inside)],
      [{ cidr, matchOperator: 'Equal' }, to(cidr), to('10.1.2.0/24', ...outside)],
      [{ cidr, matchOperator: 'NotEqual' }, to('10.1.2.0/24', ...outside), to(cidr)],
      [{ cidr: '0.0.0.0/0', matchOperator: 'In' }, to('0.0.0.0/0', ...inside), []],
      [{ cidr: '0.0.0.0/0', matchOperator: 'Equal' }, to('0.0.0.0/0'), to(...inside)],
      [
        { cidr: '2001:db8::/33', matchOperator: 'In' },
        to('2001:db8::/33', '2001:db8:7fff::/48', '2001:db8::1/128'),
        to('2001:db8::/32', '2001:db8:8000::/48', '::/0'),
      ],
    ]),
    [],
  )
})

t.test('prefixLength narrows what the cidr stands for, and is negated with it', async (t) => {
  const cidr = '10.1.0.0/16'
  t.same(
    mistakes([
      [
        { cidr, matchOperator: 'In', prefixLength: { min: 24, max: 28 } },
        to('10.1.2.0/24', '10.1.2.16/28'),
        to('10.1.0.0/16', '10.1.2.0/23', '10.1.2.8/29', '10.2.2.0/24'),
      ],
      [
        { cidr, matchOperator: 'NotIn', prefixLength: { min: 24, max: 28 } },
        to('10.1.0.0/16', '10.1.2.8/29', '10.2.2.0/24'),
        to('10.1.2.0/24'),
      ],
      [
        { cidr, matchOperator: 'In', prefixLength: { min: 8, max: null } },
        to('10.1.0.0/16', '10.1.2.3/32'),
        to('10.0.0.0/8'),
      ],
      [
        { cidr, matchOperator: 'In', prefixLength: { min: null, max: 24 } },
        to('10.1.0.0/16', '10.1.2.0/24'),
        to('10.1.2.0/25'),
      ],
      [
        { cidr, matchOperator: 'Equal', prefixLength: { min: 8, max: 24 } },
        to(cidr),
        to('10.1.2.0/24'),
      ],
      [
        { cidr, matchOperator: 'Equal', prefixLength: { min: 24, max: 28 } },
        [],
        to(cidr, '10.1.2.0/24'),
      ],
      [{ cidr, matchOperator: 'NotEqual', prefixLength: { min: 24, max: 28 } }, to(cidr), []],
      [
        { cidr: '2001:db8::/32', matchOperator: 'In', prefixLength: { min: 64, max: null } },
        to('2001:db8::/64', '2001:db8::1/128'),
        to('2001:db8::/63'),
      ],
    ]),
    [],
  )
})

t.test('a prefix list takes ranges: exact, from, to, and both', async (t) => {
  const range = (cidr: string, min: number | null = null, max: number | null = null) => ({
    cidr,
    min,
    max,
  })
  t.same(
    mistakes([
      [{ prefixes: [range('10.0.0.0/8')] }, to('10.0.0.0/8'), to('10.0.0.0/9')],
      [{ prefixes: [range('10.0.0.0/8', 24)] }, to('10.1.2.3/32'), to('10.1.0.0/16')],
      [
        { prefixes: [range('10.0.0.0/8', null, 9)] },
        to('10.0.0.0/8', '10.128.0.0/9'),
        to('10.0.0.0/10'),
      ],
      [
        {
          prefixes: [
            range('10.0.0.0/8', 16, 16),
            range('10.0.0.0/8', 24, 24),
            range('192.0.2.0/24'),
          ],
        },
        to('10.1.0.0/16', '10.1.2.0/24', '192.0.2.0/24'),
        to('10.0.0.0/8', '10.1.2.0/25', '192.0.2.0/25'),
      ],
      [{ prefixes: [] }, [], to('10.0.0.0/8')],
    ]),
    [],
  )
})

t.test('communities: one, all, any; standard, large and with gaps', async (t) => {
  t.same(
    mistakes([
      [
        { community: '65000:100' },
        [tagged(['65000:100']), tagged(['1:1', '65000:100', '2:2'])],
        [tagged([]), tagged(['65000:101']), tagged([], ['65000:100:0'])],
      ],
      [
        { community: '65000:100:999' },
        [tagged(['1:1'], ['1:1:1', '65000:100:999'])],
        [tagged(['65000:100']), tagged([], ['65000:100:998'])],
      ],
      [
        { community: '4294967295:4294967295:4294967295' },
        [tagged([], ['4294967295:4294967295:4294967295'])],
        [],
      ],
      [{ community: '65535:65281' }, [tagged(['65535:65281'])], [tagged(['65535:65282'])]],
      [
        { allCommunities: ['65000:1', '65000:1:1'] },
        [tagged(['65000:1'], ['65000:1:1'])],
        [tagged(['65000:1']), tagged([], ['65000:1:1'])],
      ],
      [
        { anyCommunity: ['65000:*', '65001:1:*'] },
        [tagged(['65000:7']), tagged([], ['65001:1:9'])],
        [tagged(['65001:7']), tagged([], ['65001:2:9'])],
      ],
      [{ anyCommunity: ['*:666'] }, [tagged(['1:666', '2:2'])], [tagged(['666:1'])]],
      [{ anyCommunity: ['*:*'] }, [tagged(['1:1'])], [tagged([], ['1:1:1'])]],
      [{ anyCommunity: [], allCommunities: [] }, [tagged([])], []],
    ]),
    [],
  )
})

t.test('an AS path begins with a sequence of numbers', async (t) => {
  const asPathPrefix = [65000, 65001]
  t.same(
    mistakes([
      [
        { asPathPrefix },
        [
          withPath([2, [65000, 65001]]),
          withPath([2, [65000, 65001, 7]]),
          withPath([2, [65000]], [2, [65001, 7]]),
          withPath([3, [64512]], [2, [65000, 65001]]),
          withPath([2, [65000, 65001]], [1, [1, 2]]),
        ],
        [
          withPath(),
          withPath([2, [65000]]),
          withPath([2, [65001, 65000]]),
          withPath([1, [65000, 65001]]),
          withPath([2, [65000]], [1, [65001]]),
          withPath([3, [65000, 65001]]),
          withPath([2, [7, 65000, 65001]]),
        ],
      ],
      [{ asPathPrefix: [4_200_000_000] }, [withPath([2, [4_200_000_000]])], [withPath([2, [1]])]],
    ]),
    [],
  )
})

t.test('peer type, source, priority and interface', async (t) => {
  const prefix = '10.0.0.0/8'
  t.same(
    mistakes([
      [{ peerType: 'eBGP' }, [{ prefix, ebgp: true }], [{ prefix, ebgp: false }]],
      [{ peerType: 'iBGP' }, [{ prefix, ebgp: false }], [{ prefix, ebgp: true }]],
      [{ source: 'RemotePeers' }, [{ prefix, learned: true }], [{ prefix, learned: false }]],
      [{ priority: 1024 }, [{ prefix, localPref: 2_147_482_623 }], [{ prefix, localPref: 100 }]],
      [{ interface: 'eth0' }, [by('eth0'), by('eth1', 'eth0')], [by(), by('eth01'), by('veth0')]],
      [
        { interface: '*.calico' },
        [by('vxlan.calico'), by('.calico')],
        [by('vxlan-calico'), by('tunl0')],
      ],
      [{ interface: 'e*h*' }, [by('eth0'), by('eh')], [by('veth0')]],
      [{ interface: '*' }, [by('lo')], [by()]],
      [{ interface: 'a+[b]?' }, [by('a+[b]?')], [by('aab'), by('a+[b]x')]],
    ]),
    [],
  )
})

t.test('a condition that cannot be right is refused with its field', async (t) => {
  const table: readonly [changes: Partial<FilterRule>, said: RegExp, family?: FamilyName][] = [
    [{ cidr: '10.0.0.0/8' }, /^cidr: cidr and matchOperator go together$/],
    [{ matchOperator: 'In' }, /^cidr: cidr and matchOperator go together$/],
    [{ prefixLength: { min: 1, max: 2 } }, /^cidr: prefixLength needs cidr$/],
    [{ cidr: '10.0.0.1/8', matchOperator: 'In' }, /^cidr: .*the network is 10\.0\.0\.0\/8$/],
    [{ cidr: '2001:db8::/32', matchOperator: 'In' }, /is no ipv4-unicast prefix/],
    [{ cidr: '10.0.0.0/8', matchOperator: 'In' }, /is no ipv6-unicast prefix/, 'ipv6-unicast'],
    [
      { prefixes: [{ cidr: '10.0.0.0/8', min: 7, max: null }] },
      /^prefixes: lengths 7 to 32 .* hold nothing/,
    ],
    [{ prefixes: [{ cidr: '10.0.0.0/8', min: 9, max: 33 }] }, /hold nothing/],
    [{ prefixes: [{ cidr: '10.0.0.0/8', min: 12, max: 10 }] }, /hold nothing/],
    [{ community: 'no-export' }, /^community: "no-export" is no community/],
    [{ community: '65536:1' }, /is no community/],
    [{ anyCommunity: ['1:2:3:4'] }, /^anyCommunity: /],
    [{ allCommunities: ['1:-2'] }, /^allCommunities: /],
    [{ asPathPrefix: [0] }, /^asPathPrefix: an AS number is a number from 1 to 4294967295, not 0$/],
    [{ asPathPrefix: [1.5] }, /not 1\.5/],
    [{ priority: 0 }, /^priority: a priority is a number from 1 to 2147483646, not 0$/],
    [{ priority: 2_147_483_647 }, /not 2147483647/],
  ]
  for (const [changes, said, family = 'ipv4-unicast'] of table) {
    const refusal = refusalOf(() => compileConditions(rule(changes), family))
    t.match(refusal, said, JSON.stringify(changes))
  }
})

t.test('a prefix list has a ceiling', async (t) => {
  const prefixes = Array.from({ length: 100_001 }, () => ({ cidr: '::/0', min: null, max: null }))
  t.match(
    refusalOf(() => compileConditions(rule({ prefixes }), 'ipv6-unicast')),
    /^prefixes: a list of 100001 prefixes; 100000 are allowed$/,
  )
})

t.test('each condition says in words what it asks for', async (t) => {
  const range = { min: 16, max: null }
  const table: readonly [changes: Partial<FilterRule>, text: string][] = [
    [{ cidr: '10.0.0.0/8', matchOperator: 'In' }, 'the prefix lies in 10.0.0.0/8'],
    [
      { cidr: '10.0.0.0/8', matchOperator: 'NotIn', prefixLength: range },
      'the prefix does not lie in 10.0.0.0/8 with a length of 16 to 32',
    ],
    [{ prefixes: [{ cidr: '10.0.0.0/8', ...range }] }, 'the prefix is in 10.0.0.0/8{16,32}'],
    [
      {
        prefixes: ['1.0.0.0/8', '2.0.0.0/8', '3.0.0.0/8', '4.0.0.0/8'].map((cidr) => ({
          cidr,
          min: null,
          max: null,
        })),
      },
      'the prefix is in [1.0.0.0/8, 2.0.0.0/8, 3.0.0.0/8 and 1 more]',
    ],
    [{ priority: 1024 }, 'its priority is 1024 (LOCAL_PREF 2147482623)'],
    [{ interface: '*.calico' }, 'it leaves by *.calico'],
  ]
  for (const [changes, text] of table) {
    t.same(
      compileConditions(rule(changes), 'ipv4-unicast').map((condition) => condition.text),
      [text],
    )
  }
})
