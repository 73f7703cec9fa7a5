/** What Prometheus scrapes: every metric of the table, with values that don't add up over scrapes. */
import t from 'tap'
import { createMetrics } from '../../src/metrics.ts'
import { waitUntil } from '../network/wait.ts'
import { node, peer, stage, started } from './scene.ts'

const delay = () => ({ p50: 1, p99: 20, max: 300 })

t.test('a scrape has every metric, and the next one is not its double', async (t) => {
  const { agent, clock } = await started(node() + peer)
  clock.advance(1000)
  const metrics = createMetrics(agent, delay)
  const { contentType, body } = await metrics.read()
  t.match(contentType, /^text\/plain; version=0\.0\.4/)
  for (const line of [
    'routelet_ready 0',
    'routelet_info{version="0.1.0",node="n1"} 1',
    'routelet_peer_up{peer="tor",type="ebgp"} 0',
    'routelet_peer_flaps_total{peer="tor",reason="bfd"} 0',
    'routelet_peer_messages_total{peer="tor",direction="sent",message="update"} 0',
    'routelet_session_ends_total{reason="hold_timer"} 0',
    'routelet_healthy 1',
    'routelet_peer_received_prefixes{peer="tor",family="ipv4-unicast"} 0',
    'routelet_rib_prefixes{family="ipv4-unicast"} 1',
    'routelet_rib_paths{family="ipv6-unicast"} 0',
    'routelet_rib_attribute_sets 1',
    'routelet_fib_routes{status="installed"} 0',
    'routelet_fib_routes{status="pending"} 1',
    'routelet_fib_operations_total{operation="added"} 0',
    'routelet_conditions{severity="error"} 0',
    'routelet_event_loop_delay_seconds{percentile="99"} 0.02',
  ]) {
    t.ok(body.split('\n').includes(line), line)
  }
  t.match(body, /^routelet_peers\{state="\w+"\} 1$/m)
  t.match(body, /^routelet_resident_memory_bytes [1-9]\d+$/m)
  const again = (await metrics.read()).body
  const stable = (text: string) => text.replace(/^routelet_resident.*$/m, '')
  t.equal(stable(again), stable(body))
  await agent.close()
})

t.test('conditions are counted by severity', async (t) => {
  const { agent } = await started(peer)
  const { body } = await createMetrics(agent, delay).read()
  t.match(body, /^routelet_conditions\{severity="error"\} 1$/m)
  t.match(body, /^routelet_conditions\{severity="info"\} 0$/m)
  await agent.close()
})

t.test('mesh peers are counted together, whatever the others are called', async (t) => {
  const other = `---
apiVersion: v1
kind: Node
metadata: {name: n2}
status: {addresses: [{type: InternalIP, address: 10.0.0.3}]}
`
  const named = peer.replace('name: tor', 'name: mesh.tor')
  const { agent } = await started(node() + other + named)
  const { body } = await createMetrics(agent, delay).read()
  t.match(body, /^routelet_group_peers\{group="mesh",state="\w+"\} 1$/m)
  t.match(body, /^routelet_peer_up\{peer="mesh\.tor",type="ebgp"\} 0$/m)
  t.notMatch(body, /peer="mesh\.n2/)
  await agent.close()
})

t.test('requests to an API server are counted by verb and status', async (t) => {
  const { agent } = await started(node() + peer)
  const requests = () =>
    [
      { verb: 'list', status: 200, count: 3, seconds: 0.5 },
      { verb: 'watch', status: 0, count: 1, seconds: 30 },
    ] as const
  const { body } = await createMetrics(agent, delay, requests).read()
  for (const line of [
    'routelet_kubernetes_requests_total{verb="list",code="200"} 3',
    'routelet_kubernetes_request_seconds_total{verb="list",code="200"} 0.5',
    'routelet_kubernetes_requests_total{verb="watch",code="none"} 1',
  ]) {
    t.ok(body.split('\n').includes(line), line)
  }
  await agent.close()
})

t.test(
  'a peer that flaps says why, in one of few words, until it is configured no more',
  async (t) => {
    const { agent, write } = await started(node() + peer)
    const metrics = createMetrics(agent, delay)
    const lose = (name: string, text: string) =>
      agent.events.add({ kind: 'peer.down', level: 'warn', peer: name, text })
    lose('tor', 'hold timer expired: nothing heard for 90 s')
    lose('tor', 'hold timer expired: nothing heard for 90 s')
    lose('tor', 'what nobody has thought of')
    lose('somebody-else', 'hold timer expired: nothing heard for 90 s')
    const { body } = await metrics.read()
    t.match(body, 'routelet_peer_flaps_total{peer="tor",reason="hold_timer"} 2\n')
    t.match(body, 'routelet_peer_flaps_total{peer="tor",reason="other"} 1\n')
    t.match(body, 'routelet_session_ends_total{reason="hold_timer"} 3\n')
    t.notMatch(body, /somebody-else/)
    write(node())
    await waitUntil(
      'the peer to go',
      async () => (await metrics.read()).body,
      (seen) => !seen.includes('peer="tor"'),
    )
    await agent.close()
  },
)

t.test('an agent that is still starting can be scraped', async (t) => {
  const { agent } = stage(node())
  const { body } = await createMetrics(agent, delay).read()
  t.match(body, /^routelet_ready 0$/m)
})
