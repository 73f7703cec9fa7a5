/**
 * The lab on paper: addresses and names are unique, links meet their interfaces, and the
 * configurations of BIRD and FRR name every neighbour.
 */
import t from 'tap'
import { LabError, readLabOptions, type TopologyOptions } from '../../src/lab/options.ts'
import { addressOf, expectedRoutes, type Plan, planTopology } from '../../src/lab/topology.ts'
import { birdConfiguration } from '../../src/lab/tor-bird.ts'
import { frrBgpConfiguration } from '../../src/lab/tor-frr.ts'

const variants: readonly [caption: string, options: TopologyOptions][] = [
  ['tor', { topology: 'tor', nodes: 4, dual: false, sameAs: false }],
  ['tor, odd number of nodes', { topology: 'tor', nodes: 5, dual: false, sameAs: false }],
  ['tor, dual', { topology: 'tor', nodes: 4, dual: true, sameAs: false }],
  ['tor, one AS', { topology: 'tor', nodes: 4, dual: false, sameAs: true }],
  ['tor, dual, as large as it gets', { topology: 'tor', nodes: 12, dual: true, sameAs: true }],
  ['mesh', { topology: 'mesh', nodes: 4, dual: false, sameAs: false }],
  ['reflector', { topology: 'reflector', nodes: 12, dual: false, sameAs: false }],
]

const interfaces = (plan: Plan) =>
  plan.namespaces.flatMap((namespace) =>
    namespace.interfaces.map((face) => ({ ...face, namespace: namespace.name })),
  )

for (const [caption, options] of variants) {
  const plan = planTopology(options)

  t.test(`${caption}: no global address occurs twice`, async (t) => {
    const addresses = interfaces(plan)
      .flatMap((face) => face.addresses)
      .filter(({ scope }) => scope === 'global')
      .map(({ prefix }) => addressOf(prefix))
    t.equal(new Set(addresses).size, addresses.length)
  })

  t.test(`${caption}: every veth end has a link and every link its interfaces`, async (t) => {
    const planned = interfaces(plan)
      .filter(({ kind }) => kind === 'veth')
      .map((face) => `${face.namespace} ${face.name}`)
    const linked = plan.links.flatMap(({ ends }) =>
      ends.map((end) => `${end.namespace} ${end.interface}`),
    )
    t.same(planned.sort(), linked.sort())
    t.ok(
      interfaces(plan).every(({ name }) => name.length < 16),
      'names fit IFNAMSIZ',
    )
  })

  t.test(`${caption}: neighbours are addresses of those who bear their name`, async (t) => {
    for (const neighbour of plan.switches.flatMap((device) => device.neighbours)) {
      const own = interfaces(plan)
        .filter(({ namespace }) => namespace === neighbour.name)
        .flatMap(({ addresses }) => addresses.map(({ prefix }) => addressOf(prefix)))
      t.ok(own.includes(neighbour.address.ipv4), neighbour.address.ipv4)
      t.ok(own.includes(neighbour.address.ipv6), neighbour.address.ipv6)
    }
  })

  t.test(`${caption}: BIRD and FRR are given every neighbour in both families`, async (t) => {
    for (const device of plan.switches) {
      const bird = birdConfiguration(device)
      const frr = frrBgpConfiguration(device)
      for (const { address, asn } of device.neighbours) {
        for (const text of [address.ipv4, address.ipv6]) {
          t.match(bird, `neighbor ${text} as ${asn};`)
          t.match(frr, ` neighbor ${text} remote-as ${asn}\n`)
          t.match(frr, `  neighbor ${text} activate\n`)
        }
      }
    }
  })

  t.test(`${caption}: a node expects the pods of all others and both switches`, async (t) => {
    const [node] = plan.nodes
    const expected = expectedRoutes(plan, node!)
    t.equal(expected.length, 2 * (options.nodes - 1) + 4)
    t.notOk(expected.some(({ prefix }) => prefix === node!.podCidr.ipv4))
    const paths = expected.find(({ prefix }) => prefix === '10.244.2.0/24')?.paths
    t.equal(paths, options.dual ? 2 : 1)
  })
}

t.test('nodes alternate between the racks', async (t) => {
  const { nodes, switches } = planTopology(variants[0]![1])
  t.same(
    nodes.map(({ name, rack }) => [name, rack]),
    [
      ['n1', 1],
      ['n2', 2],
      ['n3', 1],
      ['n4', 2],
    ],
  )
  t.same(
    switches.map(({ neighbours }) => neighbours.map(({ name }) => name)),
    [
      ['tor2', 'n1', 'n3'],
      ['tor1', 'n2', 'n4'],
    ],
  )
})

t.test('the configuration of a switch that runs BIRD is stable', async (t) => {
  const [device] = planTopology({ ...variants[0]![1], nodes: 2 }).switches
  t.equal(
    birdConfiguration(device!),
    `# tor1, made by routelet lab
log stderr all;
router id 10.250.0.1;
graceful restart wait 60;

protocol device {}
protocol direct loopback {
  ipv4;
  ipv6;
  interface "lo";
}
protocol kernel kernel4 {
  merge paths on;
  persist;
  graceful restart;
  ipv4 { import none; export where source = RTS_BGP; };
}
protocol kernel kernel6 {
  merge paths on;
  persist;
  graceful restart;
  ipv6 { import none; export where source = RTS_BGP; };
}
template bgp neighbour {
  local as 65101;
  direct;
  connect delay time 1;
  connect retry time 2;
  error wait time 1, 4;
  graceful restart on;
}
protocol bgp tor2_v4 from neighbour {
  neighbor 10.240.255.2 as 65102;
  ipv4 { import all; export where source ~ [ RTS_BGP, RTS_DEVICE ]; };
}
protocol bgp tor2_v6 from neighbour {
  neighbor fd42:240:255::2 as 65102;
  ipv6 { import all; export where source ~ [ RTS_BGP, RTS_DEVICE ]; };
}
protocol bgp n1_v4 from neighbour {
  neighbor 10.240.1.11 as 64601;
  ipv4 { import all; export where source ~ [ RTS_BGP, RTS_DEVICE ]; };
}
protocol bgp n1_v6 from neighbour {
  neighbor fd42:240:1::11 as 64601;
  ipv6 { import all; export where source ~ [ RTS_BGP, RTS_DEVICE ]; };
}
`,
  )
})

t.test('options have defaults, and every impossible one is named', async (t) => {
  t.same(readLabOptions({}), {
    once: false,
    software: null,
    topology: { topology: 'tor', nodes: 4, dual: false, sameAs: false },
  })
  t.same(readLabOptions({ nodes: '6', tor: 'frr', once: true }).topology.nodes, 6)
  const refusals: [Parameters<typeof readLabOptions>[0], RegExp][] = [
    [{ nodes: 1 }, /^--nodes 1: expected a whole number from 2 to 12$/],
    [{ nodes: 'many' }, /^--nodes many: /],
    [{ topology: 'ring' }, /^--topology ring: expected one of tor, mesh, reflector$/],
    [{ tor: 'cisco', nodes: 0 }, /^--tor cisco: .*\n--nodes 0: /],
    [{ topology: 'mesh', dual: true }, /^--dual goes with --topology tor/],
    [{ topology: 'reflector', sameAs: true }, /^--same-as goes with --topology tor/],
  ]
  for (const [given, message] of refusals) {
    t.throws(() => readLabOptions(given), { name: 'LabError', message, exitCode: 2 })
    t.throws(() => readLabOptions(given), LabError)
  }
})
