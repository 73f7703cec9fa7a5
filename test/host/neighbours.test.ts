/** Who else is at work on this host: by name, with what to do about it. */
import { createServer } from 'node:net'
import t from 'tap'
import type { FibRival } from '../../fib/types.ts'
import { findPortHolder, processName } from '../../src/host/port-holder.ts'
import { identify, intruderProblems, rivalProblems } from '../../src/host/rivals.ts'
import { createTransport } from '../../src/sys/tcp.ts'

const rival = (protocol: number, name: string, interfaces: readonly string[]): FibRival => ({
  ...{ protocol, name, interfaces, holding: 1, winning: 2, resting: 3 },
  prefixes: ['10.1.0.0/24', '10.2.0.0/24', '10.3.0.0/24', '10.4.0.0/24'],
})

t.test('programs are known by their protocol number, or by their interfaces', async (t) => {
  for (const [protocol, name, interfaces, expected] of [
    [12, 'bird (12)', ['eth0'], /BIRD/],
    [11, 'zebra (11)', ['eth0'], /FRR/],
    [186, 'bgp (186)', ['eth0'], /FRR/],
    [42, 'babel (42)', ['eth0'], /Babel/],
    [16, 'dhcp (16)', ['eth0'], /DHCP/],
    [179, 'routelet (179)', ['eth0'], /another routelet/],
    [3, 'boot (3)', ['flannel.1'], /^flannel$/],
    [3, 'boot (3)', ['eth0'], /flannel in host-gw mode/],
    [12, 'bird (12)', ['tunl0'], /Calico/],
    [4, 'static (4)', ['cilium_host'], /Cilium/],
    [4, 'static (4)', ['eth0'], /protocol static \(4\)/],
    [200, 'protocol 200', ['eth0'], /protocol 200/],
  ] as const) {
    const found = identify(rival(protocol, name, interfaces))
    t.match(found.name, expected, `${name} at ${interfaces}`)
    t.ok(found.remedy.length > 10)
  }
})

t.test('a condition says who, how many, what that means, and what to do', async (t) => {
  t.match(rivalProblems([rival(3, 'boot (3)', ['flannel.1'])]), [
    {
      reason: 'RivalRoutes',
      severity: 'warning',
      message:
        /^flannel \(routes of boot \(3\) through flannel\.1\) .* 1 hold the place of ours.*; 2 have a lower metric.*10\.3\.0\.0\/24$/,
      remedy: /remove flannel/,
    },
  ])
  const resting = { ...rival(4, 'static (4)', ['eth0']), holding: 0, winning: 0 }
  t.same(rivalProblems([resting]), [], 'those behind ours harm nobody')
})

t.test('a program with our mark is named by its process where that is known', async (t) => {
  const intruder = { port: process.pid, changes: 3, prefix: '10.1.0.0/24' }
  t.match(intruderProblems([intruder], processName), [
    { reason: 'MarkShared', message: new RegExp(`${processName(process.pid)} \\(process`) },
  ])
  t.match(
    intruderProblems([intruder], () => null),
    [{ message: /netlink port \d+/ }],
  )
})

t.test('who listens on a port is found as ss finds it', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  t.match(findPortHolder(port), { pid: process.pid, name: processName(process.pid) })
  t.equal(findPortHolder(port, '/nowhere'), null, 'no /proc, no answer')
  const options = { address: '127.0.0.1', family: 4, port, backlog: 1 } as const
  await t.rejects(
    createTransport().listen(options, () => {}),
    { code: 'EADDRINUSE', holder: `${processName(process.pid)} (process ${process.pid})` },
  )
})
