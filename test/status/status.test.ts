/**
 * What the cluster is told, and how seldom: time stands still and is moved by hand.
 */
import t from 'tap'
import type { EventView, NodeView } from '../../api/views.ts'
import type { PeerView } from '../../bgp/types.ts'
import { NodeRoutingStatus } from '../../src/config/schema/node-routing.ts'
import { readValue } from '../../src/config/validate.ts'
import { burst, EventPoster, refillSeconds } from '../../src/status/event-poster.ts'
import { describeRouting, differsUrgently } from '../../src/status/node-routing.ts'
import { countersSeconds, StatusWriter, urgentSeconds } from '../../src/status/status-writer.ts'
import { FakeClock } from '../bgp/clock.ts'
import { nodeView, peerView, Recorder } from './scene.ts'

const routing = '/apis/routelet.io/v1/noderoutings/n1'
const condition = 'patch /api/v1/nodes/n1/status'

t.test(
  'a status says what the schema of NodeRouting allows, those that are down first',
  async (t) => {
    const families = [
      { family: 'ipv4-unicast', negotiated: true, received: 5, accepted: 4, advertised: 3 },
    ] as unknown as PeerView['families']
    const peers = [
      peerView('a', { families }),
      peerView('b', { state: 'Idle', reason: 'no route to host', since: null }),
    ]
    const warning = { severity: 'warning', message: 'm', remedy: 'r' } as const
    const node = nodeView({
      conditions: [
        { ...warning, reason: 'FibConflict', subject: 'x' },
        { ...warning, reason: 'FibConflict', subject: 'y' },
      ],
    })
    const status = describeRouting(node, peers, 1_000, null)
    t.same(readValue(NodeRoutingStatus as object, status, []).faults, [])
    t.same(
      status.peers.map(({ name }) => name),
      ['b', 'a'],
    )
    t.same(status.peers[1]?.ipv4, { received: 5, accepted: 4, advertised: 3 })
    t.match(status.conditions, [
      { type: 'Ready', status: 'True' },
      { type: 'FibConflict', status: 'True', message: 'x: m (r); y: m (r)' },
    ])
  },
)

t.test('a condition that lasts keeps its time, counters are nothing urgent', async (t) => {
  const first = describeRouting(nodeView(), [peerView('a')], 1_000, null)
  const later = describeRouting(nodeView(), [peerView('a', { since: 1 })], 9_000, first)
  t.equal(later.conditions[0]?.lastTransitionTime, first.conditions[0]?.lastTransitionTime)
  t.notOk(differsUrgently(first, later))
  const unready = nodeView({ ready: false, readyReason: 'no peer' })
  const lost = describeRouting(unready, [peerView('a', { state: 'Idle' })], 9_000, first)
  t.not(lost.conditions[0]?.lastTransitionTime, first.conditions[0]?.lastTransitionTime)
  t.ok(differsUrgently(first, lost))
})

function writer(view: NodeView, peers: readonly PeerView[]) {
  const clock = new FakeClock()
  const client = new Recorder()
  const shown = { view, peers }
  const told: string[] = []
  const writer = new StatusWriter('n1', {
    client,
    clock,
    random: () => 0,
    node: async () => shown.view,
    peers: () => shown.peers,
    report: (problem) => told.push(problem),
  })
  writer.start()
  /** Lets time pass in steps of the writer's looks, and what they begin come to its end. */
  const pass = async (seconds: number) => {
    for (let passed = 0; passed <= seconds; passed += 5) {
      clock.advance(passed === 0 ? 0 : 5_000)
      await new Promise((resolve) => setImmediate(resolve))
    }
    return client.take()
  }
  return { client, shown, told, pass, writer }
}

t.test('the object is written when something changes, and seldom for counters', async (t) => {
  const { shown, pass } = writer(nodeView({ ready: false, readyReason: 'x' }), [peerView('a')])
  t.same(await pass(0), [`patch ${routing}/status`], 'at first; the node is not ready')
  t.same(await pass(60), [], 'nothing is new')
  shown.peers = [peerView('a', { state: 'Active' })]
  t.same(await pass(urgentSeconds), [`patch ${routing}/status`], 'a session is lost')
  shown.view = nodeView({ ready: true })
  t.same(await pass(urgentSeconds), [`patch ${routing}/status`, condition], 'routes flow')
  shown.view = nodeView({ announcements: [] })
  t.same(await pass(countersSeconds - 30), [], 'a counter moved')
  t.same(await pass(60), [`patch ${routing}/status`])
  shown.view = nodeView({ ready: false, readyReason: 'x' })
  t.same(await pass(60), [`patch ${routing}/status`], 'the condition of the Node stays')
})

t.test('an object that is missing is made, as a dependant of its Node', async (t) => {
  const { client, pass } = writer(nodeView({ ready: false }), [])
  client.refusals.push(404)
  t.same(await pass(0), [
    `patch ${routing}/status`,
    'get /api/v1/nodes/n1',
    `patch ${routing}`,
    `patch ${routing}/status`,
  ])
})

t.test('a refusal is told once, and tried again', async (t) => {
  const { client, pass, told, writer: ours } = writer(nodeView({ ready: false }), [])
  client.refusals.push(403, 403)
  await pass(120)
  t.equal(told.length, 1)
  t.match(told[0], /the status of the node can't be written: refused with 403/)
  t.equal(client.refusals.length, 0)
  ours.close()
  t.same(await pass(600), [], 'closed')
})

t.test('lost sessions are events of the Node, rationed', async (t) => {
  const clock = new FakeClock()
  const client = new Recorder()
  const problems: string[] = []
  const poster = new EventPoster('n1', { client, clock, report: (text) => problems.push(text) })
  const happening = (kind: string, peer: string | null, text: string): EventView => ({
    id: 1,
    at: 1_000,
    kind,
    level: kind === 'peer.established' ? 'info' : 'warn',
    peer,
    text,
    data: kind === 'condition' ? { reason: 'MissingSecret' } : null,
  })
  const reasons = () =>
    client.sent.splice(0).map(({ body }) => {
      const { reason, note } = body as { readonly reason: string; readonly note: string }
      return `${reason} ${note}`
    })
  await poster.take(happening('peer.established', 'tor', 'up'))
  await poster.take(happening('listen', null, 'on port 179'))
  t.same(reasons(), [], 'nothing the cluster asks for')
  await poster.take(happening('peer.down', 'tor', 'hold timer expired'))
  await poster.take(happening('peer.established', 'tor', 'up'))
  await poster.take(happening('condition', null, 'no Secret'))
  t.same(reasons(), [
    'SessionLost tor: hold timer expired',
    'SessionEstablished tor: up',
    'MissingSecret no Secret',
  ])
  for (let flap = 0; flap < burst; flap++) await poster.take(happening('peer.down', 'tor', 'x'))
  t.equal(reasons().length, burst - 3)
  clock.advance(refillSeconds * 1000)
  await poster.take(happening('peer.down', 'tor', 'x'))
  t.same(reasons(), ['SessionLost tor: x (3 events before it were not told)'])
  client.refusals.push(403, 403)
  clock.advance(2 * refillSeconds * 1000)
  for (let again = 0; again < 2; again++) await poster.take(happening('peer.down', 'tor', 'x'))
  t.match(problems, [/events can't be posted: refused with 403/])
  t.equal(problems.length, 1)
})
