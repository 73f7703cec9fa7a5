/**
 * `routelet cleanup` against the real kernel: what an agent left goes, everything around it stays.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import t from 'tap'
import { changes, realNetwork, set, startWriter } from '../fib/scene.ts'
import { command } from '../network/agent.ts'
import { ourRoutes } from '../network/kernel.ts'
import { cannotBuildNetworks, type Finished, type Namespace } from '../network/namespaces.ts'
import { waitFor } from '../network/wait.ts'

t.setTimeout(120_000)
const skip = cannotBuildNetworks

/** Nobody listens there. */
const noAgent = ['--api', '127.0.0.1:1']

function cleanup(node: Namespace, ...args: readonly string[]): Promise<Finished> {
  return node.run(process.execPath, [command, 'cleanup', ...noAgent, ...args])
}

/** What is in the kernel but for our routes in main: everything that has to stay. */
async function surroundings(node: Namespace): Promise<string[]> {
  const all: string[] = []
  for (const family of ['-4', '-6']) {
    const text = await node.ip(family, 'route', 'show', 'table', 'all')
    all.push(...text.split('\n'))
  }
  for (const family of ['-4', '-6']) all.push(...(await node.ip(family, 'rule')).split('\n'))
  all.push(...(await node.ip('nexthop', 'show')).split('\n'))
  return all.map((line) => line.trim()).filter((line) => line !== '')
}

/** Lines of `before` that are gone, and lines that are new. */
function difference(before: readonly string[], after: readonly string[]) {
  return {
    gone: before.filter((line) => !after.includes(line)),
    made: after.filter((line) => !before.includes(line)),
  }
}

async function litter(node: Namespace): Promise<void> {
  const lines = [
    // Others, each alike in all but one respect.
    'route add 10.1.0.0/24 via 10.0.0.2 proto static metric 2179',
    'route add 10.2.0.0/24 via 10.0.0.2 proto 179 metric 50',
    'route add 10.3.0.0/24 via 10.0.0.2 proto 179 metric 2179 table 100',
    'route add blackhole 10.4.0.0/24 proto bird metric 2179',
    'nexthop add id 7 via 10.0.0.2 dev e0 proto 179',
    'nexthop add id 1790000900 via 10.0.0.2 dev e0 proto static',
    'route add 10.5.0.0/24 nhid 7 proto static',
    '-6 route add fd05::/64 via fd00::2 proto static metric 2179',
    '-6 route add fd06::/64 via fd00::2 proto 179 metric 1024',
    'rule add to 10.96.0.0/16 blackhole pref 21791 protocol static',
    'rule add to 10.96.0.0/16 blackhole pref 100 protocol 179',
  ]
  for (const line of lines) await node.ip(...line.split(' '))
}

t.test('what an agent left goes, and nothing else, once and again', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  await litter(node)
  const before = await surroundings(node)
  const { fib } = await startWriter(t, node)
  const sets = [set(1, ['10.0.0.2', '10.0.1.2']), set(2, ['fd00::2', 'fd00:0:0:1::2'])]
  const rows = Array.from({ length: 3000 }, (_, i) => [`20.${i >> 8}.${i & 255}.0/24`, 1] as const)
  fib.change(changes(rows, sets))
  fib.change(changes([['fd20::/48', 2]], sets))
  fib.blackholes(['10.244.0.0/24', 'fd44::/64'])
  fib.guard({ prefixes: ['10.96.0.0/16', 'fd96::/108'], action: 'drop' })
  await waitFor('the routes', async () => {
    const { installed, rules } = await fib.status()
    return installed === 3003 && rules?.installed === 4
  })
  await fib.close()

  const dry = await cleanup(node, '--dry-run')
  t.match(dry, { code: 0, stdout: /^3003 routes would be removed\n {2}\S+ table 254\n/ })
  t.match(dry.stdout, /\n6 nexthop objects would be removed\n {2}1791\d+ \(group\)\n/)
  t.equal((await ourRoutes(node)).length, 3003 + 2, 'a dry run touches nothing')

  const done = await cleanup(node)
  const removed = '3003 routes removed\n6 nexthop objects removed\n4 policy rules removed\n'
  t.match(done, { code: 0, stdout: removed })
  t.same(difference(before, await surroundings(node)), { gone: [], made: [] })
  const again = await cleanup(node, '-o', 'json')
  t.equal(again.code, 0)
  t.match(JSON.parse(again.stdout), {
    dryRun: false,
    kinds: [
      { name: 'route', removed: 0, refusals: [] },
      { name: 'nexthop object', removed: 0, refusals: [] },
      { name: 'policy rule', removed: 0, refusals: [] },
      { name: 'CNI configuration', removed: 0, refusals: [] },
    ],
  })
  t.same(difference(before, await surroundings(node)), { gone: [], made: [] })
})

t.test('of CNI configurations only ours goes', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  const folder = t.testdir({ 'net.d': { '10-calico.conflist': '{"name": "calico"}' } })
  const place = path.join(folder, 'net.d')
  const file = path.join(place, '10-routelet.conflist')
  const clean = () => cleanup(node, '--cni-conf-dir', place)
  writeFileSync(file, '{"name": "routelet", "plugins": []}')
  t.match(await clean(), {
    code: 0,
    stdout: /0 CNI configurations removed\n1 .* kept\n .*isn't ours/,
  })
  writeFileSync(file, '{"name": "routelet", "routelet.io/node": "n1", "plugins": []}')
  t.match(await clean(), { code: 0, stdout: /1 CNI configuration removed\n$/ })
  t.same(readdirSync(place), ['10-calico.conflist'])
})

t.test('other tables and metrics are cleaned when they are named', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  await litter(node)
  t.match(await cleanup(node, '--table', '100'), { stdout: /^1 route removed\n/ })
  t.match(await cleanup(node, '--metric', '50'), { stdout: /^1 route removed\n/ })
  t.match(await cleanup(node, '--metric', '1024'), { stdout: /^1 route removed\n/ })
  t.same(await ourRoutes(node), [])
})

t.test('an object of ours that a route of others names is kept', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  for (const line of [
    'nexthop add id 1790000000 via 10.0.0.2 dev e0 proto 179',
    'nexthop add id 1790000001 via 10.0.1.2 dev e1 proto 179',
    'nexthop add id 1790000002 via 10.0.1.3 dev e1 proto 179',
    'nexthop add id 1791000000 group 1790000000/1790000001 proto 179',
    'route add 10.5.0.0/24 nhid 1791000000 proto static',
    'route add 10.6.0.0/24 nhid 1791000000 proto 179 metric 2179',
  ]) {
    await node.ip(...line.split(' '))
  }
  const { code, stdout } = await cleanup(node)
  t.equal(code, 0)
  t.match(stdout, /^1 route removed\n1 nexthop object removed\n3 nexthop objects kept\n/)
  t.match(stdout, /1791000000: another route names it\n/)
  t.match(stdout, /1790000001: a group that stays holds it\n/)
  t.match(await node.ip('route', 'show', 'proto', 'static'), /^10\.5\.0\.0\/24 nhid 1791000000/)
})

t.test('beside an agent it refuses, unless it is forced', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  await litter(node)
  const server = createServer((socket) => socket.end())
  const socket = `${node.files}.agent.sock`
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  t.teardown(() => server.close())
  const beside = (...args: readonly string[]) =>
    node.run(process.execPath, [command, 'cleanup', '--api', `unix:${socket}`, ...args])
  t.match(await beside('--table', '100'), {
    code: 1,
    stderr: /an agent answers at unix:.*would put back.*\n {2}stop it first/,
  })
  t.match(await beside('--table', '100', '--dry-run'), { code: 0, stdout: /^1 route would/ })
  t.match(await beside('--table', '100', '--force'), { code: 0, stdout: /^1 route removed/ })
})

t.test('without the privilege it says which one it needs', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  await litter(node)
  const args = ['--user', process.execPath, command, 'cleanup', ...noAgent, '--table', '100']
  const { code, stderr } = await node.run('unshare', args)
  t.equal(code, 1)
  t.match(stderr, /removing what is left in the kernel: EPERM \(it needs CAP_NET_ADMIN/)
  t.equal((await ourRoutes(node)).length, 2)
})

t.test('the host is judged from where the command runs', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  await node.ip(
    'route',
    'add',
    'default',
    'nexthop',
    'via',
    '10.0.0.2',
    'nexthop',
    'via',
    '10.0.1.2',
  )
  await node.must('sysctl', ['-qw', 'net.ipv4.ip_forward=0', 'net.ipv4.conf.e0.rp_filter=1'])
  const check = () => node.run(process.execPath, [command, 'check', '--host'])
  const bad = await check()
  t.equal(bad.code, 2)
  t.match(bad.stdout, /error: host: net\.ipv4\.ip_forward is 0, wanted is 1: /)
  t.match(bad.stdout, /sysctl -w net\.ipv4\.ip_forward=1/)
  await node.must('sysctl', ['-qw', 'net.ipv4.ip_forward=1'])
  const better = await check()
  t.equal(better.code, 0)
  t.notMatch(better.stdout, /ip_forward/)
})
