/** A session that is Established though nothing reaches the peer is shown with the reason. */
import t from 'tap'
import type { Resolution } from '../../fib/types.ts'
import { cutOffNamedMax, cutOffProblems, markCutOff } from '../../src/cut-off.ts'
import { explainPeer } from '../../src/explain-peer.ts'
import { FibNextHopTracker } from '../../src/next-hop-tracker.ts'
import { peer } from '../api/fake-views.ts'

const dead = (address: string) => () => (address === '' ? null : 'link eth0 has no carrier')

t.test('a peer is marked only while it is Established and unreachable', async (t) => {
  const up = peer('tor', { state: 'Established', holdSeconds: 90 })
  t.match(markCutOff(up, dead(up.address)).reason, /unreachable: link eth0 .* hold time of 90 s/)
  t.equal(
    markCutOff(up, () => null),
    up,
    'reachable',
  )
  const down = peer('tor', { state: 'Active', reason: 'refused' })
  t.equal(markCutOff(down, dead(down.address)), down, 'it has its own reason')
  const timeless = peer('tor', { state: 'Established', holdSeconds: null })
  t.match(markCutOff(timeless, dead(timeless.address)).reason, /without a hold timer/)
})

t.test('each is a condition that names the peer, and explain says what to check', async (t) => {
  const up = peer('tor', { state: 'Established', holdSeconds: 90 })
  t.match(cutOffProblems([up, peer('other', { state: 'Idle' })], dead(up.address)), [
    { reason: 'PeerUnreachable', severity: 'error', subject: 'peer tor', remedy: /--peer tor/ },
  ])
  const { check, words } = explainPeer(markCutOff(up, dead(up.address)), [])
  t.match(words[0], /is still up, but .* is unreachable: link eth0 has no carrier/)
  t.match(check.join('\n'), /the cable, the port[\s\S]*ip neigh show/)
})

t.test('a link that carried thousands is told in a few conditions', async (t) => {
  const many = Array.from({ length: 3000 }, (_, index) => peer(`node-${index}`))
  const problems = cutOffProblems(many, () => 'link eth0 has no carrier')
  t.equal(problems.length, cutOffNamedMax + 1)
  t.equal(problems.at(-1)?.message, `${3000 - cutOffNamedMax} further peers are unreachable`)
})

t.test('the tracker knows why for as long as a next hop is tracked and unreachable', async (t) => {
  let tell: (resolutions: readonly Resolution[]) => void = () => undefined
  const untracked: string[] = []
  const tracker = new FibNextHopTracker({
    track: () => undefined,
    untrack: (nextHop) => untracked.push(nextHop),
    onResolution: (listener) => {
      tell = listener
    },
  })
  const heard: unknown[] = []
  tracker.onChange((states) => heard.push(...states))
  const resolution = (nextHop: string, reachable: boolean): Resolution => ({
    ...{ nextHop, reachable, metric: 0, onLink: reachable },
    gateways: reachable ? [{ interface: 'eth0', gateway: null }] : [],
    reason: reachable ? 'on link at eth0' : 'link eth0 has no carrier',
  })
  for (const nextHop of ['192.0.2.1', '192.0.2.2']) tracker.track(nextHop)
  tell([resolution('192.0.2.1', false), resolution('192.0.2.2', true)])
  t.equal(tracker.whyUnreachable('192.0.2.1'), 'link eth0 has no carrier')
  t.equal(tracker.whyUnreachable('192.0.2.2'), null)
  t.notOk(tracker.allReachable)
  t.same(heard[1], { nextHop: '192.0.2.2', reachable: true, metric: 0, interfaces: ['eth0'] })
  tell([resolution('192.0.2.1', true), resolution('192.0.2.2', false)])
  t.equal(tracker.whyUnreachable('192.0.2.1'), null)
  tracker.untrack('192.0.2.2')
  t.equal(tracker.whyUnreachable('192.0.2.2'), null, 'it may have come back meanwhile')
  tell([resolution('192.0.2.2', false)])
  t.equal(tracker.whyUnreachable('192.0.2.2'), null, 'an answer that crossed with `untrack`')
  t.ok(tracker.allReachable)
  t.same(untracked, ['192.0.2.2'])
})
