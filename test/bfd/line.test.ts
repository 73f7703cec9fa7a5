/**
 * BFD tells the kernel writer by a line of its own: a dead next hop is left though the main thread
 * doesn't move. That thread is blocked for real: by a shell that watches the kernel meanwhile.
 */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { becomes, changes, realNetwork, set, startWriter } from '../fib/scene.ts'
import { cannotBuildNetworks } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import { startBfd, timers } from './scene.ts'

t.setTimeout(120_000)
const skip = cannotBuildNetworks

/** Silences one remote, then waits for the route to leave it; prints what it saw last. */
const watchKernel = `
nft add table inet silence
nft add chain inet silence input '{ type filter hook input priority 0; }'
nft add rule inet silence input iifname e0 udp dport 3784 drop
for try in $(seq 400); do
  hops=$(ip nexthop show proto 179 | grep -c via)
  members=$(ip nexthop show proto 179 | grep -c group)
  # Looked at last: it says where the route leads when one hop is left, or when time is up.
  seen=$(ip route get 10.200.0.1 | head -n1)
  [ "$hops" = 1 ] && break
  sleep 0.05
done
echo "$hops $members $seen"
`

t.test('a dead next hop is left while the main thread is blocked', { skip }, async (t) => {
  const { node, far } = await realNetwork(t)
  const { fib } = await startWriter(t, node)
  const bfd = await startBfd(t, node, { line: () => fib.line() })
  const remote = await startBfd(t, far)
  const session = (cable: number, end: number) => ({
    name: `tor${cable}`,
    ...timers,
    transmitMs: 50,
    receiveMs: 50,
    remoteAddress: `10.0.${cable}.${end}`,
  })
  remote.want([session(0, 1), session(1, 1)])
  bfd.want([session(0, 2), session(1, 2)])
  t.equal(bfd.bfd.reportsHops, true)
  fib.change(changes([['10.200.0.0/16', 1]], [set(1, ['10.0.0.2', '10.0.1.2'])]))
  await becomes(node, 'both ways', ['10.200.0.0/16 via 10.0.0.2, 10.0.1.2'])
  await bfd.state('tor0', 'Up')
  await bfd.state('tor1', 'Up')

  const heard = bfd.failures('tor0')
  const shell = spawnSync('ip', ['netns', 'exec', node.name, 'bash', '-c', watchKernel], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  t.equal(bfd.failures('tor0'), heard, 'the main thread has heard nothing yet')
  t.match(shell.stdout, /^1 \d+ 10\.200\.0\.1 via 10\.0\.1\.2 dev e1/, shell.stderr)
  await becomes(node, 'the other way alone', ['10.200.0.0/16 via 10.0.1.2'])

  await node.must('nft', ['delete', 'table', 'inet', 'silence'])
  await bfd.state('tor0', 'Up')
  await waitUntil(
    'both ways again',
    () => fib.nexthops(),
    (seen) => seen.filter(({ kind }) => kind === 'hop').length === 2,
  )
  await becomes(node, 'both ways again', ['10.200.0.0/16 via 10.0.0.2, 10.0.1.2'])
})

t.test('without a writer to tell, whoever listens tells it', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  const bfd = await startBfd(t, node, { line: () => null })
  bfd.want([{ name: 'tor', ...timers, remoteAddress: '10.0.0.2' }])
  t.equal(bfd.bfd.reportsHops, false)
})
