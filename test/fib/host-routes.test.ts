/** Host routes by a gateway: they come before what else is wanted of a prefix, and only on link. */
import t from 'tap'
import { changes, memoryScene, set } from './scene.ts'

const address = '10.9.9.9'
const prefix = `${address}/32`

t.test('a host route by its gateway, in both families, and gone with its end', async (t) => {
  const { fib, settle, ours } = memoryScene()
  await fib.start()
  fib.hosts([
    { address, gateway: '10.0.0.9' },
    { address: 'fd09::9', gateway: 'fd00::9' },
  ])
  settle()
  t.same(ours(), [`${prefix} 10.0.0.9@2`, 'fd09::9/128 fd00::9@2'])
  fib.hosts([{ address, gateway: '10.0.1.9' }])
  settle()
  t.same(ours(), [`${prefix} 10.0.1.9@3`], 'a changed gateway')
  fib.hosts([])
  settle()
  t.same(ours(), [])
})

t.test('what BGP wants of the prefix waits beneath, whenever it comes', async (t) => {
  const learned = changes([[prefix, 1]], [set(1, ['10.0.0.2'])])
  const after = `${prefix} 10.0.0.2@2`
  const table: readonly [string, readonly ('learn' | 'host')[]][] = [
    ['learned before', ['learn', 'host']],
    ['learned after', ['host', 'learn']],
  ]
  for (const [caption, order] of table) {
    const { fib, settle, ours } = memoryScene()
    await fib.start()
    for (const step of order) {
      if (step === 'learn') fib.change(learned)
      else fib.hosts([{ address, gateway: '10.0.1.9' }])
      settle()
    }
    t.same(ours(), [`${prefix} 10.0.1.9@3`], caption)
    fib.hosts([])
    settle()
    t.same(ours(), [after], `${caption}: it comes back`)
    fib.hosts([{ address, gateway: '10.0.1.9' }])
    fib.change(changes([[prefix, 0]]))
    fib.hosts([])
    settle()
    t.same(ours(), [], `${caption}: withdrawn meanwhile`)
  }
})

t.test('a gateway that is only routed makes no route, and says why', async (t) => {
  const { fib, settle, ours } = memoryScene()
  await fib.start()
  fib.change(changes([['192.0.2.0/24', 1]], [set(1, ['10.0.0.2'])]))
  fib.hosts([{ address, gateway: '192.0.2.1' }])
  settle()
  t.same(ours(), ['192.0.2.0/24 10.0.0.2@2'])
  const { wanted } = await fib.lookup(prefix)
  t.match(wanted, { status: 'unresolved', reason: /192\.0\.2\.1: via 10\.0\.0\.2.*on link/ })
})

t.test('next hops behind the peer are reached by the host route', async (t) => {
  const { fib, settle, ours } = memoryScene()
  await fib.start()
  fib.hosts([{ address, gateway: '10.0.0.9' }])
  fib.change(changes([['198.51.100.0/24', 1]], [set(1, [address], [address])]))
  settle()
  t.same(ours(), [`${prefix} 10.0.0.9@2`, '198.51.100.0/24 10.0.0.9@2'])
})

t.test('an address that is none changes nothing', async (t) => {
  const { fib, settle, ours } = memoryScene()
  await fib.start()
  fib.hosts([{ address, gateway: '10.0.0.9' }])
  t.throws(
    () => fib.hosts([{ address: '10.9.9.8', gateway: 'nowhere' }]),
    /"nowhere" is no address/,
  )
  settle()
  t.same(ours(), [`${prefix} 10.0.0.9@2`])
})
