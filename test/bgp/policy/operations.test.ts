/** Operations read from their texts: values, refusals, ceilings, next hop and words. */
import t from 'tap'
import {
  compileOperations,
  formatOperations,
  nextHopOf,
  setsMed,
} from '../../../bgp/policy/operations.ts'
import type { Direction, FilterOperation } from '../../../bgp/policy/types.ts'
import { formatAddress } from '../../../bgp/prefix.ts'
import type { FamilyName } from '../../../bgp/types.ts'
import { refusalOf } from './scene.ts'

const setNextHop = (nextHop: string): FilterOperation => ({ kind: 'setNextHop', nextHop })

t.test('texts become numbers, and a priority becomes a LOCAL_PREF', async (t) => {
  const table: readonly [given: FilterOperation, compiled: object][] = [
    [
      { kind: 'addCommunity', community: '65001:100' },
      { kind: 'addCommunity', community: [0xfde90064] },
    ],
    [
      { kind: 'addCommunity', community: '65001:1:2' },
      { kind: 'addCommunity', community: [65001, 1, 2] },
    ],
    [
      { kind: 'removeCommunity', community: '65001:*' },
      { kind: 'removeCommunity', pattern: { words: [0xfde90000], masks: [0xffff0000] } },
    ],
    [
      { kind: 'setPriority', priority: 512 },
      { kind: 'setLocalPref', localPref: 2_147_483_135 },
    ],
    [
      { kind: 'prependASPath', asns: [1, 4_294_967_295] },
      { kind: 'prependASPath', asns: [1, 4_294_967_295] },
    ],
    [
      { kind: 'setMED', med: 0 },
      { kind: 'setMED', med: 0 },
    ],
  ]
  for (const [given, compiled] of table) {
    t.same(compileOperations([given], 'import', 'ipv4-unicast'), [compiled])
  }
})

t.test('the last next hop set is the next hop, and none is none', async (t) => {
  const compile = (operations: FilterOperation[], family: FamilyName = 'ipv4-unicast') =>
    compileOperations(operations, 'export', family)
  t.equal(nextHopOf(compile([])), null)
  t.equal(nextHopOf(compile([setNextHop('10.0.0.1'), setNextHop('self')])), 'self')
  const octets = nextHopOf(compile([setNextHop('self'), setNextHop('2001:db8::1')], 'ipv6-unicast'))
  t.ok(octets instanceof Uint8Array && formatAddress(octets, 0, 16) === '2001:db8::1')
})

t.test('whether the MED was set here is known', async (t) => {
  t.notOk(setsMed([]))
  t.notOk(setsMed(compileOperations([setNextHop('10.0.0.1')], 'import', 'ipv4-unicast')))
  t.ok(setsMed(compileOperations([{ kind: 'setMED', med: 5 }], 'import', 'ipv4-unicast')))
})

t.test('an operation that cannot be carried out is refused with its place', async (t) => {
  const table: readonly [
    given: FilterOperation,
    said: RegExp,
    direction?: Direction,
    family?: FamilyName,
  ][] = [
    [{ kind: 'addCommunity', community: '1:*' }, /^operations\[0\]\.addCommunity: "1:\*" is no/],
    [{ kind: 'addCommunity', community: 'no-export' }, /is no community/],
    [{ kind: 'removeCommunity', community: '1' }, /^operations\[0\]\.removeCommunity: /],
    [{ kind: 'replaceCommunities', communities: ['1:1', 'x'] }, /"x" is no community/],
    [{ kind: 'prependASPath', asns: [65001, 0] }, /an AS number is a number from 1/],
    [{ kind: 'setPriority', priority: 0 }, /^operations\[0\]\.setPriority: /],
    [{ kind: 'setLocalPref', localPref: 4_294_967_296 }, /LOCAL_PREF is a number from 0 to/],
    [{ kind: 'setMED', med: -1 }, /MED is a number from 0 to 4294967295, not -1/],
    [setNextHop('self'), /leads nowhere/, 'import'],
    [setNextHop('2001:db8::1'), /can't be the next hop of an ipv4-unicast route/],
    [setNextHop('10.0.0.1'), /next hop of an ipv6-unicast route/, 'export', 'ipv6-unicast'],
    [setNextHop('here'), /is no IPv4 address/],
  ]
  for (const [given, said, direction = 'export', family = 'ipv4-unicast'] of table) {
    t.match(
      refusalOf(() => compileOperations([given], direction, family)),
      said,
    )
  }
})

t.test('operations and prepended numbers have ceilings', async (t) => {
  const compile = (operations: FilterOperation[]) => () =>
    compileOperations(operations, 'export', 'ipv4-unicast')
  const prepend = (count: number): FilterOperation => ({
    kind: 'prependASPath',
    asns: new Array<number>(count).fill(65001),
  })
  t.equal(refusalOf(compile([prepend(200), prepend(55)])), 'accepted')
  t.match(refusalOf(compile([prepend(200), prepend(56)])), /256 AS numbers .* 255 are allowed/)
  const many = new Array<FilterOperation>(101).fill({ kind: 'setMED', med: 1 })
  t.match(refusalOf(compile(many)), /101 operations; 100 are allowed/)
})

t.test('operations are told in words', async (t) => {
  const operations: FilterOperation[] = [
    { kind: 'addCommunity', community: '65001:100' },
    { kind: 'removeCommunity', community: '65001:*' },
    { kind: 'replaceCommunities', communities: [] },
    { kind: 'replaceCommunities', communities: ['1:1', '1:1:1'] },
    { kind: 'prependASPath', asns: [65001, 65002] },
    { kind: 'setPriority', priority: 512 },
    { kind: 'setLocalPref', localPref: 200 },
    { kind: 'setMED', med: 10 },
    setNextHop('self'),
  ]
  t.equal(
    formatOperations(operations),
    'adds 65001:100, removes 65001:*, removes all communities, ' +
      'replaces all communities by 1:1 1:1:1, prepends 65001 65002, ' +
      'sets priority 512 (LOCAL_PREF 2147483135), sets LOCAL_PREF 200, sets MED 10, ' +
      'sets next hop self',
  )
})
