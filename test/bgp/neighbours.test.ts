/** Who a connection is for, found without a walk through all peers. */
import t from 'tap'
import { admit, doorRules, Neighbourhood } from '../../bgp/neighbours.ts'
import type { PeerEntry } from '../../bgp/peer-entry.ts'
import type { PeerSession } from '../../bgp/session/peer.ts'
import { peerConfig } from './engine-scene.ts'

const range = peerConfig('nodes', { address: null, range: '10.0.0.0/16', rangeLimit: 2 })
const door = doorRules([peerConfig('rack'), range], [])

/** All that is asked of an entry here: its address, its range, and which session it is. */
function entry(address: string, of: string | null): PeerEntry {
  const session = { address } as unknown as PeerSession
  return { config: peerConfig(address, { address }), session, range: of } as unknown as PeerEntry
}

t.test('a connection goes to the peer of its address, else to its range', async (t) => {
  const all = new Neighbourhood()
  const named = entry('10.0.0.1', null)
  const dynamic = entry('10.0.0.2', 'nodes')
  all.add(named)
  all.add(dynamic)
  const ask = (address: string) => admit(address, all, door)
  t.same(ask('10.0.0.1'), { session: named.session })
  t.same(ask('10.0.0.2'), { session: dynamic.session })
  t.same(ask('10.0.0.3'), { range })
  t.match(ask('10.1.0.1'), { refused: 'no peer is configured for it' })
})

t.test('a range counts its own neighbours, and lets others in when they have gone', async (t) => {
  const all = new Neighbourhood()
  const [first, second, named] = [
    entry('10.0.0.1', 'nodes'),
    entry('10.0.0.2', 'nodes'),
    entry('10.0.0.9', null),
  ]
  for (const each of [first, second, named]) all.add(each)
  t.match(admit('10.0.0.3', all, door), { refused: 'nodes already has 2 neighbours' })
  all.remove(second)
  t.same(admit('10.0.0.3', all, door), { range })
  all.remove(second)
  t.equal(all.acceptedBy('nodes'), 1, 'one that is gone already changes nothing')
})

t.test('an address of pods is refused, unless the range lies inside of theirs', async (t) => {
  const none = new Neighbourhood()
  const pods = { prefix: '10.0.7.0/24', match: 'covered', reason: 'own pod CIDR' } as const
  const exact = { prefix: '10.0.8.0/24', match: 'exact', reason: 'a service' } as const
  const inside = peerConfig('pods', { address: null, range: '10.0.7.64/26', rangeLimit: 2 })
  const refuse = [exact, pods]
  for (const [caption, config, address, answer] of [
    ['beside it', range, '10.0.6.255', { range }],
    ['in it', range, '10.0.7.1', { refused: /in 10\.0\.7\.0\/24 \(own pod CIDR\)/ }],
    ['one that is refused only as a whole', range, '10.0.8.1', { range }],
    ['a range of pods', inside, '10.0.7.65', { range: inside }],
    ['another family', range, 'fe80::1%eth0', { refused: 'no peer is configured for it' }],
  ] as const) {
    t.match(admit(address, none, doorRules([config], refuse)), answer, caption)
  }
})

t.test('a range is found by its address whatever its zone', async (t) => {
  const links = peerConfig('links', { address: null, range: 'fe80::/10', rangeLimit: 2 })
  const answer = admit('fe80::1%eth0', new Neighbourhood(), doorRules([range, links], []))
  t.same(answer, { range: links })
})

t.test('of two peers with one address, the other takes over when the first has gone', async (t) => {
  const all = new Neighbourhood()
  const [first, second] = [entry('10.0.0.1', null), entry('10.0.0.1', null)]
  all.add(first)
  all.add(second)
  t.equal(all.at('10.0.0.1'), first)
  all.remove(first)
  t.equal(all.at('10.0.0.1'), second)
  all.remove(second)
  t.equal(all.at('10.0.0.1'), null)
})
