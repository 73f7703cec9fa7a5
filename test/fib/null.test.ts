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

t.test('wanted routes are remembered for the views, and nothing else', async (t) => {
  const fib = createNullFib(settings)
  fib.change(
    changes(
      [
        ['10.2.0.0/16', 1],
        ['10.1.0.0/24', 1],
        ['10.3.0.0/24', 1],
      ],
      [set(1, ['192.0.2.1'])],
    ),
  )
  fib.change(
    changes([
      ['10.3.0.0/24', 0],
      ['10.4.0.0/24', 0],
    ]),
  )
  fib.blackholes(['10.9.0.0/24'])
  fib.blackholes(['10.8.0.0/24'])
  t.match(await fib.status(), { mode: 'none', wanted: 3, installed: 0, pending: 3, blackholes: 1 })
  const views = await fib.routes({ after: '10.1.0.0/24', limit: 5 })
  t.match(views, [
    { prefix: '10.2.0.0/16', nextHops: ['192.0.2.1'], reason: /--fib none/ },
    { prefix: '10.8.0.0/24', kind: 'blackhole' },
  ])
  t.match(await fib.lookup('10.2.0.0/16'), { wanted: { kind: 'unicast' }, kernel: [] })
  t.match(await fib.lookup('10.3.0.0/24'), { wanted: null })
  t.same(await fib.difference(), [])
  t.throws(() => fib.blackholes(['x']), /not a prefix/)
})
