/** How often the gates are looked at: at once where few sessions change, seldom in a storm. */
import t from 'tap'
import type { Speaker } from '../../bgp/index.ts'
import type { PeerConfig } from '../../bgp/types.ts'
import type { Intent } from '../../src/intent/types.ts'
import { Readiness } from '../../src/readiness.ts'
import { FakeClock } from '../bgp/clock.ts'

/** A node with so many peers that never come, and the number of looks at all of them. */
function scene(peersCount: number) {
  const clock = new FakeClock()
  const peers = Array.from({ length: peersCount }, (_, index) => ({
    name: `p${index}`,
    range: null,
    heldDown: null,
    shutdown: false,
  })) as unknown as readonly PeerConfig[]
  const readiness = { policy: 'Any', timeoutSeconds: 300 }
  const intent = { peers, casual: [], readiness, node: null } as unknown as Intent
  const seen = { looks: 0 }
  const views = {
    peers() {
      seen.looks++
      return []
    },
  }
  const speaker = { views, synchronised: () => false, entry: () => null } as unknown as Speaker
  const nothing = () => {}
  const gates = new Readiness({
    ...{ clock, speaker, intent: () => intent },
    ...{ onTelling: nothing, onSynchronised: nothing },
  })
  clock.advance(10_000)
  gates.watch()
  seen.looks = 0
  return { clock, gates, seen }
}

t.test('with a few peers every event is looked at', async (t) => {
  const { gates, seen } = scene(4)
  for (let event = 0; event < 100; event++) gates.noteEvent()
  t.equal(seen.looks, 100)
})

t.test('a storm of events among many peers costs a few looks, and the last is seen', async (t) => {
  const { clock, gates, seen } = scene(2_000)
  for (let event = 0; event < 2_000; event++) gates.noteEvent()
  t.equal(seen.looks, 0, 'it rests from the look before')
  clock.advance(200)
  t.equal(seen.looks, 1, 'one for all of them')
  gates.noteEvent()
  gates.close()
  clock.advance(10_000)
  t.equal(seen.looks, 1, 'and none after the end')
})
