/**
 * Update groups against no groups at all: whatever peers come and go, announce, stall and are
 * configured as, each is told exactly what a plain computation for it alone says.
 */
import fc from 'fast-check'
import t from 'tap'
import { GroupScene, kinds, policies } from './group-scene.ts'

const seed = 417_179
const runs = 600
const seats = 5
t.comment(`fast-check seed ${seed}`)

const peer = fc.nat(seats - 1)
const prefix = fc.nat(3)
const pathId = fc.nat(2)
/** Mostly 0, so that paths are often level. */
const seldom = (most: number): fc.Arbitrary<number> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(most) })
const variant = fc.record({
  hop: fc.nat(5),
  path: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(1, 2) }, fc.nat(5)),
  med: seldom(2),
  preference: seldom(1),
  communities: seldom(4),
  reflected: seldom(2),
})
const change = fc.oneof(
  fc.record({ export: fc.constantFrom('Auto', 'Own', 'All') }),
  fc.record({ nextHopMode: fc.constantFrom('Auto', 'Self', 'Keep') }),
  fc.record({ routeReflectorClient: fc.boolean() }),
  fc.record({ clusterId: fc.constantFrom('10.0.0.1', '10.9.9.9', null) }),
  fc.record({ asOverride: fc.boolean() }),
  fc.record({ addPathLimit: fc.constantFrom(null, 1, 3) }),
)

type Step = (scene: GroupScene) => void
/** A step whose text tells what it does, for the report of a failure. */
function named(name: string, values: readonly unknown[], run: Step): Step {
  return Object.assign(run, { [fc.toStringMethod]: () => `${name}(${JSON.stringify(values)})` })
}

function step<T extends readonly unknown[]>(
  weight: number,
  name: string,
  values: fc.Arbitrary<T>,
  run: (scene: GroupScene, ...values: T) => void,
): { weight: number; arbitrary: fc.Arbitrary<Step> } {
  const arbitrary = values.map((chosen) => named(name, chosen, (scene) => run(scene, ...chosen)))
  return { weight, arbitrary }
}

const steps = fc.array(
  fc.oneof(
    step(12, 'announce', fc.tuple(peer, prefix, pathId, variant), (scene, ...route) =>
      scene.update(...route),
    ),
    step(5, 'withdraw', fc.tuple(peer, prefix, pathId), (scene, ...route) =>
      scene.update(...route, null),
    ),
    step(3, 'turn', fc.tuple(), (scene) => scene.bench.step()),
    step(3, 'check', fc.tuple(), (scene) => scene.check()),
    step(2, 'join', fc.tuple(peer, fc.nat(kinds.length - 1)), (scene, ...who) =>
      scene.join(...who),
    ),
    step(1, 'leave', fc.tuple(peer), (scene, who) => scene.leave(who)),
    step(2, 'stall', fc.tuple(peer), (scene, who) => scene.stall(who)),
    step(2, 'resume', fc.tuple(peer), (scene, who) => scene.resume(who)),
    step(1, 'refresh', fc.tuple(peer), (scene, who) => scene.refresh(who)),
    step(2, 'fall behind', fc.tuple(peer, peer, prefix, pathId), (scene, who, ...route) => {
      scene.stall(who)
      scene.update(...route, null)
      scene.bench.settle()
      scene.refresh(who)
    }),
    step(2, 'filter', fc.tuple(peer, fc.nat(policies.length - 1)), (scene, who, which) =>
      scene.filter(who, policies[which] ?? []),
    ),
    step(2, 'change', fc.tuple(peer, change), (scene, ...what) => scene.change(...what)),
    step(1, 'own', fc.tuple(fc.uniqueArray(prefix), fc.boolean()), (scene, ...own) =>
      scene.announce(...own),
    ),
    step(1, 'drain', fc.tuple(fc.boolean()), (scene, draining) => scene.drain(draining)),
    step(1, 'next hop', fc.tuple(fc.nat(4), fc.boolean()), (scene, ...hop) =>
      scene.nextHop(...hop),
    ),
    step(
      1,
      'settings',
      fc.tuple(fc.constantFrom(100, 101), fc.constantFrom(1, 2, 16), fc.boolean()),
      (scene, ...settings) => scene.settings(...settings),
    ),
  ),
  { maxLength: 70, size: 'max' },
)
const table = fc.array(fc.nat(kinds.length - 1), { minLength: 2, maxLength: seats })

t.test(`${runs} histories: grouped peers are told what each alone would be`, async (t) => {
  fc.assert(
    fc.property(table, fc.constantFrom(1, 2, 16), steps, (joined, maxPaths, history) => {
      const scene = new GroupScene()
      scene.settings(100, maxPaths, true)
      for (const [number, kind] of joined.entries()) scene.join(number, kind)
      for (const each of history) each(scene)
      scene.end()
    }),
    { seed, numRuns: runs },
  )
  t.pass('all agree')
})
