/** OPENs that are made once for many peers, and never for one they aren't meant for. */
import t from 'tap'
import { Greetings, greetingsMax } from '../../../bgp/session/greeting.ts'
import { localOpen } from '../../../bgp/session/negotiate.ts'
import { noRestart } from '../../../bgp/session/restart.ts'
import type { PeerConfig } from '../../../bgp/types.ts'
import { encodeOpen } from '../../../bgp/wire/open.ts'
import { ourRouterId, peerConfig } from './scene.ts'

const identity = { routerId: ourRouterId, restart: noRestart }

t.test('peers of a range are sent one and the same OPEN', async (t) => {
  const greetings = new Greetings()
  const range = peerConfig()
  const first = greetings.of({ ...range, name: 'a', address: '10.0.0.2' }, identity)
  const second = greetings.of({ ...range, name: 'b', address: '10.0.0.3' }, identity)
  t.equal(first, second)
  t.same(first.open, localOpen(range, ourRouterId))
  t.same(first.message, encodeOpen(first.open))
})

t.test('whatever changes the OPEN makes another one', async (t) => {
  const changes: readonly Partial<PeerConfig>[] = [
    { localAsn: 65_009 },
    { asn: 65_001 },
    { holdSeconds: 30 },
    { families: ['ipv4-unicast', 'ipv6-unicast'] },
    { gracefulRestart: 'Disabled' },
    { restartSeconds: 7 },
    { addPathReceive: true },
    { addPathSend: 'Best' },
    { address: 'fd00::2' },
  ]
  const greetings = new Greetings()
  greetings.of(peerConfig(), identity)
  for (const change of changes) {
    const { message } = greetings.of(peerConfig(change), identity)
    t.same(message, encodeOpen(localOpen(peerConfig(change), ourRouterId)), JSON.stringify(change))
  }
})

t.test('another identity is said in another OPEN', async (t) => {
  const greetings = new Greetings()
  const range = peerConfig()
  const restart = { restarting: true, forwarding: ['ipv4-unicast'] } as const
  greetings.of(range, identity)
  t.same(greetings.of(range, { ...identity, routerId: 7 }).open, localOpen(range, 7))
  const { open } = greetings.of(range, { ...identity, restart })
  t.same(open, localOpen(range, ourRouterId, restart))
})

t.test('the oldest is forgotten, and made again when it is asked for', async (t) => {
  const greetings = new Greetings()
  const holding = (holdSeconds: number) => peerConfig({ families, holdSeconds })
  const { families } = peerConfig()
  const first = greetings.of(holding(30), identity)
  for (let more = 1; more < greetingsMax; more++) greetings.of(holding(30 + more), identity)
  t.equal(greetings.of(holding(30), identity), first)
  greetings.of(holding(99), identity)
  const again = greetings.of(holding(30), identity)
  t.not(again, first)
  t.same(again, first)
})
