/**
 * Nexthop objects and groups in the real Linux kernel, with net.ipv4.nexthop_compat_mode both ways;
 * `ip` is the judge. Safety scans are off throughout: what is set right, notifications set right.
 */
import t from 'tap'
import { ourRoutes, watchRoutes } from '../network/kernel.ts'
import { cannotBuildNetworks, type Namespace } from '../network/namespaces.ts'
import { waitFor, waitUntil } from '../network/wait.ts'
import { becomes, changes, realNetwork, set, startWriter } from './scene.ts'

t.setTimeout(120_000)
const skip = cannotBuildNetworks

const tor0 = set(1, ['10.0.0.2'])
const both = set(2, ['10.0.0.2', '10.0.1.2'])
const tor0v6 = set(3, ['fd00::2'])
const bothV6 = set(4, ['fd00::2', 'fd00:0:0:1::2'])
const tor1 = set(5, ['10.0.1.2'])
const tor1v6 = set(6, ['fd00:0:0:1::2'])

const four = changes(
  [
    ['10.1.0.0/24', 1],
    ['10.2.0.0/16', 2],
    ['10.3.0.0/16', 2],
  ],
  [tor0, both, tor1],
)
const six = changes(
  [
    ['fd01::/48', 3],
    ['fd02::/48', 4],
  ],
  [tor0v6, bothV6, tor1v6],
)

/** With the compat mode each test runs in. */
async function network(scope: Parameters<typeof realNetwork>[0], compatMode: number) {
  const nodes = await realNetwork(scope)
  await nodes.node.must('sysctl', ['-qw', `net.ipv4.nexthop_compat_mode=${compatMode}`])
  return nodes
}

interface IpNexthop {
  readonly id: number
  readonly protocol?: string
  readonly gateway?: string
  readonly group?: readonly { readonly id: number }[]
}

/** Our objects as `ip` shows them: gateways, and groups by the gateways of their members. */
async function objects(node: Namespace): Promise<string[]> {
  const all = await node.ipJson<IpNexthop>('nexthop', 'show', 'proto', '179')
  const gateways = new Map(all.map(({ id, gateway }) => [id, gateway ?? '?']))
  return all
    .map(
      ({ gateway, group }) =>
        gateway ??
        (group ?? [])
          .map(({ id }) => gateways.get(id))
          .sort()
          .join('+'),
    )
    .sort()
}

interface IpRoute {
  readonly dst: string
  readonly nhid?: number
}

/** Our routes with where their objects lead, whether the kernel tells that or not. */
async function led(node: Namespace): Promise<string[]> {
  const all = await node.ipJson<IpNexthop>('nexthop', 'show')
  const gateways = new Map(all.map(({ id, gateway }) => [id, gateway ?? '?']))
  const text = ({ gateway, group }: IpNexthop) =>
    gateway ??
    (group ?? [])
      .map(({ id }) => gateways.get(id))
      .sort()
      .join('+')
  const ways = new Map(all.map((object) => [object.id, text(object)]))
  const routes: string[] = []
  for (const family of ['-4', '-6']) {
    const shown = await node.ipJson<IpRoute>(family, 'route', 'show', 'proto', '179')
    for (const { dst, nhid } of shown) routes.push(`${dst} ${ways.get(nhid ?? 0) ?? 'plain'}`)
  }
  return routes.sort()
}

/** Waits until all our routes lead so. */
async function leads(node: Namespace, what: string, wanted: readonly string[]): Promise<void> {
  const text = [...wanted].sort().join('\n')
  await waitUntil(
    what,
    () => led(node),
    (seen) => seen.join('\n') === text,
  )
}

const whole = [
  '10.1.0.0/24 10.0.0.2',
  '10.2.0.0/16 10.0.0.2+10.0.1.2',
  '10.3.0.0/16 10.0.0.2+10.0.1.2',
  'fd01::/48 fd00::2',
  'fd02::/48 fd00:0:0:1::2+fd00::2',
]
const survivors = ['10.2.0.0/16 10.0.1.2', '10.3.0.0/16 10.0.1.2', 'fd02::/48 fd00:0:0:1::2']

for (const compatMode of [0, 1]) {
  t.test(`nexthop_compat_mode ${compatMode}`, { skip }, async (t) => {
    t.test('objects are made, shared, and gone with the last route', async (t) => {
      const { node } = await network(t, compatMode)
      const { fib } = await startWriter(t, node)
      fib.change(four)
      fib.change(six)
      fib.blackholes(['10.244.1.0/24'])
      await leads(node, 'all routes', [...whole, '10.244.1.0/24 plain'])
      t.same(await objects(node), [
        '10.0.0.2',
        '10.0.0.2+10.0.1.2',
        '10.0.1.2',
        'fd00:0:0:1::2',
        'fd00:0:0:1::2+fd00::2',
        'fd00::2',
      ])
      t.match(await fib.status(), {
        installed: 6,
        objects: { mode: 'objects', hops: 4, groups: 2 },
      })
      t.same(await fib.difference(), [])
      await fib.withdrawAll()
      t.same(await objects(node), [])
      t.same(await ourRoutes(node), [])
    })

    t.test('a dead next hop leaves every group; what then follows is no message', async (t) => {
      const { node } = await network(t, compatMode)
      const { fib } = await startWriter(t, node)
      fib.change(four)
      fib.change(six)
      await leads(node, 'all routes', whole)
      const monitor = await watchRoutes(node)
      const before = (await fib.status()).counters
      fib.dead?.('10.0.0.2')
      fib.dead?.('fd00::2')
      await leads(node, 'the survivors', survivors)
      await waitUntil(
        'two without a next hop',
        () => fib.status(),
        (status) => status.unresolved === 2,
      )
      fib.change(
        changes([
          ['10.1.0.0/24', 0],
          ['10.2.0.0/16', 5],
          ['10.3.0.0/16', 5],
        ]),
      )
      fib.change(
        changes([
          ['fd01::/48', 0],
          ['fd02::/48', 6],
        ]),
      )
      const after = await waitUntil(
        'all settled',
        () => fib.status(),
        (status) => status.installed === 3 && status.pending === 0,
      )
      t.match(after.counters, {
        added: before.added,
        replaced: before.replaced,
        deleted: before.deleted,
        errors: 0,
      })
      await leads(node, 'the survivors still', survivors)
      t.notMatch(monitor.stdout, /Deleted (10\.[23]|fd02)/)
      await monitor.stop()
      t.same(await fib.difference(), [])
    })

    t.test('a link that fails takes hops out by itself; they come back with it', async (t) => {
      const { node, far } = await network(t, compatMode)
      const { fib } = await startWriter(t, node)
      fib.change(four)
      fib.change(six)
      await leads(node, 'all routes', whole)
      await far.ip('link', 'set', 'e0', 'down')
      await leads(node, 'the survivors', survivors)
      await far.ip('link', 'set', 'e0', 'up')
      await leads(node, 'all of them again', whole)
      await far.ip('link', 'set', 'e1', 'down')
      await far.ip('link', 'set', 'e0', 'down')
      await leads(node, 'nothing', [])
      await far.ip('link', 'set', 'e0', 'up')
      await far.ip('link', 'set', 'e1', 'up')
      await leads(node, 'all of them again', whole)
      await waitUntil(
        'all acknowledged',
        () => fib.status(),
        (status) => status.installed === 5 && status.pending === 0,
      )
      t.same(await fib.difference(), [])
    })

    t.test('a restart takes objects over, and removes what nobody needs', async (t) => {
      const { node } = await network(t, compatMode)
      const first = await startWriter(t, node)
      first.fib.change(four)
      first.fib.change(six)
      await leads(node, 'all routes', whole)
      const ids = await node.ipJson<IpNexthop>('nexthop', 'show')
      await first.fib.close()
      await node.ip(...'nexthop add id 1790009999 via 10.0.1.2 dev e1 proto 179'.split(' '))
      const monitor = await watchRoutes(node)
      const { fib } = await startWriter(t, node)
      t.match(await fib.status(), {
        adopted: 5,
        adoptedFamilies: ['ipv4-unicast', 'ipv6-unicast'],
      })
      fib.change(four)
      fib.change(six)
      fib.synchronised()
      const status = await waitUntil(
        'all acknowledged',
        () => fib.status(),
        (s) => s.installed === 5 && s.pending === 0,
      )
      t.match(status.counters, { added: 0, replaced: 0, deleted: 0 })
      await waitUntil(
        'the stray object to go',
        () => node.ipJson<IpNexthop>('nexthop', 'show'),
        (seen) => seen.length === ids.length,
      )
      t.same(await node.ipJson<IpNexthop>('nexthop', 'show'), ids)
      t.notMatch(monitor.stdout, /(10\.[123]|fd0[12])/, 'no route was touched')
      await monitor.stop()
    })

    t.test('plain routes become routes with objects, and back, without a gap', async (t) => {
      const { node } = await network(t, compatMode)
      const first = await startWriter(t, node, { nexthops: 'Off' })
      first.fib.change(four)
      first.fib.change(six)
      const plain = [
        '10.1.0.0/24 via 10.0.0.2',
        '10.2.0.0/16 via 10.0.0.2, 10.0.1.2',
        '10.3.0.0/16 via 10.0.0.2, 10.0.1.2',
        'fd01::/48 via fd00::2',
        'fd02::/48 via fd00:0:0:1::2, fd00::2',
      ]
      await becomes(node, 'plain routes', plain)
      t.same(await objects(node), [])
      await first.fib.close()
      const monitor = await watchRoutes(node)
      const { fib } = await startWriter(t, node)
      fib.change(four)
      fib.change(six)
      fib.synchronised()
      await leads(node, 'routes with objects', whole)
      const { settings, counters } = await fib.status()
      t.match(counters, { added: 0, replaced: 5, deleted: 0, errors: 0 })
      fib.configure({ ...settings, nexthops: 'Off' })
      await becomes(node, 'plain routes again', plain)
      t.notMatch(monitor.stdout, /Deleted (10\.[123]|fd0[12])/)
      await monitor.stop()
      await waitUntil(
        'the objects to go',
        () => objects(node),
        (seen) => seen.length === 0,
      )
      t.equal((await ourRoutes(node)).length, 5)
    })

    t.test('objects that somebody removes are set right by the event', async (t) => {
      const { node } = await network(t, compatMode)
      const { fib, events } = await startWriter(t, node)
      fib.change(four)
      fib.change(six)
      await leads(node, 'all routes', whole)
      const all = await node.ipJson<IpNexthop>('nexthop', 'show', 'proto', '179')
      for (const { id } of all) {
        // A group may have gone with its member.
        await node.run('ip', ['nexthop', 'del', 'id', String(id)])
      }
      const status = await waitUntil(
        'all of it again',
        () => fib.status(),
        (s) => s.installed === 5 && s.pending === 0 && s.objects?.groups === 2,
      )
      await leads(node, 'all of it again', whole)
      t.equal(status.counters.scans, 1, 'only the one at the start')
      t.ok(events.some((event) => event.kind === 'fib.repaired'))
    })

    t.test('routes of others through objects of theirs resolve', async (t) => {
      const { node } = await network(t, compatMode)
      const { fib, resolutions } = await startWriter(t, node)
      fib.track('192.0.2.1')
      await waitFor('no route', () => resolutions.get('192.0.2.1')?.reason === 'no route')
      await node.ip(...'nexthop add id 7 via 10.0.1.2 dev e1 proto static'.split(' '))
      await node.ip(...'route add 192.0.2.0/24 nhid 7 proto static'.split(' '))
      await waitFor('theirs', () => resolutions.get('192.0.2.1')?.reachable)
      t.match(resolutions.get('192.0.2.1')?.reason, /via 10\.0\.1\.2 at e1/)
      await node.ip(...'nexthop replace id 7 via 10.0.0.2 dev e0 proto static'.split(' '))
      await waitFor('the change', () =>
        /10\.0\.0\.2 at e0/.test(resolutions.get('192.0.2.1')!.reason),
      )
      await node.ip('nexthop', 'del', 'id', '7')
      await waitFor('the loss', () => resolutions.get('192.0.2.1')?.reason === 'no route')
    })
  })
}

t.test('a hundred thousand routes fail over without a route message', { skip }, async (t) => {
  const { node } = await network(t, 0)
  const { fib } = await startWriter(t, node)
  const count = 100_000
  const bulk = (id: number) => ({
    family: 'ipv4-unicast' as const,
    count,
    addresses: Uint32Array.from({ length: count }, (_, row) => 0x1400_0000 + row * 256),
    lengths: new Uint8Array(count).fill(24),
    nextHopSets: new Uint32Array(count).fill(id),
    sets: [both, tor1],
  })
  const settled = () =>
    waitUntil(
      'all of them',
      () => fib.status(),
      (s) => s.installed === count && s.pending === 0,
    )
  fib.change(bulk(2))
  await settled()
  fib.dead?.('10.0.0.2')
  await waitUntil(
    'the failover',
    () => objects(node),
    (seen) => seen.join() === '10.0.1.2,10.0.1.2',
  )
  fib.change(bulk(5))
  t.match((await settled()).counters, { added: count, replaced: 0, deleted: 0, errors: 0 })
  t.same(await fib.difference(), [])
  await fib.withdrawAll()
  t.same(await objects(node), [])
})
