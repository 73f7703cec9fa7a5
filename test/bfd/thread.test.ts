/** The thread BFD runs in: when there is one, what it may do, and what happens when it dies. */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import t from 'tap'
import { createBfd } from '../../src/workers/bfd-proxy.ts'
import { cannotBuildNetworks } from '../network/namespaces.ts'
import { waitFor } from '../network/wait.ts'
import { buildLink, startBfd, timers } from './scene.ts'

t.setTimeout(120_000)
const skip = cannotBuildNetworks

const toTor = { name: 'tor', ...timers, remoteAddress: '192.0.2.2' }
const proxyUrl = new URL('../../src/workers/bfd-proxy.js', import.meta.url).href

t.test('what is wrong with a session is told to whoever wants it', async (t) => {
  const bfd = createBfd()
  t.throws(() => bfd.setSessions([{ ...toTor, multiplier: 0 }]), {
    name: 'RangeError',
    message: 'BFD session tor: multiplier is 0; 1 to 255 are allowed',
  })
  t.throws(() => bfd.setSessions([toTor, toTor]), /two BFD sessions are named tor/)
})

t.test('it starts once, and ends as often as one likes', async (t) => {
  const bfd = createBfd()
  await bfd.start()
  await t.rejects(bfd.start(), /BFD is running/)
  await bfd.close()
  await bfd.close()
  await t.rejects(bfd.start(), /BFD is closed/)
  const never = createBfd()
  never.setSessions([toTor])
  await never.close()
  t.same(never.views(), [])
})

t.test('a thread that dies is told and made anew, and no path has failed', { skip }, async (t) => {
  const { network, node, tor } = await buildLink(t)
  const label = 'late'
  const name = node.name.replace(/node$/, label)
  const bfd = await startBfd(t, node, { netnsPath: `/run/netns/${name}` })
  bfd.want([{ ...toTor, remoteAddress: '203.0.113.2' }])
  const [event] = await waitFor('its death', () => bfd.events.length > 0 && bfd.events)
  t.match(event, { level: 'error', text: /the BFD thread died: ENOENT.*begin again in 1000 ms/ })
  const late = await network.namespace(label)
  t.equal(late.name, name)
  await network.link(
    { namespace: late, interface: 'eth0', addresses: ['203.0.113.1/24'] },
    { namespace: tor.namespace, interface: 'eth1', addresses: ['203.0.113.2/24'] },
  )
  const remote = await startBfd(t, tor.namespace)
  remote.want([{ ...toTor, name: 'late', remoteAddress: '203.0.113.1' }])
  await bfd.state('tor', 'Up')
  await remote.state('late', 'Up')
  t.equal(bfd.failures('tor'), 0)
})

t.test('the thread, and it alone, is scheduled in real time', { skip }, async (t) => {
  const { node } = await buildLink(t)
  const bfd = await startBfd(t, node)
  t.equal(realTimeThreads(), 0, 'there is no thread before a session is wanted')
  bfd.want([toTor])
  await waitFor('one', () => realTimeThreads() === 1 || bfd.events.length > 0)
  if (bfd.events.length > 0) t.match(bfd.events, [{ level: 'info', text: /real-time priority/ }])
  else t.equal(realTimeThreads(), 1)
  await bfd.bfd.close()
  t.equal(realTimeThreads(), 0)
})

t.test(
  'without the privilege it runs all the same and says so in one line',
  { skip },
  async (t) => {
    const script = `import(${JSON.stringify(proxyUrl)}).then(({ createBfd }) => {
    const bfd = createBfd()
    const events = []
    bfd.onEvent((event) => events.push(event.text))
    bfd.onState(async ({ state }) => {
      if (state !== 'Up') return
      await bfd.close()
      console.log(JSON.stringify(events))
    })
    const timers = ${JSON.stringify(timers)}
    bfd.setSessions([{ name: 'self', ...timers, remoteAddress: '127.0.0.1' }])
    return bfd.start()
  })`
    const inside = `ip link set lo up && exec "$0" -e "$1"`
    const args = [
      '--user',
      '--map-root-user',
      '--net',
      'sh',
      '-c',
      inside,
      process.execPath,
      script,
    ]
    const { stdout } = await promisify(execFile)('unshare', args, { timeout: 60_000 })
    const events: string[] = JSON.parse(stdout)
    t.equal(events.filter((text) => /without real-time priority \(EPERM/.test(text)).length, 1)
  },
)

/** Threads of this process under SCHED_RR; policy is field 41 of stat, after the name in brackets. */
function realTimeThreads(): number {
  const stats = readdirSync('/proc/self/task').map((id) =>
    readFileSync(`/proc/self/task/${id}/stat`, 'utf8'),
  )
  return stats.filter((stat) => stat.split(') ')[1]?.split(' ')[38] === '2').length
}
