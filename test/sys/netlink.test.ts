/**
 * The two netlink sockets against the real kernel, in a namespace of the test's own.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import t from 'tap'
import { setns } from '../../src/sys/libc.ts'
import { NetlinkKernel } from '../../src/sys/netlink.ts'
import { missing, type Namespace, Network } from '../network/namespaces.ts'
import { waitFor } from '../network/wait.ts'

const cloneNewnet = 0x4000_0000
/** Their notifications fill the receive buffer of 8 MiB twice. */
const floodRoutes = 30_000

const skip = await missing()

t.test('after an overflow, notifications are heard as before', { skip }, async (t) => {
  const node = await new Network(t).namespace('node')
  // Before the namespace goes: whoever is still in it is killed with it.
  t.teardown(enter(`/run/netns/${node.name}`))
  const heard = { notified: 0, overflowed: 0 }
  const kernel = new NetlinkKernel()
  t.teardown(() => kernel.close())
  kernel.open({
    notified: () => heard.notified++,
    overflowed: () => heard.overflowed++,
    failed: (error) => t.fail(error.message),
  })
  for (const round of [1, 2]) {
    flood(node)
    t.same(heard, { notified: 0, overflowed: 0 }, 'nothing was read meanwhile')
    await waitFor('the loss to be told', () => heard.overflowed > 0)
    const before = heard.notified
    await node.ip('route', 'add', 'blackhole', `172.31.${round}.0/24`)
    await waitFor('a later change to be told', () => heard.notified > before)
    t.pass(`heard after overflow ${round}`)
    Object.assign(heard, { notified: 0, overflowed: 0 })
  }
})

/** Moves this thread, and with it the whole test, into a namespace; the answer leads back. */
function enter(path: string): () => void {
  const home = openSync('/proc/self/ns/net', 'r')
  moveTo(openSync(path, 'r'))
  return () => moveTo(home)
}

function moveTo(fd: number): void {
  const result = setns(fd, cloneNewnet)
  closeSync(fd)
  if (result < 0) throw new Error(`changing the network namespace: errno ${-result}`)
}

/** This thread stands still meanwhile: that all is lost is found by the event loop, not by a read. */
function flood(node: Namespace): void {
  const routes = Array.from(
    { length: floodRoutes },
    (_, index) => `route add blackhole 172.16.${index >> 8}.${index & 255}/32 table 200`,
  )
  execFileSync('ip', ['-n', node.name, '-batch', node.write('flood', routes.join('\n'))])
  execFileSync('ip', ['-n', node.name, 'route', 'flush', 'table', '200'])
}
