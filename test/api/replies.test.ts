/**
 * How replies travel: pages that go on, tags that save a reply, compression, whole tables as JSON
 * lines, the limit on orders, and the server that has probes and metrics alone.
 */
import { once } from 'node:events'
import { get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { buildApi, buildProbes, tokenGatekeeper } from '../../api/index.ts'
import { formatToken, parseToken } from '../../api/page-token.ts'
import { Problem, problemType } from '../../api/problem.ts'
import { BULK_STREAMS_MAX } from '../../api/routes/tables.ts'
import type { AgentViews } from '../../api/views.ts'
import { fakeAgent, path } from './fake-views.ts'

const TOKEN = 'a-token'

function build(changes: Partial<AgentViews> = {}): FastifyInstance {
  return buildApi(fakeAgent(changes).views, {
    listener: 'loopback',
    gatekeeper: tokenGatekeeper(() => TOKEN),
    tls: null,
    web: '/nowhere',
    version: '0.1.0',
    onFailure: (error) => t.fail(error.message),
  })
}

t.test('a token leads back to its place, and only with its own question', async (t) => {
  const question = ['routes', '10.0.0.0/8', 'covered', 'all']
  for (const last of ['10.1.1.0/24', '2001:db8::/32', '0.0.0.0/0']) {
    const token = formatToken(question, last) ?? ''
    t.equal(parseToken(question, token), last)
    t.throws(() => parseToken(['fib'], token), /another question/)
  }
  t.equal(formatToken(question, null), null, 'the last page has none')
  t.equal(parseToken(question, undefined), null)
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      try {
        parseToken(question, text)
        return false
      } catch (error) {
        return error instanceof Problem && error.kind === 'badParameter'
      }
    }),
    { seed: 1 },
  )
})

t.test('a reply that has not changed is not sent again', async (t) => {
  let peers = fakeAgent().views.peers()
  const app = build({ peers: () => peers })
  const first = await app.inject('/v1/peers')
  const tag = String(first.headers.etag)
  t.match(tag, /^W\/"[\w-]{22}"$/)
  t.equal(first.headers['cache-control'], 'private, no-cache')
  for (const header of [tag, `"another", ${tag}`, tag.replace('W/', ''), '*']) {
    const again = await app.inject({ url: '/v1/peers', headers: { 'if-none-match': header } })
    t.equal(again.statusCode, 304, header)
    t.equal(again.body, '')
    t.equal(again.headers.etag, tag)
  }
  peers = peers.slice(1)
  const changed = await app.inject({ url: '/v1/peers', headers: { 'if-none-match': tag } })
  t.equal(changed.statusCode, 200)
  t.not(changed.headers.etag, tag)
  const missing = await app.inject({ url: '/v1/peers/nobody', headers: { 'if-none-match': '*' } })
  t.equal(missing.statusCode, 404, 'an error is never unchanged')
})

t.test('what is large is compressed for whoever can read it, and events never', async (t) => {
  const app = build()
  const headers = { 'accept-encoding': 'gzip, br' }
  const plain = await app.inject('/v1/peers')
  const packed = await app.inject({ url: '/v1/peers', headers })
  t.equal(plain.headers['content-encoding'], undefined)
  t.equal(packed.headers['content-encoding'], 'gzip')
  t.match(packed.headers.vary, /accept-encoding/)
  t.equal(gunzipSync(packed.rawPayload).toString(), plain.body)
  t.equal(packed.headers.etag, plain.headers.etag)
  const small = await app.inject({ url: '/healthz', headers })
  t.equal(small.headers['content-encoding'], undefined)
})

t.test('the whole table is a stream of JSON lines', async (t) => {
  const app = build()
  const accept = { accept: 'application/x-ndjson' }
  for (const [url, headers] of [
    ['/v1/routes?stream', {}],
    ['/v1/routes?stream=true&view=all', {}],
    ['/v1/routes', accept],
  ] as const) {
    const response = await app.inject({ url, headers })
    t.equal(response.statusCode, 200, url)
    t.equal(response.headers['content-type'], 'application/x-ndjson')
    const lines = response.body.trimEnd().split('\n')
    t.same(
      lines.map((line) => JSON.parse(line).prefix),
      ['10.1.1.0/24', '10.1.2.0/24', '10.1.3.0/24'],
    )
  }
})

t.test('a table that nobody reads is not made, and only so many are on their way', async (t) => {
  let made = 0
  const stretch = Array.from({ length: 100 }, (_, n) => path(`10.0.${n}.0/24`))
  const app = build({
    async *allRoutes() {
      for (;;) {
        made++
        yield stretch
      }
    },
  })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const ask = async () => {
    const request = get({ host: '127.0.0.1', port, path: '/v1/routes?stream', agent: false })
    const [response] = await once(request, 'response')
    return { request, response }
  }
  const open = []
  for (let n = 0; n < BULK_STREAMS_MAX; n++) open.push(await ask())
  const refused = await ask()
  t.equal(refused.response.statusCode, 503)
  t.ok(refused.response.headers['retry-after'])
  refused.request.destroy()
  let before = -1
  while (before !== made) {
    before = made
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  t.ok(made > 0, 'it stands still once the sockets are full')
  for (const { request } of open) request.destroy()
  let status = 503
  while (status === 503) {
    const { request, response } = await ask()
    status = response.statusCode
    request.destroy()
  }
  t.equal(status, 200, 'a client that goes makes room')
})

t.test('orders are limited, whoever gives them; questions are not', async (t) => {
  const app = build()
  const headers = { authorization: `Bearer ${TOKEN}` }
  const statuses = new Map<number, number>()
  for (let n = 0; n < 130; n++) {
    const url = `/v1/peers/rack-a/${n % 2 === 0 ? 'reset' : 'refresh'}`
    const remoteAddress = `127.0.0.${n + 1}`
    const { statusCode } = await app.inject({ method: 'POST', url, headers, remoteAddress })
    statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1)
  }
  t.same(
    [...statuses],
    [
      [202, 120],
      [429, 10],
    ],
  )
  const late = await app.inject({ method: 'POST', url: '/v1/drain', headers })
  t.equal(late.json().type, problemType('tooManyOrders'))
  t.ok(late.headers['retry-after'])
  t.equal((await app.inject('/v1/node')).statusCode, 200)
})

t.test('the level of the log is changed for a while', async (t) => {
  const { views, asked } = fakeAgent()
  const app = buildApi(views, {
    listener: 'unix',
    gatekeeper: null,
    tls: null,
    web: '/nowhere',
    version: '0.1.0',
    onFailure: (error) => t.fail(error.message),
  })
  const order = (query: string) => app.inject({ method: 'POST', url: `/v1/log${query}` })
  t.equal((await order('?level=debug')).statusCode, 202)
  t.equal((await order('?level=warn&seconds=5')).statusCode, 202)
  t.same(asked, ['log debug 600', 'log warn 5'])
  for (const query of ['', '?level=loud', '?level=debug&seconds=0', '?level=debug&for=ever']) {
    t.equal((await order(query)).statusCode, 400, query)
  }
})

t.test('the port of --metrics has metrics and probes and nothing else', async (t) => {
  const failures: Error[] = []
  const { views } = fakeAgent()
  const app = buildProbes(views, { onFailure: (error) => failures.push(error) })
  t.match((await app.inject('/metrics')).body, /^routelet_peers 2$/m)
  for (const url of ['/healthz', '/readyz']) t.equal((await app.inject(url)).statusCode, 200)
  for (const url of ['/', '/v1/node', '/v1/peers', '/openapi.json', '/metrics/', '/%zz']) {
    const response = await app.inject(url)
    t.ok(response.statusCode === 404 || response.statusCode === 400, url)
  }
  const order = await app.inject({ method: 'POST', url: '/v1/peers/rack-a/reset' })
  t.equal(order.statusCode, 404)
  t.match(order.json().remedy, /\/metrics/)
  t.same(failures, [])
})
