/** Why a session isn't up: the words follow from what the peer and its events say. */
import t from 'tap'
import type { EventView } from '../../api/views.ts'
import { explainPeer } from '../../src/explain-peer.ts'
import { peer, STARTED_AT } from '../api/fake-views.ts'

const event = (text: string, name = 'tor'): EventView => ({
  id: 1,
  at: STARTED_AT,
  kind: 'peer.error',
  level: 'warn',
  peer: name,
  text,
  data: null,
})

t.test('each reason has something to check', async (t) => {
  for (const [reason, check] of [
    ['10.0.0.254 refused the connection: nothing listens on port 179 there', /BGP daemon/],
    ['10.0.0.254 is unreachable: no route leads there', /ip neigh show 10\.0\.0\.254/],
    ['no answer from 10.0.0.254 port 179 (unreachable, filtered)', /MD5 key/],
    ['source address 10.0.0.1 is not on this host', /ip address/],
    ['connecting to 10.0.0.254 was forbidden on this host', /nft list ruleset/],
    ['10.0.0.254 closed the connection before its OPEN', /configured as a neighbour/],
    ['10.0.0.254 says AS 65009, configured 65001', /expects AS 65001/],
    ['no address family in common: we want a, it offers b', /families/],
    ['hold timer expired: nothing came from the peer', /MTU/],
    ['administratively down', /routelet enable tor/],
    ['waiting for 10.0.0.254 to connect (passive)', /dial/],
    ['something nobody has seen before', /the events of this peer/],
  ] as const) {
    const down = peer('tor', { state: 'Active', reason })
    const { check: list, words } = explainPeer(down, [])
    t.match(list.join('\n'), check, reason)
    t.match(words.join('\n'), reason, 'the reason stands in the words')
  }
})

t.test('what was tried is that of this peer, and what it said is quoted', async (t) => {
  const text = 'received NOTIFICATION Cease / Administrative Shutdown: it says "moving"'
  const down = peer('tor', {
    state: 'Idle',
    reason: text,
    lastError: { at: STARTED_AT, direction: 'received', text },
  })
  const { heard, tried } = explainPeer(down, [event('of another', 'other'), event(text)])
  t.equal(heard, text)
  t.same(
    tried.map((one) => one.text),
    [text],
  )
})

t.test('a session that is up has nothing to check', async (t) => {
  const { check, words } = explainPeer(peer('tor'), [])
  t.same(check, [])
  t.same(words, ['The session with tor is up.'])
})
