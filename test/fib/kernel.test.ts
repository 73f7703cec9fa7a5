/**
 * The kernel writer in a worker against the real Linux kernel, in namespaces of its own; `ip` is the
 * judge. Safety scans are off throughout: what is set right, notifications set right.
 */
import t from 'tap'
import { ourRoutes, routesOf, watchRoutes } from '../network/kernel.ts'
import { cannotBuildNetworks } from '../network/namespaces.ts'
import { waitFor, waitUntil } from '../network/wait.ts'
import { becomes, changes, realNetwork, set, startWriter } from './scene.ts'

const skip = cannotBuildNetworks

const tor0 = set(1, ['10.0.0.2'], ['10.0.0.2'])
const both = set(2, ['10.0.0.2', '10.0.1.2'])
const tor0v6 = set(3, ['fd00::2'], ['fd00::2'])
const bothV6 = set(4, ['fd00::2', 'fd00:0:0:1::2'])

t.test('routes, ECMP and blackholes of both families are what ip shows', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  const { fib } = await startWriter(t, node)
  fib.change(
    changes(
      [
        ['10.1.0.0/24', 1],
        ['10.2.0.0/16', 2],
        ['0.0.0.0/0', 1],
      ],
      [tor0, both],
    ),
  )
  fib.change(
    changes(
      [
        ['fd01::/48', 3],
        ['fd02::/48', 4],
        ['::/0', 3],
      ],
      [tor0v6, bothV6],
    ),
  )
  fib.blackholes(['10.244.1.0/24', 'fd44:1::/64'])
  await becomes(node, 'all routes', [
    'default/32 via 10.0.0.2',
    '10.1.0.0/24 via 10.0.0.2',
    '10.2.0.0/16 via 10.0.0.2, 10.0.1.2',
    'blackhole 10.244.1.0/24',
    'default/32 via fd00::2',
    'fd01::/48 via fd00::2',
    'fd02::/48 via fd00:0:0:1::2, fd00::2',
    'blackhole fd44:1::/64',
  ])
  const [route] = await node.ipJson<{ metric: number }>('route', 'show', '10.1.0.0/24')
  t.equal(route?.metric, 2179)
  const status = await waitUntil(
    'all acknowledged',
    () => fib.status(),
    (s) => s.installed === 8,
  )
  t.match(status, { wanted: 8, pending: 0, failed: 0, blackholes: 2, counters: { errors: 0 } })
  t.same(await fib.difference(), [])

  fib.change(
    changes([
      ['10.1.0.0/24', 2],
      ['10.2.0.0/16', 1],
      ['0.0.0.0/0', 0],
    ]),
  )
  fib.change(
    changes([
      ['fd01::/48', 4],
      ['fd02::/48', 3],
      ['::/0', 0],
    ]),
  )
  fib.blackholes(['10.244.1.0/24'])
  await becomes(node, 'the changes', [
    '10.1.0.0/24 via 10.0.0.2, 10.0.1.2',
    '10.2.0.0/16 via 10.0.0.2',
    'blackhole 10.244.1.0/24',
    'fd01::/48 via fd00:0:0:1::2, fd00::2',
    'fd02::/48 via fd00::2',
  ])
  await fib.withdrawAll()
  t.same(await ourRoutes(node), [])
})

t.test(
  'IPv4 routes take IPv6 next hops (RFC 8950), also on a link-local address',
  { skip },
  async (t) => {
    const { node, far } = await realNetwork(t)
    const local = await waitFor('a link-local address at the far end', async () => {
      const order = ['-6', 'address', 'show', 'dev', 'e0', 'scope', 'link']
      const links = await far.ipJson<{ addr_info?: { local?: string }[] }>(...order)
      // `ip` leaves an empty object for each link and address that its filter drops.
      return links.flatMap((link) => link.addr_info ?? []).find((one) => one.local)?.local
    })
    const { fib } = await startWriter(t, node)
    fib.change(
      changes(
        [
          ['10.1.0.0/24', 1],
          ['10.2.0.0/24', 2],
        ],
        [set(1, ['fd00::2']), set(2, [`${local}%e0`])],
      ),
    )
    await becomes(node, 'both', ['10.1.0.0/24 via fd00::2', `10.2.0.0/24 via ${local}`])
  },
)

t.test(
  'a restart adopts what is there, touches nothing, then sweeps the rest',
  { skip },
  async (t) => {
    const { node } = await realNetwork(t)
    const first = await startWriter(t, node)
    first.fib.change(
      changes(
        [
          ['10.1.0.0/24', 1],
          ['10.2.0.0/24', 1],
          ['10.3.0.0/24', 1],
        ],
        [tor0],
      ),
    )
    first.fib.change(
      changes(
        [
          ['fd01::/48', 3],
          ['fd02::/48', 3],
        ],
        [tor0v6],
      ),
    )
    await waitUntil(
      'five routes',
      () => ourRoutes(node),
      (routes) => routes.length === 5,
    )
    await first.fib.close()
    t.equal((await ourRoutes(node)).length, 5, 'they outlive the writer')

    const monitor = await watchRoutes(node)
    const { fib, events } = await startWriter(t, node)
    t.match(await fib.status(), { adopted: 5, stale: 5 })
    // The same set under another number, as after a restart.
    fib.change(
      changes(
        [
          ['10.1.0.0/24', 7],
          ['10.2.0.0/24', 8],
        ],
        [set(7, ['10.0.0.2']), set(8, ['10.0.1.2'])],
      ),
    )
    fib.change(changes([['fd01::/48', 9]], [set(9, ['fd00::2'])]))
    await waitUntil(
      'three wanted',
      () => fib.status(),
      (s) => s.installed === 3,
    )
    t.equal((await ourRoutes(node)).length, 5, 'stale routes stay until synchronised')
    t.notMatch(monitor.stdout, /Deleted (10|fd)/)
    fib.synchronised()
    await becomes(node, 'the sweep', [
      '10.1.0.0/24 via 10.0.0.2',
      '10.2.0.0/24 via 10.0.1.2',
      'fd01::/48 via fd00::2',
    ])
    const status = await fib.status()
    t.match(status.counters, { added: 0, replaced: 1, deleted: 2, swept: 2 })
    t.ok(events.some((event) => event.kind === 'fib.adopted'))
    t.ok(events.some((event) => event.kind === 'fib.swept'))
    t.notMatch(monitor.stdout, /10\.1\.0\.0|fd01/, 'what stayed the same was never touched')
    await monitor.stop()
  },
)

t.test('a route that somebody deletes or changes comes back by the event', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  const { fib, events } = await startWriter(t, node)
  fib.change(
    changes(
      [
        ['10.1.0.0/24', 1],
        ['10.2.0.0/24', 2],
      ],
      [tor0, both],
    ),
  )
  fib.change(changes([['fd01::/48', 4]], [bothV6]))
  fib.blackholes(['10.244.1.0/24'])
  const wanted = [
    '10.1.0.0/24 via 10.0.0.2',
    '10.2.0.0/24 via 10.0.0.2, 10.0.1.2',
    'fd01::/48 via fd00:0:0:1::2, fd00::2',
    'blackhole 10.244.1.0/24',
  ]
  await becomes(node, 'four routes', wanted)
  const table: readonly [what: string, ...order: string[]][] = [
    ['a plain route', 'route', 'del', '10.1.0.0/24'],
    ['an ECMP route', 'route', 'del', '10.2.0.0/24'],
    ['a blackhole', 'route', 'del', 'blackhole', '10.244.1.0/24'],
    ['one leg of an IPv6 ECMP route', '-6', 'route', 'del', 'fd01::/48', 'via', 'fd00::2'],
  ]
  for (const [what, ...order] of table) {
    await node.ip(...order)
    await becomes(node, `${what} to come back`, wanted)
  }
  const before = (await fib.status()).counters.replaced
  await node.ip(...'route replace 10.1.0.0/24 via 10.0.1.2 metric 2179 proto 179'.split(' '))
  await becomes(node, 'a changed route to be set right', wanted)
  const status = await waitUntil(
    'calm',
    () => fib.status(),
    (s) => s.pending === 0,
  )
  t.equal(status.counters.repairs, 5)
  t.ok(status.counters.replaced > before)
  t.equal(status.counters.scans, 1, 'only the one at the start')
  t.match(events.filter((event) => event.kind === 'fib.repaired').length, 5)
})

t.test(
  'routes of others are left alone; a key they hold is a conflict until it is free',
  async (t) => {
    const { node } = await realNetwork(t)
    const foreign = 'route add 10.1.0.0/24 via 10.0.1.2 proto static'.split(' ')
    await node.ip(...foreign, 'metric', '2179')
    await node.ip(...foreign, 'metric', '50')
    await node.ip('-6', ...'route add fd01::/48 via fd00::2 proto static metric 2179'.split(' '))
    const { fib, events } = await startWriter(t, node)
    fib.change(
      changes(
        [
          ['10.1.0.0/24', 1],
          ['10.2.0.0/24', 1],
        ],
        [tor0],
      ),
    )
    fib.change(changes([['fd01::/48', 4]], [bothV6]))
    const status = await waitUntil(
      'the conflicts',
      () => fib.status(),
      (s) => s.conflicts === 2,
    )
    t.match(status, { installed: 1, failed: 0, counters: { errors: 0 } })
    t.match(await fib.lookup('10.1.0.0/24'), {
      wanted: { status: 'conflict', reason: /static \(4\)/ },
      kernel: [
        { metric: 50, ours: false },
        { metric: 2179, ours: false },
      ],
    })
    t.equal(events.filter((event) => event.kind === 'fib.conflict').length, 2)
    t.match(await fib.difference(), [{ prefix: '10.1.0.0/24', problem: 'conflict' }, {}])

    await node.ip('route', 'del', '10.1.0.0/24', 'metric', '2179')
    await becomes(node, 'the freed key', ['10.1.0.0/24 via 10.0.0.2', '10.2.0.0/24 via 10.0.0.2'])
    t.same(await routesOf(node, '-4', 'static'), ['10.1.0.0/24 via 10.0.1.2'])

    await node.ip(...'route replace 10.2.0.0/24 via 10.0.1.2 metric 2179 proto static'.split(' '))
    await waitUntil(
      'the overwritten one',
      () => fib.status(),
      (s) => s.conflicts === 2,
    )
    fib.change(
      changes([
        ['10.1.0.0/24', 0],
        ['10.2.0.0/24', 0],
      ]),
    )
    await becomes(node, 'ours to be gone', [])
    t.same(await routesOf(node, '-4', 'static'), [
      '10.1.0.0/24 via 10.0.1.2',
      '10.2.0.0/24 via 10.0.1.2',
    ])
  },
)

t.test('another table, metric or protocol moves routes without a gap', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  const { fib } = await startWriter(t, node)
  fib.change(changes([['10.1.0.0/24', 1]], [tor0]))
  fib.change(changes([['fd01::/48', 3]], [tor0v6]))
  fib.blackholes(['10.244.1.0/24'])
  await waitUntil(
    'three',
    () => fib.status(),
    (s) => s.installed === 3,
  )
  const base = (await fib.status()).settings
  const monitor = await watchRoutes(node)
  fib.configure({ ...base, metric: 77 })
  await waitUntil(
    'the other metric',
    () => node.ipJson<{ metric: number }>('route', 'show', 'proto', '179'),
    (routes) => routes.length === 2 && routes.every((route) => route.metric === 77),
  )
  const lines = monitor.stdout.split('\n').filter((line) => line.includes('10.1.0.0/24'))
  t.match(lines, [/^10.*metric 77/, /^Deleted 10.*metric 2179/])
  fib.configure({ ...base, metric: 77, protocol: 200 })
  await waitUntil(
    'the other protocol',
    () => routesOf(node, '-4', '200'),
    (r) => r.length === 2,
  )
  t.same(await ourRoutes(node), [])
  fib.configure({ ...base, table: 1000 })
  await waitUntil(
    'the other table',
    () => node.ipJson('route', 'show', 'table', '1000'),
    (routes) => routes.length === 2,
  )
  await waitUntil(
    'nothing in main',
    () => routesOf(node, '-4', '200'),
    (r) => r.length === 0,
  )
  fib.configure({ ...base, table: 1000, install: 'None' })
  await waitUntil(
    'nothing anywhere',
    () => fib.status(),
    (s) => s.installed === 0,
  )
  t.same(await node.ipJson('route', 'show', 'table', '1000'), [])
  t.match(await fib.lookup('10.1.0.0/24'), { wanted: { reason: /None/ } })
  await monitor.stop()
})

t.test('a hundred thousand routes go in, are adopted, and go out', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  const count = 100_000
  const first = await startWriter(t, node)
  const addresses = Uint32Array.from({ length: count }, (_, row) => 0x1400_0000 + row * 256)
  const bulk = (id: number) => ({
    family: 'ipv4-unicast' as const,
    count,
    addresses,
    lengths: new Uint8Array(count).fill(24),
    nextHopSets: new Uint32Array(count).fill(id),
    sets: [tor0],
  })
  first.fib.change(bulk(1))
  await waitUntil(
    'all of them',
    () => first.fib.status(),
    (s) => s.installed === count,
  )
  const [summary] = (await node.must('sh', ['-c', 'ip route show proto 179 | wc -l'])).split('\n')
  t.equal(Number(summary), count)
  await first.fib.close()
  const second = await startWriter(t, node)
  t.match(await second.fib.status(), { adopted: count, stale: count })
  second.fib.change(bulk(1))
  const status = await waitUntil(
    'taken over',
    () => second.fib.status(),
    (s) => s.installed === count,
  )
  t.match(status.counters, { added: 0, replaced: 0, deleted: 0 })
  await second.fib.withdrawAll()
  t.same(await ourRoutes(node), [])
})
