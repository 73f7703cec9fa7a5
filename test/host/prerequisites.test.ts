/** What the host must be set to: each setting judged, named with its remedy, and set where allowed. */
import t from 'tap'
import type { FibStatus } from '../../fib/types.ts'
import { EventLog } from '../../src/event-log.ts'
import { type HostUse, judgeHost } from '../../src/host/prerequisites.ts'
import { dotted, type Sysctls } from '../../src/host/sysctl.ts'
import { HostWatch, hostCheckSeconds } from '../../src/host/watch.ts'
import type { Intent } from '../../src/intent/types.ts'
import { fibStatus } from '../api/fake-views.ts'
import { FakeClock } from '../bgp/clock.ts'
import { configuration, intentOf, node } from '../intent/texts.ts'

/** A host on which all is well. */
const well: Readonly<Record<string, number>> = {
  'net/ipv4/ip_forward': 1,
  'net/ipv6/conf/all/forwarding': 1,
  'net/ipv4/conf/all/rp_filter': 0,
  'net/ipv4/conf/eth0/rp_filter': 0,
  'net/ipv4/conf/eth1/rp_filter': 0,
  'net/ipv6/conf/eth0/accept_ra': 2,
  'net/ipv6/conf/eth1/accept_ra': 0,
  'net/ipv4/fib_multipath_hash_policy': 1,
  'net/ipv6/fib_multipath_hash_policy': 1,
  'net/ipv4/neigh/default/gc_thresh3': 4096,
  'net/ipv6/neigh/default/gc_thresh3': 4096,
  'net/ipv4/nexthop_compat_mode': 0,
}

const use: HostUse = {
  ipv4: true,
  ipv6: true,
  uplinks: ['eth0', 'eth1'],
  maxPaths: 16,
  nodeCount: 2000,
  objectRoutes: 500_000,
}

function hostWith(changes: Readonly<Record<string, number | null>>): {
  readonly sysctls: Sysctls
  readonly values: Map<string, number | null>
} {
  const values = new Map<string, number | null>(Object.entries({ ...well, ...changes }))
  const sysctls: Sysctls = {
    read: (name) => values.get(name) ?? null,
    write: (name, value) => void values.set(name, value),
  }
  return { sysctls, values }
}

t.test('each setting that differs is a condition with its remedy', async (t) => {
  t.same(judgeHost(hostWith({}).sysctls, use), [], 'all is well')
  for (const [name, present, wanted, reason, severity] of [
    ['net/ipv4/ip_forward', 0, 1, 'ForwardingOff', 'error'],
    ['net/ipv6/conf/all/forwarding', 0, 1, 'ForwardingOff', 'error'],
    ['net/ipv4/conf/eth1/rp_filter', 1, 2, 'ReversePathFilter', 'warning'],
    ['net/ipv6/conf/eth0/accept_ra', 1, 2, 'RouterAdvertisementsLost', 'info'],
    ['net/ipv4/fib_multipath_hash_policy', 0, 1, 'MultipathHash', 'info'],
    ['net/ipv6/fib_multipath_hash_policy', 0, 1, 'MultipathHash', 'info'],
    ['net/ipv4/neigh/default/gc_thresh3', 1024, 4096, 'NeighbourTableSmall', 'warning'],
    ['net/ipv6/neigh/default/gc_thresh3', 1024, 4096, 'NeighbourTableSmall', 'warning'],
    ['net/ipv4/nexthop_compat_mode', 1, 0, 'NexthopCompatMode', 'info'],
  ] as const) {
    const [found, ...others] = judgeHost(hostWith({ [name]: present }).sysctls, use)
    t.same(others, [], name)
    t.match(found, { name, present, wanted, problem: { reason, severity, subject: 'host' } })
    t.ok(found?.problem.message.startsWith(`${dotted(name)} is ${present}, wanted is ${wanted}: `))
    t.ok(found?.problem.remedy?.startsWith(`sysctl -w ${dotted(name)}=${wanted}`))
  }
})

t.test('what does not matter in this use of the host is not asked for', async (t) => {
  const bad = hostWith(Object.fromEntries(Object.keys(well).map((name) => [name, 0])))
  bad.values.set('net/ipv4/nexthop_compat_mode', 1)
  bad.values.set('net/ipv4/conf/all/rp_filter', 1)
  bad.values.set('net/ipv6/conf/eth0/accept_ra', 1)
  const names = (changes: Partial<HostUse>) =>
    judgeHost(bad.sysctls, { ...use, nodeCount: 0, ...changes }).map(({ name }) => name)
  t.notOk(
    names({ ipv6: false }).some((name) => name.startsWith('net/ipv6')),
    'no IPv6',
  )
  t.notOk(names({ ipv4: false, objectRoutes: 0 }).some((name) => name.startsWith('net/ipv4')))
  t.notOk(
    names({ uplinks: ['eth0'] }).some((name) => /rp_filter|hash/.test(name)),
    'one uplink',
  )
  t.notOk(
    names({ maxPaths: 1 }).some((name) => /hash/.test(name)),
    'no ECMP',
  )
  t.notOk(
    names({ objectRoutes: 100 }).some((name) => /compat/.test(name)),
    'few routes',
  )
})

t.test(
  'a setting this kernel lacks is no fault, and `all` may make an interface strict',
  async (t) => {
    const lacking = Object.fromEntries(Object.keys(well).map((name) => [name, null]))
    t.same(judgeHost(hostWith(lacking).sysctls, use), [])
    const strict = hostWith({ 'net/ipv4/conf/all/rp_filter': 1 })
    t.same(
      judgeHost(strict.sysctls, use).map(({ name }) => name),
      ['net/ipv4/conf/eth0/rp_filter', 'net/ipv4/conf/eth1/rp_filter'],
    )
    const loose = hostWith({
      'net/ipv4/conf/all/rp_filter': 2,
      'net/ipv4/conf/eth0/rp_filter': 1,
    })
    t.same(judgeHost(loose.sysctls, use), [], 'loose on all beats strict on one')
  },
)

t.test('accept_ra is set before forwarding, which would lose the default route', async (t) => {
  const host = hostWith({
    'net/ipv6/conf/eth0/accept_ra': 1,
    'net/ipv6/conf/all/forwarding': 0,
  })
  t.same(
    judgeHost(host.sysctls, use).map(({ name }) => name),
    ['net/ipv6/conf/eth0/accept_ra', 'net/ipv6/conf/all/forwarding'],
  )
})

t.test('a name is dotted as sysctl takes it, a VLAN with its slash', async (t) => {
  t.equal(dotted('net/ipv4/conf/eth0.100/rp_filter'), 'net.ipv4.conf.eth0/100.rp_filter')
})

const dual: FibStatus = {
  ...fibStatus,
  nextHops: ['eth0', 'eth1'].map((name, index) => ({
    nextHop: `10.0.${index}.254`,
    reachable: true,
    metric: 0,
    onLink: true,
    gateways: [{ interface: name, gateway: `10.0.${index}.254` }],
    reason: `on link at ${name}`,
  })),
}

function watch(intent: Intent | null, sysctls: Sysctls, status: FibStatus = dual) {
  const clock = new FakeClock()
  const events = new EventLog(clock)
  const parts = { sysctls, clock, events, intent: () => intent, status: async () => status }
  const host = new HostWatch(parts)
  const texts = () => events.after(0, 100).map(({ text }) => text)
  return { host, clock, texts }
}

t.test('by default the host is only judged, told once, and judged again', async (t) => {
  const { sysctls, values } = hostWith({ 'net/ipv4/ip_forward': 0 })
  const { host, clock, texts } = watch(intentOf(node), sysctls)
  t.teardown(() => host.close())
  await host.start()
  t.match(host.problems, [{ reason: 'ForwardingOff' }])
  await host.look()
  t.equal(texts().length, 1)
  t.match(texts()[0], /host: net\.ipv4\.ip_forward is 0.*sysctl -w net\.ipv4\.ip_forward=1/)
  t.equal(values.get('net/ipv4/ip_forward'), 0, 'untouched')
  values.set('net/ipv4/ip_forward', 1)
  clock.advance(hostCheckSeconds * 1000)
  await new Promise((resolve) => setImmediate(resolve))
  t.same(host.problems, [], 'it goes with its cause')
})

t.test('where the manifests allow it, settings are set, and what fails says so', async (t) => {
  const intent = intentOf(node + configuration('{fib: {sysctls: Set}}'))
  const { sysctls, values } = hostWith({
    'net/ipv4/ip_forward': 0,
    'net/ipv4/fib_multipath_hash_policy': 0,
  })
  const readOnly = 'net/ipv4/fib_multipath_hash_policy'
  const write = (name: string, value: number) => {
    if (name === readOnly) throw new Error(`${dotted(name)} can't be set to ${value}: EROFS`)
    sysctls.write(name, value)
  }
  const { host, texts } = watch(intent, { ...sysctls, write })
  t.teardown(() => host.close())
  await host.start()
  t.equal(values.get('net/ipv4/ip_forward'), 1)
  t.match(host.problems, [{ reason: 'MultipathHash', severity: 'error', message: /EROFS/ }])
  t.match(texts()[0], 'net.ipv4.ip_forward was 0; set to 1 (fib.sysctls: Set)')
})

t.test('without a node or a kernel to write, nothing is asked of the host', async (t) => {
  const { sysctls } = hostWith({ 'net/ipv4/ip_forward': 0 })
  for (const { host } of [
    watch(null, sysctls),
    watch(intentOf(node), sysctls, { ...dual, mode: 'none' }),
  ]) {
    await host.look()
    t.same(host.problems, [])
  }
})
