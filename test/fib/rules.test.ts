/**
 * Policy rules that guard service ranges: what they look like in bytes, and how they are kept, over a
 * kernel in memory and in the real one, where `ip rule` is the judge.
 */
import fc from 'fast-check'
import t from 'tap'
import { parsePrefix } from '../../fib/address.ts'
import { littleEndian, visitMessages } from '../../fib/netlink.ts'
import { encodeRule, isOwnRule, type Rule, readRule, rulesFor, ruleText } from '../../fib/rules.ts'
import { cannotBuildNetworks, type Namespace } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import { memoryScene, realNetwork, seed, startWriter, writerOver } from './scene.ts'

const skip = cannotBuildNetworks
const range = '10.96.0.0/16'
const drop = (...prefixes: readonly string[]) => ({ prefixes, action: 'drop' }) as const
const pair = (prefix: string, refusal = 'blackhole') => [
  `21790: to ${prefix} iif lo lookup 254 proto 179`,
  `21791: to ${prefix} ${refusal} proto 179`,
]

function decode(bytes: Uint8Array): Rule | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let rule: Rule | null = null
  visitMessages(view, bytes.length, (_type, _flags, _sequence, _port, start, end) => {
    rule = readRule(view, start, end)
  })
  return rule
}

const prefixes = fc
  .oneof(
    fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 32 })),
    fc.tuple(fc.ipV6(), fc.integer({ min: 1, max: 128 })),
  )
  .map(([address, length]) => parsePrefix(`${address}/${length}`)!)

t.test('a rule that is written is read back as the same rule', async () => {
  fc.assert(
    fc.property(prefixes, fc.constantFrom(6, 7), fc.integer({ min: 5, max: 255 }), (...given) => {
      const [prefix, action, protocol] = given
      for (const rule of rulesFor(prefix, action, protocol)) {
        const read = decode(encodeRule('add', rule, 1))
        if (read === null || ruleText(read) !== ruleText(rule)) return false
        if (!isOwnRule(read, new Set([protocol]))) return false
      }
      return true
    }),
    { seed },
  )
})

t.test('whatever the bytes are, reading ends within them', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      readRule(view, 0, bytes.length)
    }),
    { seed },
  )
})

t.test('a rule with a condition that ours never have is not ours', async (t) => {
  const [, others] = rulesFor(parsePrefix(range)!, 6, 179)
  const plain = encodeRule('add', others!, 1)
  t.ok(decode(plain))
  for (const [caption, change] of [
    ['inverted', (view: DataView) => view.setUint32(24, 2, littleEndian)],
    ['with a source', (view: DataView) => view.setUint8(18, 24)],
    ['for a type of service', (view: DataView) => view.setUint8(19, 4)],
    ['of another family', (view: DataView) => view.setUint8(16, 7)],
    ['to everywhere', (view: DataView) => view.setUint8(17, 0)],
  ] as const) {
    const bytes = plain.slice()
    change(new DataView(bytes.buffer))
    t.equal(decode(bytes), null, caption)
  }
})

t.test('ranges come and go, in the order in which nothing is cut off', async (t) => {
  const scene = memoryScene()
  await scene.fib.start()
  scene.fib.guard(drop(range, 'fd00:96::/108'))
  scene.settle()
  const all = [...pair(range), ...pair('fd00:96::/108')]
  t.same([...scene.kernel.rules.keys()], all, 'the exception first')
  t.match((await scene.fib.status()).rules, { wanted: 4, installed: 4, missing: [] })
  scene.fib.guard({ prefixes: [range], action: 'reject' })
  scene.settle()
  t.same([...scene.kernel.rules.keys()], pair(range, 'unreachable'))
  scene.fib.guard(drop())
  scene.settle()
  t.equal(scene.kernel.rules.size, 0)
})

t.test('a removed rule is put back at once, and with patience when that goes on', async (t) => {
  const scene = memoryScene()
  const [, refusing = ''] = pair(range)
  await scene.fib.start()
  scene.fib.guard(drop(range))
  scene.settle()
  const remove = () => {
    scene.kernel.takeRule(refusing)
    scene.settle()
  }
  remove()
  t.ok(scene.kernel.rules.has(refusing), 'at once')
  remove()
  t.notOk(scene.kernel.rules.has(refusing), 'not again and again')
  scene.pass(1000)
  t.ok(scene.kernel.rules.has(refusing), 'after a pause')
  t.ok(scene.events.some(({ kind, text }) => kind === 'fib.rule' && /removed by/.test(text)))
})

t.test('a restart adopts its rules, and removes those that nobody wants any more', async (t) => {
  const { kernel, ...first } = memoryScene()
  await first.fib.start()
  first.fib.guard(drop(range, '10.97.0.0/16'))
  first.settle()
  await first.fib.close()
  const second = writerOver(kernel)
  second.fib.guard(drop(range))
  await second.fib.start()
  second.settle()
  t.same([...kernel.rules.keys()], pair(range))
  await Promise.all([second.fib.withdrawAll(), Promise.resolve().then(() => second.settle())])
  t.equal(kernel.rules.size, 0, 'and all go with the routes')
})

t.test('a refusal is told once, tried again, and shown', async (t) => {
  const scene = memoryScene()
  await scene.fib.start()
  let refusing = true
  scene.kernel.refuse = (_operation, key) => (refusing && /lookup/.test(key) ? 95 : 0)
  scene.fib.guard(drop(range))
  scene.settle()
  const { rules } = await scene.fib.status()
  t.match(rules, { wanted: 2, installed: 1, missing: [pair(range)[0]], reason: 'EOPNOTSUPP' })
  scene.pass(1000)
  scene.pass(2000)
  t.equal(scene.events.filter(({ kind }) => kind === 'fib.rule').length, 1)
  refusing = false
  scene.pass(60_000)
  t.match((await scene.fib.status()).rules, { installed: 2, reason: null })
})

/** Rules of both families with a preference of ours. */
async function rulesIn(node: Namespace): Promise<string[]> {
  const lines: string[] = []
  for (const family of ['-4', '-6']) lines.push(...(await node.ip(family, 'rule')).split('\n'))
  return lines
    .filter((line) => /^2179[01]:/.test(line))
    .map((line) => line.replaceAll(/\s+/g, ' ').trim())
}

t.test('in the real kernel, others around them stay', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  const foreign = `rule add to ${range} blackhole pref 21791 protocol static`
  await node.ip(...foreign.split(' '))
  const { fib } = await startWriter(t, node)
  const theirs = '21791: from all to 10.96.0.0/16 blackhole proto static'
  const [own, refusing] = [
    '21790: from all to 10.96.0.0/16 iif lo lookup main proto 179',
    '21791: from all to 10.96.0.0/16 blackhole proto 179',
  ]
  const six = [
    '21790: from all to fd00:96::/108 iif lo lookup main proto 179',
    '21791: from all to fd00:96::/108 blackhole proto 179',
  ]
  const become = (what: string, wanted: readonly string[]) => {
    const text = [...wanted].sort().join()
    return waitUntil(
      what,
      () => rulesIn(node),
      (seen) => [...seen].sort().join() === text,
    )
  }
  fib.guard(drop(range, 'fd00:96::/108'))
  await become('all rules', [own, theirs, refusing, ...six])
  await node.ip('rule', 'del', 'to', range, 'blackhole', 'pref', '21791', 'protocol', '179')
  await become('the rule put back', [own, theirs, refusing, ...six])
  await node.ip('-6', 'rule', 'del', 'pref', '21790')
  await become('and of IPv6', [own, theirs, refusing, ...six])
  fib.guard(drop('fd00:96::/108'))
  await become('one range less', [theirs, ...six])
  await fib.withdrawAll()
  await become('all withdrawn', [theirs])
  t.match(await fib.status(), { rules: { wanted: 0, installed: 0 }, counters: { errors: 0 } })
})
