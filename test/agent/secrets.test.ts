/**
 * A password that was configured appears in no answer, recording, event, log line or metric: each is
 * searched for it, in the clear and encoded.
 */
import t from 'tap'
import { buildApi } from '../../api/index.ts'
import { AgentAnswers } from '../../src/agent-views.ts'
import { createLog } from '../../src/log.ts'
import { node, stage } from './scene.ts'

const password = 'corr3ct-h0rse-battery'
const secret = `---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: kube-system}
data: {tor: ${Buffer.from(password).toString('base64')}}
---
apiVersion: routelet.io/v1
kind: BGPPeer
metadata: {name: tor}
spec:
  peerIP: 10.0.0.2
  asNumber: 65002
  password: {secretKeyRef: {name: keys, key: tor}}
`

t.test('a password is nowhere to be read', async (t) => {
  const scene = stage(node() + secret)
  const lines: string[] = []
  const log = createLog('trace', 'n1', scene.clock, (line) => lines.push(line))
  scene.agent.events.subscribe((event) => log.event(event))
  await scene.agent.start()
  scene.clock.advance(120_000)
  const answers = new AgentAnswers(scene.agent, log)
  const app = buildApi(answers, {
    listener: 'unix',
    gatekeeper: null,
    tls: null,
    web: '/nowhere',
    version: '0.1.0',
    onFailure: (error) => t.fail(error.message),
  })
  const shown: string[] = []
  for (const url of [
    '/v1/node',
    '/v1/plan',
    '/v1/peers',
    '/v1/peers/tor',
    '/v1/peers/tor/routes',
    '/v1/peers/tor/recording',
    '/v1/routes',
    '/v1/routes?stream',
    '/v1/explain?prefix=10.1.0.0/24',
    '/v1/fib',
    '/v1/fib/status',
    '/v1/fib/diff',
    '/v1/fib/nexthops',
    '/v1/events',
    '/openapi.json',
    '/metrics',
    '/healthz',
    '/readyz',
  ]) {
    const response = await app.inject({ url, headers: { accept: 'application/json' } })
    t.ok(response.statusCode < 500 || url === '/readyz', url)
    shown.push(response.body)
  }
  for (const order of ['reset', 'shutdown', 'enable', 'refresh']) {
    shown.push((await app.inject({ method: 'POST', url: `/v1/peers/tor/${order}` })).body)
  }
  shown.push(JSON.stringify(answers.events(0, 1000)), ...lines)
  const all = shown.join('\n')
  t.match(all, /"password":true/, 'that there is one may be said')
  t.ok(lines.length > 0, 'something was logged')
  for (const encoding of ['utf8', 'base64', 'hex', 'base64url'] as const) {
    t.notOk(all.includes(Buffer.from(password).toString(encoding)), encoding)
  }
  answers.close()
  await app.close()
  await scene.agent.close()
  log.close()
})
