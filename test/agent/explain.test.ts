/** The answer in sentences: one row for each thing that can be the matter with a prefix. */
import t from 'tap'
import type { PathView, PrefixExplanation } from '../../bgp/types.ts'
import type { FibLookup } from '../../fib/types.ts'
import { type Evidence, explainInWords } from '../../src/explain.ts'

const prefix = '10.1.0.0/24'

function path(overrides: Partial<PathView> = {}): PathView {
  return {
    prefix,
    peer: 'tor',
    peerAddress: '10.0.0.2',
    pathId: 0,
    nextHops: ['10.0.0.2'],
    nextHopReachable: true,
    igpMetric: 0,
    best: false,
    multipath: false,
    stale: false,
    eligible: true,
    reason: null,
    filterSteps: [],
    attributes: { asPath: [{ type: 'sequence', asns: [65002, 65003] }] },
    ...overrides,
  }
}

const best = path({ best: true })
const nothing: FibLookup = { prefix, wanted: null, kernel: [], resolutions: [] }

function words(
  paths: readonly PathView[],
  { bgp, ...evidence }: Partial<Omit<Evidence, 'bgp'>> & { bgp?: Partial<PrefixExplanation> } = {},
): string[] {
  return explainInWords({
    asked: prefix,
    fib: nothing,
    peer: null,
    defaultRoute: 'Ignore',
    passedOn: null,
    ...evidence,
    bgp: {
      prefix,
      paths,
      best: paths.find((each) => each.best) ?? null,
      decidedBy: null,
      advertisements: [],
      ...bgp,
    },
  })
}

t.test('where a prefix came from', async (t) => {
  for (const [caption, said, expected] of [
    ['nobody', words([]), /is not in the table: no peer announces it/],
    ['a peer', words([best]), /received from tor via 10\.0\.0\.2 \(AS path 65002 65003\)/],
    ['itself', words([path({ peer: 'local', best: true })]), /This node announces 10\.1\.0\.0\/24/],
    [
      'the longest match',
      words([best], { asked: '10.1.0.7/32' }),
      /10\.1\.0\.7\/32 itself is not in the table; the longest match is 10\.1\.0\.0\/24/,
    ],
    [
      'several paths of one peer',
      words([path({ best: true, pathId: 1 }), path({ pathId: 2 })]),
      /received from tor \(path 1\) .*, tor \(path 2\) /,
    ],
  ] as const) {
    t.match(said.join('\n'), expected, caption)
  }
})

t.test('what became of each path', async (t) => {
  for (const [caption, paths, expected] of [
    [
      'refused',
      [path({ eligible: false, reason: 'martian prefix' })],
      /The path from tor is not usable: martian prefix\.\nNo path is usable/,
    ],
    [
      'filtered',
      [
        path({
          eligible: false,
          reason: 'rejected by a filter',
          filterSteps: ['BGPFilter f rule 1: no match', 'BGPFilter f rule 2: Reject'],
        }),
      ],
      /On import from tor: BGPFilter f rule 1: no match; BGPFilter f rule 2: Reject\./,
    ],
    [
      'stale',
      [path({ best: true, stale: true })],
      /The path from tor is stale: tor may be restarting, and what it said before is kept/,
    ],
    [
      'better by a rule',
      [best, path({ peer: 'other', reason: 'lost by: AS path length (RFC 4271)' })],
      /The path from other lost by: AS path length/,
    ],
    [
      'used together',
      [best, path({ peer: 'other', multipath: true })],
      /Used together with it \(ECMP\): other\./,
    ],
  ] as const) {
    t.match(words(paths).join('\n'), expected, caption)
  }
})

t.test('a default route names the setting that keeps it out of the kernel', async (t) => {
  const bgp = { prefix: '0.0.0.0/0' }
  const ignored = words([best], { asked: bgp.prefix, bgp }).join('\n')
  t.match(ignored, /Nothing is wanted .* only with fib\.defaultRoute: Install \(now Ignore\)/)
  const wanted = words([best], { asked: bgp.prefix, bgp, defaultRoute: 'Install' }).join('\n')
  t.notMatch(wanted, /defaultRoute/)
  t.notMatch(words([best]).join('\n'), /defaultRoute/, 'other prefixes are no default route')
})

t.test('what a reflector only passes on is said to be that', async (t) => {
  const [said] = words([best], { passedOn: 'service range (serviceExternalIPs)' }).filter((one) =>
    one.startsWith('Nothing is wanted'),
  )
  t.match(said, /it is only passed on \(service range \(serviceExternalIPs\)\)/)
})

t.test('what the kernel holds', async (t) => {
  const wanted = {
    prefix,
    kind: 'unicast',
    nextHops: ['10.0.0.2'],
    gateways: [],
    status: 'installed',
    nexthop: null,
    reason: null,
    error: null,
  } as const
  const foreign = {
    ...{ prefix, table: 254, protocol: 'bird (12)', ours: false },
    ...{ metric: 32, kind: 'unicast', gateways: [] },
  }
  for (const [caption, fib, expected] of [
    ['no writer', null, /The kernel was not asked/],
    ['installed', { ...nothing, wanted }, /next hops 10\.0\.0\.2; installed in the kernel\./],
    [
      'a conflict',
      { ...nothing, wanted: { ...wanted, status: 'conflict', reason: 'held by bird' } },
      /conflict: held by bird\./,
    ],
    ['foreign', { ...nothing, kernel: [foreign] }, /also holds a route of bird \(12\), metric 32/],
    ['empty', nothing, /The kernel holds no route for exactly this prefix/],
  ] as const) {
    t.match(words([best], { fib }).join('\n'), expected, caption)
  }
})

t.test('to whom it is announced, and why not', async (t) => {
  const paths: readonly [] = []
  const told = { advertised: true, reason: 'learned from tor', filterSteps: [], attributes: {} }
  const advertisements = [
    { peer: 'a', ...told, paths },
    {
      paths,
      ...{ peer: 'b', advertised: false, reason: 'rejected by a filter', attributes: null },
      filterSteps: ['BGPFilter f rule 1: Reject'],
    },
  ]
  const all = words([best], { bgp: { advertisements } }).join('\n')
  t.match(all, /Announced to a\./)
  t.match(all, /Not announced to b: rejected by a filter\.\nOn export to b: BGPFilter f rule 1/)
  const one = words([best], { bgp: { advertisements }, peer: 'b' }).join('\n')
  t.match(one, /Announced to nobody\./)
})

t.test('peers that share a reason share a sentence, and only so many are named', async (t) => {
  const advertisements = Array.from({ length: 20 }, (_, index) => ({
    ...{ peer: `p${index}`, advertised: index < 10, filterSteps: [], attributes: null },
    paths: [],
    reason: index < 15 ? 'learned by eBGP' : 'the session is not Established',
  }))
  t.same(words([best], { bgp: { advertisements } }).slice(-3), [
    'Announced to p0, p1, p2, p3, p4, p5, p6, p7 and 2 more.',
    'Not announced to p10, p11, p12, p13, p14: learned by eBGP.',
    'Not announced to p15, p16, p17, p18, p19: the session is not Established.',
  ])
})
