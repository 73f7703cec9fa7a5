/** The kernel writer of `--fib none`: what it answers when there is no kernel to ask. */
import t from 'tap'
import { createNullFib, type Resolution } from '../../fib/index.ts'
import { changes, set, settings } from './scene.ts'

t.test('without a kernel every next hop counts as reachable, told after the call', async (t) => {
  const fib = createNullFib(settings)
  const told: Resolution[] = []
  fib.onResolution((changed) => told.push(...changed))
  await fib.start()
  fib.track('192.0.2.1')
  fib.track('192.0.2.1')
  t.same(told, [])
  await Promise.resolve()
  t.match(told, [{ nextHop: '192.0.2.1', reachable: true, metric: 0, reason: /--fib none/ }])
  t.equal(told.length, 1)
  fib.untrack('192.0.2.1')
  t.equal((await fib.status()).nextHops.length, 1)
  fib.untrack('192.0.2.1')
  t.equal((await fib.status()).nextHops.length, 0)
  await fib.close()
})

t.test('own blackholes are shown, and learned routes are not kept a second time', async (t) => {
  const fib = createNullFib(settings)
  fib.change(changes([['10.2.0.0/16', 1]], [set(1, ['192.0.2.1'])]))
  fib.blackholes(['10.9.0.0/24'])
  fib.blackholes(['fd00:1::/64', '10.8.0.0/24', '10.7.0.0/24'])
  t.match(await fib.status(), { mode: 'none', wanted: 3, installed: 0, pending: 3, blackholes: 3 })
  t.match(await fib.routes({ after: '10.7.0.0/24', limit: 5 }), [
    { prefix: '10.8.0.0/24', kind: 'blackhole', reason: /--fib none/ },
    { prefix: 'fd00:1::/64', kind: 'blackhole' },
  ])
  t.equal((await fib.routes({ after: null, limit: 2 })).length, 2)
  t.match(await fib.lookup('10.8.0.0/24'), { wanted: { kind: 'blackhole' }, kernel: [] })
  t.match(await fib.lookup('10.2.0.0/16'), { wanted: null })
  t.same(await fib.difference(), [])
  t.throws(() => fib.blackholes(['10.1.0.0/24', 'x']), /not a prefix/)
})
