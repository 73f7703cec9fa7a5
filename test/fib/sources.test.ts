/**
 * Preferred source addresses (`src` of `ip route`), other tables, and what routes never carry, against
 * the real kernel with `ip` as the judge.
 */
import t from 'tap'
import type { Namespace } from '../network/namespaces.ts'
import { cannotBuildNetworks } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import { becomes, changes, realNetwork, set, startWriter } from './scene.ts'

t.setTimeout(120_000)
const skip = cannotBuildNetworks

interface IpRoute {
  readonly dst: string
  readonly prefsrc?: string
  readonly metrics?: unknown
}

const sources = { ipv4: '192.0.2.1', ipv6: '2001:db8::1' }
const sets = [
  set(1, ['10.0.0.2', '10.0.1.2']),
  set(2, ['fd00::2', 'fd00:0:0:1::2']),
  set(3, ['10.0.0.2']),
]

/** `10.1.0.0/24 src 192.0.2.1` of both families. */
async function withSources(node: Namespace): Promise<string> {
  const routes: IpRoute[] = []
  for (const family of ['-4', '-6']) {
    routes.push(...(await node.ipJson<IpRoute>(family, 'route', 'show', 'proto', '179')))
  }
  return routes.map(({ dst, prefsrc }) => `${dst} src ${prefsrc ?? 'none'}`).join(', ')
}

function show(node: Namespace, what: string, expected: string): Promise<string> {
  return waitUntil(
    what,
    () => withSources(node),
    (seen) => seen === expected,
  )
}

for (const nexthops of ['Auto', 'Off'] as const) {
  t.test(
    `a preferred source is used while the host has it: objects ${nexthops}`,
    {
      skip,
    },
    async (t) => {
      const { node } = await realNetwork(t)
      const { fib } = await startWriter(t, node, { nexthops, preferredSources: sources })
      fib.change(
        changes(
          [
            ['10.1.0.0/24', 1],
            ['10.2.0.0/24', 3],
          ],
          sets,
        ),
      )
      fib.change(changes([['fd01::/48', 2]], sets))
      fib.blackholes(['10.244.0.0/24'])
      const without =
        '10.1.0.0/24 src none, 10.2.0.0/24 src none, 10.244.0.0/24 src none, fd01::/48 src none'
      await show(node, 'routes without a source that is not there', without)
      t.match((await fib.status()).sources, [
        { address: '192.0.2.1', own: false },
        { address: '2001:db8::1', own: false },
      ])
      await node.address('lo', '192.0.2.1/32')
      await node.address('lo', '2001:db8::1/128')
      await show(
        node,
        'the source in every route but the blackhole',
        '10.1.0.0/24 src 192.0.2.1, 10.2.0.0/24 src 192.0.2.1, 10.244.0.0/24 src none, fd01::/48 src 2001:db8::1',
      )
      t.match((await fib.status()).sources, [{ own: true }, { own: true }])
      t.same(await fib.difference(), [])
      // IPv4 routes go with their source, without a word; IPv6 ones only lose it.
      await node.ip('address', 'del', '192.0.2.1/32', 'dev', 'lo')
      await node.ip('address', 'del', '2001:db8::1/128', 'dev', 'lo')
      await show(node, 'the routes to come back without it', without)
      await waitUntil(
        'no difference',
        () => fib.difference(),
        (seen) => seen.length === 0,
      )
      t.match((await fib.status()).counters, { errors: 0 })
    },
  )
}

t.test('a source taken away by the manifests leaves the routes', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  await node.address('lo', '192.0.2.1/32')
  const { fib } = await startWriter(t, node, { preferredSources: sources })
  fib.change(changes([['10.1.0.0/24', 1]], sets))
  await show(node, 'the source', '10.1.0.0/24 src 192.0.2.1')
  const { settings } = await fib.status()
  fib.configure({ ...settings, preferredSources: { ipv4: null, ipv6: null } })
  await show(node, 'it to go', '10.1.0.0/24 src none')
})

t.test('routes carry no MTU and no MSS: those are the business of links', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  const { fib } = await startWriter(t, node)
  fib.change(changes([['10.1.0.0/24', 1]], sets))
  fib.change(changes([['fd01::/48', 2]], sets))
  await becomes(node, 'the routes', [
    '10.1.0.0/24 via 10.0.0.2, 10.0.1.2',
    'fd01::/48 via fd00:0:0:1::2, fd00::2',
  ])
  for (const family of ['-4', '-6']) {
    const routes = await node.ipJson<IpRoute>(family, '-d', 'route', 'show', 'proto', '179')
    t.equal(routes.length, 1)
    t.same(
      routes.flatMap(({ metrics }) => metrics ?? []),
      [],
    )
  }
})

t.test('another table, as a VRF has one, is written and resolved in', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  const table = 1001
  // A next hop behind a gateway that only this table knows, and one that only main knows.
  await node.ip(...`route add 10.9.0.0/16 via 10.0.1.2 table ${table} proto static`.split(' '))
  await node.ip(...'route add 10.8.0.0/16 via 10.0.0.2 proto static'.split(' '))
  const { fib, events } = await startWriter(t, node, { table, metric: 77 })
  const behind = [set(1, ['10.9.0.9']), set(2, ['10.8.0.8'])]
  fib.change(
    changes(
      [
        ['10.1.0.0/24', 1],
        ['10.2.0.0/24', 2],
      ],
      behind,
    ),
  )
  const inTable = () => node.ip('route', 'show', 'table', String(table), 'proto', '179')
  const text = await waitUntil('both routes', inTable, (seen) => seen.split('\n').length === 3)
  t.match(text, /10\.1\.0\.0\/24 .*via 10\.0\.1\.2 .*metric 77/)
  t.match(text, /10\.2\.0\.0\/24 .*via 10\.0\.0\.2 .*metric 77/)
  await becomes(node, 'nothing of ours in main', [])
  t.same(await fib.difference(), [])
  const leads = async (...from: string[]) =>
    (await node.run('ip', ['route', 'get', '10.1.0.9', ...from])).stdout
  t.notMatch(await leads(), /10\.0\.1\.2/, 'without a rule nobody asks that table')
  await node.ip(...`rule add iif lo lookup ${table} priority 100`.split(' '))
  t.match(await leads(), /via 10\.0\.1\.2 .*table 1001/, 'a policy rule sends packets there')
  await node.ip(...`route del 10.1.0.0/24 table ${table}`.split(' '))
  await waitUntil('the repair', inTable, (seen) => seen.includes('10.1.0.0/24'))
  await waitUntil(
    'it to be told',
    () => events,
    (seen) => seen.some(({ kind }) => kind === 'fib.repaired'),
  )
})
