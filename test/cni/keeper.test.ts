/** When the file of the agent is written, replaced and removed, and whose files stay. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { conflistName, findOwnConflist, removeConflist } from '../../src/cni/files.ts'
import { CniKeeper } from '../../src/cni/keeper.ts'
import { EventLog } from '../../src/event-log.ts'
import type { Intent } from '../../src/intent/types.ts'
import { FakeClock } from '../bgp/clock.ts'
import { configuration, intentOf } from '../intent/texts.ts'

const node = `apiVersion: v1
kind: Node
metadata: {name: n1, annotations: {projectcalico.org/IPv4Address: 10.0.0.1/24}}
spec: {podCIDRs: [10.244.1.0/24]}
`
const withCni = (cni: string) => intentOf(node + configuration(`{cni: ${cni}}`))
const foreign = '{"cniVersion": "1.0.0", "name": "routelet", "plugins": []}'

interface Scene {
  readonly folder: string
  readonly file: string
  readonly clock: FakeClock
  readonly keeper: CniKeeper
  intent: Intent | null
  ready: boolean
  reasons(): string[]
  plugin(): string | null
}

function scene(t: Test, bootId = 'b1', folder: string | null = t.testdir()): Scene {
  const clock = new FakeClock()
  const made = { intent: withCni('{}') as Intent | null, ready: false }
  const keeper = new CniKeeper({
    folder,
    clock,
    events: new EventLog(clock),
    intent: () => made.intent,
    ready: () => made.ready,
    bootId,
    link: () => ({ name: 'eth0', mtu: 1500 }),
  })
  t.teardown(() => keeper.close())
  const place = folder ?? ''
  const file = path.join(place, conflistName)
  return Object.assign(made, {
    folder: place,
    file,
    clock,
    keeper,
    reasons: () => keeper.problems.map(({ reason }) => reason),
    plugin: () => {
      if (!readdirSync(place).includes(conflistName)) return null
      return JSON.parse(readFileSync(file, 'utf8')).plugins[0].type
    },
  })
}

t.test('nothing is written before the node is ready, and then at once', async (t) => {
  const at = scene(t)
  at.keeper.start()
  t.equal(at.plugin(), null)
  at.ready = true
  at.clock.advance(1000)
  t.equal(at.plugin(), 'ptp')
  t.equal(statSync(at.file).mode & 0o777, 0o644)
  t.same(readdirSync(at.folder), [conflistName], 'no draft is left')
})

t.test('a session that is lost later takes nothing away', async (t) => {
  const at = scene(t)
  at.ready = true
  at.keeper.start()
  at.ready = false
  at.clock.advance(60_000)
  t.equal(at.plugin(), 'ptp')
})

t.test('it follows the manifests, and comes back when somebody removes it', async (t) => {
  const at = scene(t)
  at.ready = true
  at.keeper.start()
  at.intent = withCni('{type: Bridge}')
  at.clock.advance(5000)
  t.equal(at.plugin(), 'bridge')
  removeConflist(at.file)
  at.clock.advance(5000)
  t.equal(at.plugin(), 'bridge')
  at.intent = withCni('{type: None}')
  at.clock.advance(5000)
  t.equal(at.plugin(), null)
})

t.test('of an earlier run it stays, of an earlier boot it waits for readiness', async (t) => {
  const first = scene(t)
  first.ready = true
  first.keeper.start()
  first.keeper.close()
  const second = scene(t, 'b1', first.folder)
  second.keeper.start()
  t.equal(second.plugin(), 'ptp', 'the agent was restarted')
  second.keeper.close()
  const third = scene(t, 'b2', first.folder)
  third.keeper.start()
  t.equal(third.plugin(), null, 'the host was restarted')
  third.ready = true
  third.clock.advance(1000)
  t.equal(third.plugin(), 'ptp')
})

t.test("another's file stays, whatever its name", async (t) => {
  const at = scene(t)
  writeFileSync(at.file, foreign)
  writeFileSync(path.join(at.folder, '05-other.conf'), '{}')
  at.ready = true
  at.keeper.start()
  t.same(at.reasons(), ['CniForeign'])
  t.equal(readFileSync(at.file, 'utf8'), foreign)
  const { file, kept } = findOwnConflist(at.folder)
  t.equal(file, null)
  t.match(kept[0], /lacks the field routelet\.io\/node/)
  at.intent = withCni('{type: None}')
  at.clock.advance(5000)
  t.equal(readFileSync(at.file, 'utf8'), foreign)
  t.same(at.reasons(), [])
})

t.test('a file that the runtime takes before ours is told', async (t) => {
  const at = scene(t)
  writeFileSync(path.join(at.folder, '10-calico.conflist'), '{}')
  at.ready = true
  at.keeper.start()
  t.equal(at.plugin(), 'ptp')
  t.same(at.reasons(), ['CniShadowed'])
})

t.test('without a folder, or one that is missing, the reason is a condition', async (t) => {
  const nowhere = scene(t, 'b1', null)
  nowhere.keeper.start()
  t.same(nowhere.reasons(), ['CniNowhere'])
  nowhere.intent = intentOf(node)
  nowhere.clock.advance(1000)
  t.same(nowhere.reasons(), [])
  const folder = path.join(t.testdir(), 'late')
  const missing = scene(t, 'b1', folder)
  missing.ready = true
  missing.keeper.start()
  t.same(missing.reasons(), ['CniUnwritable'])
  mkdirSync(folder)
  missing.clock.advance(5000)
  t.same(missing.reasons(), [])
  t.equal(missing.plugin(), 'ptp')
})
