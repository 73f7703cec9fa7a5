/** The policy engine against a slow and plain evaluation of the same filters (oracle.ts). */
import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { compilePolicy, filterListOf } from '../../../bgp/policy/policy.ts'
import type { FilterRule } from '../../../bgp/policy/types.ts'
import { formatPrefix } from '../../../bgp/prefix.ts'
import type { FamilyName } from '../../../bgp/types.ts'
import { judge } from './oracle.ts'
import { factsOf, filter, type Route, rule, seed } from './scene.ts'

/** Small pools, so that rules and routes meet. */
function arbitraries(family: FamilyName) {
  const bits = family === 'ipv4-unicast' ? 32 : 128
  const word = fc.constantFrom(0, 0x0a000000, 0x0a010000, 0x0a018000)
  const prefix = fc
    .tuple(
      fc.array(word, { minLength: bits / 32, maxLength: bits / 32 }),
      fc.oneof(fc.constantFrom(0, 8, 16, 17, 24), fc.nat(bits)),
    )
    .map(([words, length]) => formatPrefix(family, Uint32Array.from(words), 0, length))
  const asn = fc.constantFrom(1, 2, 3)
  const community = fc.constantFrom('1:1', '1:2', '65535:65281', '1:1:1', '1:2:1')
  const pattern = fc.oneof(community, fc.constantFrom('1:*', '*:2', '1:*:1', '*:*:*'))
  const orNull = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 2 })
  const length = fc.option(fc.nat(bits))
  const range = prefix.chain((cidr) => {
    const own = Number(cidr.split('/')[1])
    const bound = fc.option(fc.integer({ min: own, max: bits }))
    return fc.record({ cidr: fc.constant(cidr), min: bound, max: bound })
  })
  const anyRule = fc
    .record({
      action: fc.constantFrom('Accept' as const, 'Reject' as const),
      net: orNull(fc.tuple(prefix, fc.constantFrom('Equal', 'NotEqual', 'In', 'NotIn'))),
      prefixLength: orNull(fc.record({ min: length, max: length })),
      source: orNull(fc.constant('RemotePeers' as const)),
      interface: orNull(fc.constantFrom('eth0', 'eth*', '*.calico', '*', 'e*0')),
      peerType: orNull(fc.constantFrom('eBGP' as const, 'iBGP' as const)),
      community: orNull(community),
      asPathPrefix: orNull(fc.array(asn, { minLength: 1, maxLength: 3 })),
      priority: orNull(fc.constantFrom(512, 1024)),
      prefixes: orNull(fc.array(range, { maxLength: 6 })),
      anyCommunity: orNull(fc.array(pattern, { maxLength: 3 })),
      allCommunities: orNull(fc.array(pattern, { maxLength: 2 })),
    })
    .map(({ net, prefixLength, prefixes, anyCommunity, allCommunities, ...rest }): FilterRule => {
      const usable = (prefixes ?? []).filter(({ min, max }) => (min ?? 0) <= (max ?? bits))
      return {
        ...rule(rest),
        cidr: net?.[0] ?? null,
        matchOperator: (net?.[1] ?? null) as FilterRule['matchOperator'],
        prefixLength: net ? prefixLength : null,
        ...(prefixes && { prefixes: usable }),
        ...(anyCommunity && { anyCommunity }),
        ...(allCommunities && { allCommunities }),
      }
    })
  const route: fc.Arbitrary<Route> = fc.record(
    {
      prefix,
      ebgp: fc.boolean(),
      learned: fc.boolean(),
      localPref: fc.constantFrom(100, 2_147_483_135, 2_147_482_623),
      interfaces: fc.subarray(['eth0', 'eth1', 'vxlan.calico']),
      communities: fc.subarray(['1:1', '1:2', '65535:65281', '7:7']),
      largeCommunities: fc.subarray(['1:1:1', '1:2:1', '7:7:7']),
      asPath: fc.array(
        fc.tuple(fc.integer({ min: 1, max: 4 }), fc.array(asn, { minLength: 1, maxLength: 3 })),
        { maxLength: 3 },
      ),
    },
    { requiredKeys: ['prefix'] },
  )
  return { rules: fc.array(anyRule, { maxLength: 6 }), route }
}

for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
  const { rules, route } = arbitraries(family)

  t.test(`${family}: verdicts are those of a plain evaluation, and the trace agrees`, async (t) => {
    const seen = new Map<string, number>()
    fc.assert(
      fc.property(rules, rules, fc.array(route, { minLength: 1, maxLength: 8 }), (a, b, routes) => {
        const list = filterListOf('export', family)
        const filters = [filter('a', { [list]: a }), filter('b', { [list]: b })]
        const policy = compilePolicy(filters, 'export', family)
        if (policy === null) return
        for (const given of routes) {
          const facts = factsOf(given)
          const expected = judge(filters, list, given, facts)
          const { verdict, filter: name, rule: index } = policy.evaluate(facts)
          deepStrictEqual({ verdict, filter: name, rule: index }, expected)
          const steps = policy.trace(facts)
          const last = steps.findLast(({ matched }) => matched)
          deepStrictEqual(last?.filter ?? null, expected.filter)
          deepStrictEqual(last?.rule ?? -1, expected.rule)
          deepStrictEqual(steps.filter(({ matched }) => matched).length, last ? 1 : 0)
          deepStrictEqual(!last || steps.at(-1) === last, true)
          seen.set(verdict, (seen.get(verdict) ?? 0) + 1)
        }
      }),
      { seed, numRuns: 1500 },
    )
    for (const verdict of ['accept', 'reject', 'none']) {
      t.ok((seen.get(verdict) ?? 0) > 300, `the samples reach "${verdict}" often enough`)
    }
  })

  t.test(
    `${family}: policies with equal keys answer alike, whatever order fields came in`,
    async () => {
      const list = filterListOf('import', family)
      const compile = (given: readonly FilterRule[]) =>
        compilePolicy([filter('f', { [list]: given })], 'import', family)
      fc.assert(
        fc.property(rules, rules, route, (a, b, given) => {
          const turned = a.map((one) => Object.fromEntries(Object.entries(one).reverse()))
          const same = compile(turned as unknown as FilterRule[])
          const [first, second] = [compile(a), compile(b)]
          deepStrictEqual(same?.key, first?.key)
          if (!first || !second || first.key !== second.key) return
          deepStrictEqual(first.evaluate(factsOf(given)), second.evaluate(factsOf(given)))
        }),
        { seed, numRuns: 300 },
      )
    },
  )
}
