/**
 * Two connections with one peer: the verdict as a table, and two speakers that dial each other in
 * every order a seed can think of, which must end with one session that stays.
 */
import fc from 'fast-check'
import t from 'tap'
import { type Contender, resolveCollision } from '../../../bgp/session/collision.ts'
import type { PeerConfig } from '../../../bgp/types.ts'
import { FakeClock } from '../clock.ts'
import { PipeNetwork } from '../pipe.ts'
import { peerConfig, Speaker } from './scene.ts'

const { FC_SEED: seedText } = process.env
const seed = Number(seedText ?? 4271)
const low = { routerId: 1, asn: 65001 }
const high = { routerId: 0xc0a80001, asn: 65002 }
const none: Contender = { state: 'none', openSeen: false, restartable: false }
const opening: Contender = { ...none, state: 'OpenSent' }
const waiting: Contender = { ...opening, openSeen: true }
const confirmed: Contender = { ...waiting, state: 'OpenConfirm' }
const established: Contender = { ...confirmed, state: 'Established' }
const restartable: Contender = { ...established, restartable: true }

t.test('the verdict on the connection whose OPEN has just come', async (t) => {
  const rows = [
    ['alone', 'outgoing', none, low, high, 'proceed'],
    ['alone', 'incoming', none, high, low, 'proceed'],
    ['the other is Established', 'outgoing', established, high, low, 'yield'],
    ['the other is Established', 'incoming', established, low, high, 'yield'],
    ['graceful restart, and we are higher', 'incoming', restartable, high, low, 'succeed'],
    ['graceful restart, and we are lower', 'incoming', restartable, low, high, 'succeed'],
    ['graceful restart, but we dialled', 'outgoing', restartable, high, low, 'yield'],
    ['ours, and we are higher', 'outgoing', confirmed, high, low, 'proceed'],
    ['ours, and we are lower', 'outgoing', confirmed, low, high, 'yield'],
    ['theirs, and we are higher', 'incoming', confirmed, high, low, 'yield'],
    ['theirs, and we are lower', 'incoming', confirmed, low, high, 'proceed'],
    ['preferred before the other has said a word', 'outgoing', opening, high, low, 'proceed'],
    ['not preferred, but the other is silent yet', 'incoming', opening, high, low, 'wait'],
    ['not preferred, the other is silent yet', 'outgoing', opening, low, high, 'wait'],
    ['preferred, and the other waits for us', 'outgoing', waiting, high, low, 'proceed'],
    ['identifiers above 2^31 are not negative', 'outgoing', confirmed, high, low, 'proceed'],
  ] as const
  for (const [caption, direction, other, local, remote, verdict] of rows) {
    t.equal(resolveCollision(direction, other, local, remote), verdict, `${caption}: ${verdict}`)
  }
})

t.test('equal identifiers are told apart by the AS (RFC 6286)', async (t) => {
  const a = { routerId: 7, asn: 4_200_000_000 }
  const b = { routerId: 7, asn: 65001 }
  t.equal(resolveCollision('outgoing', confirmed, a, b), 'proceed')
  t.equal(resolveCollision('outgoing', confirmed, b, a), 'yield')
})

interface Pair {
  readonly clock: FakeClock
  readonly speakers: readonly [Speaker, Speaker]
}

async function pair(
  random: () => number,
  delayMs: number,
  [first, second]: readonly [number, number],
  overrides: Partial<PeerConfig> = {},
): Promise<Pair> {
  const clock = new FakeClock()
  const network = new PipeNetwork(clock, { random, delayMs, chunkMax: 40 })
  const hosts = [network.host('10.0.0.1'), network.host('10.0.0.2')] as const
  const speakers = [
    new Speaker(
      peerConfig({ name: 'b', address: '10.0.0.2', asn: 65002, localAsn: 65001, ...overrides }),
      clock,
      hosts[0],
      first,
      random,
    ),
    new Speaker(
      peerConfig({ name: 'a', address: '10.0.0.1', asn: 65001, localAsn: 65002, ...overrides }),
      clock,
      hosts[1],
      second,
      random,
    ),
  ] as const
  await speakers[0].listen(hosts[0])
  await speakers[1].listen(hosts[1])
  return { clock, speakers }
}

/** A plain generator of numbers in [0, 1) from one seed (mulberry32). */
function dice(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

t.test('two speakers that dial each other end with one session that stays', async (t) => {
  t.comment(`seed ${seed}`)
  let collisions = 0
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      fc.constantFrom(1, 20, 400, 3000),
      fc.integer({ min: 0, max: 6000 }),
      fc.constantFrom([1, 2] as const, [2, 1] as const, [9, 9] as const, [1, 0xffffffff] as const),
      async (start, delayMs, laterMs, identifiers) => {
        const { clock, speakers } = await pair(dice(start), delayMs, identifiers)
        const [a, b] = speakers
        a.peer.start()
        clock.schedule(laterMs, () => b.peer.start())
        const both = (): boolean => a.peer.state === 'Established' && b.peer.state === 'Established'
        if (!clock.until(both, 120_000)) return false
        const ups = [a.ups, b.ups]
        clock.advance(3600_000)
        if (speakers.some(({ peer }) => peer.view().messages.sent.notification > 0)) collisions += 1
        const quiet = a.downs.length === 0 && b.downs.length === 0
        return quiet && both() && a.ups === ups[0] && b.ups === ups[1] && a.ups === 1 && b.ups === 1
      },
    ),
    { seed, numRuns: 300 },
  )
  t.ok(collisions > 50, `${collisions} of 300 runs had a collision to resolve`)
})
