/** Announcements that follow endpoints: they go at once, and come back when the hold-down is over. */
import t from 'tap'
import type { Announcement } from '../../bgp/types.ts'
import { AgentAnswers } from '../../src/agent-views.ts'
import { goneMax, HoldDown } from '../../src/hold-down.ts'
import { FakeClock } from '../bgp/clock.ts'
import { waitUntil } from '../network/wait.ts'
import { configuration, node, podCidr, started } from './scene.ts'

const steady = '10.1.0.0/24'
const flapping = '192.0.2.1/32'
const other = '192.0.2.2/32'

const announcement = (prefix: string): Announcement => ({ prefix, reason: 'r', communities: [] })

function stage(holdDownSeconds = 10) {
  const clock = new FakeClock()
  let told: readonly string[] = []
  const holdDown = new HoldDown(clock, (all) => {
    told = all.map(({ prefix }) => prefix)
  })
  return {
    clock,
    holdDown,
    told: () => told,
    want: (...unsteady: readonly string[]) =>
      holdDown.settle({
        announcements: [steady, ...unsteady].map(announcement),
        unsteady,
        holdDownSeconds,
      }),
  }
}

t.test('the first time at once, gone at once, back after the hold-down', async (t) => {
  const { clock, holdDown, told, want } = stage()
  want(flapping)
  t.same(told(), [steady, flapping])
  t.equal(clock.pending, 0, 'nothing to wait for')
  want()
  t.same(told(), [steady])
  clock.advance(3000)
  want(flapping)
  t.same(told(), [steady], 'it is held back')
  t.match(holdDown.problems, [{ reason: 'AnnouncementHeldDown', subject: flapping }])
  clock.advance(6999)
  t.same(told(), [steady])
  clock.advance(1)
  t.same(told(), [steady, flapping], 'ten seconds after it went')
  t.same(holdDown.problems, [])
})

t.test('what flaps moves traffic once in a hold-down', async (t) => {
  const { clock, told, want } = stage()
  let changes = 0
  let before = ''
  for (let second = 0; second < 60; second++) {
    if (second % 2 === 0) want(flapping)
    else want()
    if (told().join() !== before) changes++
    before = told().join()
    clock.advance(1000)
  }
  t.ok(changes <= 13, `${changes} changes in a minute of flapping every second`)
})

t.test('each prefix has its own time', async (t) => {
  const { clock, told, want } = stage()
  want(flapping, other)
  want(other)
  clock.advance(5000)
  want()
  want(flapping, other)
  t.same(told(), [steady])
  clock.advance(5000)
  t.same(told(), [steady, flapping])
  clock.advance(5000)
  t.same(told(), [steady, flapping, other])
})

t.test('a prefix that something steady asks for is not held back', async (t) => {
  const { holdDown, told, want } = stage()
  want(flapping)
  want()
  holdDown.settle({
    announcements: [announcement(flapping)],
    unsteady: [],
    holdDownSeconds: 10,
  })
  t.same(told(), [flapping])
})

t.test('a hold-down of zero is none', async (t) => {
  const { told, want } = stage(0)
  want(flapping)
  want()
  want(flapping)
  t.same(told(), [steady, flapping])
})

t.test('memory of what went is bounded: the oldest may come back at once', async (t) => {
  const { told, want } = stage()
  const many = Array.from({ length: goneMax + 1 }, (_, i) => `10.${i >> 8}.${i & 255}.1/32`)
  want(...many)
  want()
  want(...many)
  t.same(told(), [steady, many[0]])
})

t.test('nothing runs after the end', async (t) => {
  const { clock, holdDown, want } = stage()
  want(flapping)
  want()
  want(flapping)
  t.equal(clock.pending, 1)
  holdDown.close()
  t.equal(clock.pending, 0)
})

t.test('an agent announces what endpoints allow, and says what it holds back', async (t) => {
  const shop = (ready: boolean) =>
    `${configuration('{serviceLoadBalancerIPs: [{cidr: 192.0.2.0/24}]}')}---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default}
spec: {type: LoadBalancer, clusterIP: 10.96.0.1, externalTrafficPolicy: Local}
status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-1, namespace: default, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
endpoints: [{nodeName: n1, conditions: {ready: ${ready}}}]
`
  const scene = await started(node() + shop(true))
  t.teardown(() => scene.agent.close())
  const announced = () => scene.agent.holdDown.announced.map(({ prefix }) => prefix)
  const until = (what: string, count: number) =>
    waitUntil(what, announced, (seen) => seen.length === count)
  t.same(announced(), [podCidr, '192.0.2.0/24', flapping])
  scene.write(node() + shop(false))
  await until('the address to be withdrawn', 2)
  scene.write(node() + shop(true))
  await waitUntil(
    'the address to be held back',
    () => scene.agent.holdDown.problems.length,
    (count) => count === 1,
  )
  const answers = new AgentAnswers(scene.agent)
  t.teardown(() => answers.close())
  const { conditions } = await answers.node()
  t.match(conditions, [{ reason: 'AnnouncementHeldDown', severity: 'info' }])
  const { body } = await answers.metrics()
  t.match(body, /^routelet_conditions\{severity="info"\} 1$/m, 'counted as it is shown')
  scene.clock.advance(10_000)
  t.same(announced(), [podCidr, '192.0.2.0/24', flapping])
})
