/** The kernel writer's thread: how it begins, how it fails, and how it ends. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { createFibWorker } from '../../src/workers/fib-proxy.ts'
import { cannotBuildNetworks } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import { changes, realNetwork, set, settings, startWriter } from './scene.ts'

const skip = cannotBuildNetworks

const proxyUrl = new URL('../../src/workers/fib-proxy.js', import.meta.url).href

/** Runs a writer in a process of its own, and prints what became of it as JSON. */
async function elsewhere(
  program: string,
  args: readonly string[],
): Promise<Record<string, unknown>> {
  const script = `import(${JSON.stringify(proxyUrl)}).then(async ({ createFibWorker }) => {
    const fib = createFibWorker(${JSON.stringify(settings)})
    const events = []
    fib.onEvent((event) => events.push(event))
    try {
      await fib.start()
      fib.blackholes(['10.99.0.0/24', 'fd99::/64'])
      let status = await fib.status()
      for (let tries = 0; status.installed < 2 && tries < 1000; tries++) status = await fib.status()
      await fib.withdrawAll()
      await fib.close()
      console.log(JSON.stringify({ installed: status.installed, events }))
    } catch (error) {
      console.log(JSON.stringify({ message: error.message, code: error.code }))
    }
  })`
  const node = [process.execPath, '-e', script]
  const done = await promisify(execFile)(program, [...args, ...node], { timeout: 60_000 })
  return JSON.parse(done.stdout)
}

t.test(
  'without the privilege to change routes the start fails with one clear line',
  { skip },
  async (t) => {
    const { node } = await realNetwork(t)
    // Another user namespace than the one that owns the network: root's name, none of its rights.
    const result = await elsewhere('ip', ['netns', 'exec', node.name, 'unshare', '--user'])
    t.match(result, { code: 'EPERM', message: /CAP_NET_ADMIN.*--fib none/ })
    t.equal(String(result['message']).split('\n').length, 1)
  },
)

t.test(
  'in a user namespace, where large buffers are refused, it works all the same',
  { skip },
  async (t) => {
    const result = await elsewhere('unshare', ['--user', '--map-root-user', '--net'])
    t.match(result, { installed: 2 })
  },
)

t.test('a namespace that is not there is named', { skip }, async (t) => {
  const fib = createFibWorker(settings, { netnsPath: '/run/netns/nowhere' })
  await t.rejects(fib.start(), /\/run\/netns\/nowhere/)
  await t.rejects(fib.status(), /ended/)
  await fib.close()
})

t.test('orders given before the start are carried out after it', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  const fib = createFibWorker(settings, { netnsPath: `/run/netns/${node.name}` })
  t.teardown(() => fib.close())
  const columns = changes([['10.1.0.0/24', 1]], [set(1, ['10.0.0.2'])])
  fib.change(columns)
  t.equal(columns.addresses.length, 1, "the caller's columns stay the caller's")
  await fib.start()
  await waitUntil(
    'the route',
    () => fib.status(),
    (status) => status.installed === 1,
  )
  t.equal(columns.addresses.length, 1)
})

t.test(
  'an order that makes no sense is told as an event, and the writer goes on',
  { skip },
  async (t) => {
    const { node } = await realNetwork(t)
    const { fib, events } = await startWriter(t, node)
    fib.change(changes([['10.1.0.0/24', 99]]))
    fib.blackholes(['nonsense'])
    fib.blackholes(['10.9.0.0/24'])
    await waitUntil(
      'the good one',
      () => fib.status(),
      (status) => status.installed === 1,
    )
    t.match(
      events.filter((event) => event.level === 'error').map((event) => event.text),
      [/set 99 is not described/, /nonsense: not a prefix/],
    )
    await t.rejects(fib.lookup('nonsense'), { name: 'RangeError', message: /not a prefix/ })
  },
)

t.test(
  'closing ends the thread, twice is once, and calls in between are answered',
  { skip },
  async (t) => {
    const { node } = await realNetwork(t)
    const { fib } = await startWriter(t, node)
    const status = fib.status()
    const [first] = await Promise.all([status, fib.close(), fib.close()])
    t.equal(first.mode, 'kernel')
    await fib.close()
    fib.track('10.0.0.2')
    await t.rejects(fib.status(), /ended/)
  },
)
