/**
 * The HTTP side over fake views: every route answers what its schema says, every fault is a problem
 * document with a remedy, and no input whatever makes it a 5xx.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import type { FastifyInstance, InjectOptions } from 'fastify'
import t from 'tap'
import { Compile } from 'typebox/compile'
import { type ApiOptions, buildApi, tokenGatekeeper } from '../../api/index.ts'
import { fibStatusSchema } from '../../api/kernel-schema.ts'
import { formatToken } from '../../api/page-token.ts'
import { problems, problemType } from '../../api/problem.ts'
import {
  eventListSchema,
  explainSchema,
  fibDifferenceListSchema,
  fibNexthopListSchema,
  fibPageSchema,
  nodeSchema,
  orderSchema,
  pathPageSchema,
  peerListSchema,
  peerSchema,
  planSchema,
  problemSchema,
  verdictSchema,
} from '../../api/schema.ts'
import type { AgentViews } from '../../api/views.ts'
import { makePair, needsOpenssl } from './certificate.ts'
import { fakeAgent } from './fake-views.ts'

const TOKEN = 'a-token'
const withToken = { authorization: `Bearer ${TOKEN}` }

function build(
  options: Partial<ApiOptions> = {},
  changes: Partial<AgentViews> = {},
): { app: FastifyInstance; asked: string[]; failures: Error[] } {
  const agent = fakeAgent(changes)
  const failures: Error[] = []
  const app = buildApi(agent.views, {
    listener: 'loopback',
    gatekeeper: tokenGatekeeper(() => TOKEN),
    tls: null,
    web: '/nowhere',
    version: '0.1.0',
    onFailure: (error) => failures.push(error),
    ...options,
  })
  return { app, asked: agent.asked, failures }
}

t.test('every question is answered as its schema says', async (t) => {
  const { app } = build()
  for (const [url, schema] of [
    ['/v1/node', nodeSchema],
    ['/v1/plan', planSchema],
    ['/v1/peers', peerListSchema],
    ['/v1/peers/rack-a', peerSchema],
    ['/v1/peers/rack-a/routes?view=accepted', pathPageSchema],
    ['/v1/routes', pathPageSchema],
    ['/v1/routes?prefix=10.1.0.0/16&match=covered&view=all&limit=2', pathPageSchema],
    ['/v1/explain?prefix=10.1.2.0/24', explainSchema],
    ['/v1/explain?prefix=10.1.2.0/24&peer=rack-b', explainSchema],
    ['/v1/fib', fibPageSchema],
    ['/v1/fib/status', fibStatusSchema],
    ['/v1/fib/nexthops', fibNexthopListSchema],
    ['/v1/fib/diff', fibDifferenceListSchema],
    ['/v1/events', eventListSchema],
    ['/healthz', verdictSchema],
    ['/readyz', verdictSchema],
  ] as const) {
    const response = await app.inject({ url, headers: { accept: 'application/json' } })
    t.equal(response.statusCode, 200, url)
    t.same([...Compile(schema).Errors(response.json())], [], `${url} fits its schema`)
  }
})

t.test('a recording is handed out as it is, and a session without one is said', async (t) => {
  const { app } = build()
  const recording = await app.inject('/v1/peers/rack-a/recording')
  t.equal(recording.statusCode, 200)
  t.equal(recording.headers['content-type'], 'application/jsonl; charset=utf-8')
  t.equal(recording.body, '{"recording":1}\n{"at":1,"event":"start"}\n')
  t.match((await app.inject('/v1/peers/rack-b/recording')).json(), {
    type: problemType('notRecorded'),
    status: 404,
  })
  t.equal((await app.inject('/v1/peers/rcak-a/recording')).json().type, problemType('unknownPeer'))
})

t.test('nothing of a view is lost on its way out', async (t) => {
  const agent = fakeAgent()
  const { app } = build()
  t.same((await app.inject('/v1/node')).json(), await agent.views.node())
  t.same((await app.inject('/v1/plan')).json(), agent.views.plan())
  t.same((await app.inject('/v1/peers')).json(), { items: agent.views.peers() })
  t.same(
    (await app.inject('/v1/explain?prefix=10.1.2.0/24')).json(),
    await agent.views.explain('10.1.2.0/24', null),
  )
})

t.test('parameters reach the views in canonical form and with their defaults', async (t) => {
  const token = formatToken(['routes', '10.1.2.3/32', 'exact', 'all'], '10.1.1.0/24')
  const query = { prefix: null, match: 'exact', view: 'best', limit: 100, continue: null }
  for (const [caption, url, asked] of [
    ['no parameters', '/v1/routes', { ...query }],
    [
      'an address looks for its longest match',
      '/v1/routes?prefix=10.1.2.3',
      { ...query, prefix: '10.1.2.3/32', match: 'longest' },
    ],
    [
      'an IPv6 address is written in its canonical form',
      '/v1/routes?prefix=2001:DB8:0:0::1',
      { ...query, prefix: '2001:db8::1/128', match: 'longest' },
    ],
    ['a prefix is looked for exactly', '/v1/routes?prefix=%3A%3A/0', { ...query, prefix: '::/0' }],
    [
      'what is asked for wins over the default',
      `/v1/routes?prefix=10.1.2.3&match=exact&view=all&limit=7&continue=${token}`,
      {
        prefix: '10.1.2.3/32',
        match: 'exact',
        view: 'all',
        limit: 7,
        continue: '10.1.1.0/24',
      },
    ],
  ] as const) {
    const { app, asked: seen } = build()
    t.equal((await app.inject(url)).statusCode, 200, caption)
    t.same(seen, [`routes ${JSON.stringify(asked)}`], caption)
  }
})

t.test('a page is continued where the one before ended', async (t) => {
  const { app } = build()
  const first = (await app.inject('/v1/routes?limit=2')).json()
  t.same(
    first.items.map(({ prefix }: { prefix: string }) => prefix),
    ['10.1.1.0/24', '10.1.2.0/24'],
  )
  const second = (await app.inject(`/v1/routes?limit=2&continue=${first.continue}`)).json()
  t.same(
    second.items.map(({ prefix }: { prefix: string }) => prefix),
    ['10.1.3.0/24'],
  )
  t.equal(second.continue, null)
})

t.test('bad input is a problem with a remedy', async (t) => {
  const { app } = build()
  const long = 'x'.repeat(1000)
  const other = formatToken(['routes', null, 'exact', 'best'], '10.1.1.0/24')
  for (const [url, kind, detail, remedy] of [
    ['/v1/routes?prefix=zz', 'badAddress', /"zz" is neither/, /10\.1\.2\.0\/24/],
    ['/v1/routes?prefix=10.1.2.3/24', 'badAddress', /bits set/, /10\.1\.2\.0\/24 .* 10\.1\.2\.3$/],
    ['/v1/routes?prefix=10.0.0.0/33', 'badAddress', /neither/, /write/],
    ['/v1/routes?prefix=10.0.0.0/08', 'badAddress', /neither/, /write/],
    ['/v1/routes?prefix=010.0.0.1', 'badAddress', /neither/, /write/],
    ['/v1/routes?prefix=::1/129', 'badAddress', /neither/, /write/],
    ['/v1/routes?prefix=fe80::1%25eth0', 'badAddress', /neither/, /write/],
    ['/v1/routes?prefix=10.0.0.0/8/8', 'badAddress', /neither/, /write/],
    ['/v1/routes?match=exact', 'badParameter', /no prefix to match/, /add prefix=/],
    ['/v1/routes?prefx=10.0.0.0/8', 'badParameter', /no parameter "prefx"/, /leave it out/],
    ['/v1/routes?limit=0', 'badParameter', /limit must be >= 1/, /openapi/],
    ['/v1/routes?limit=1001', 'badParameter', /limit must be <= 1000/, /openapi/],
    ['/v1/routes?limit=1.5', 'badParameter', /limit must be integer/, /openapi/],
    ['/v1/routes?limit=true', 'badParameter', /limit must be integer/, /openapi/],
    ['/v1/routes?limit=1e400', 'badParameter', /limit must be integer/, /digits alone/],
    ['/v1/routes?view=worst', 'badParameter', /view has none/, /view=best or view=all/],
    ['/v1/routes?continue=a%0Ab', 'badParameter', /continue/, /openapi/],
    ['/v1/routes?continue=abc', 'badParameter', /"abc" was not given by a page/, /begin anew/],
    ['/v1/fib?continue=10.0.0.0/8', 'badParameter', /not given by a page/, /begin anew/],
    [`/v1/fib?continue=${other}`, 'badParameter', /a page of another question/, /begin anew/],
    ['/v1/routes?stream=1', 'badParameter', /stream has none/, /stream=true/],
    ['/v1/routes?stream&prefix=10.0.0.0/8', 'badParameter', /whole table/, /leave out/],
    ['/v1/peers/rack-a/routes?continue=x', 'badParameter', /not given by a page/, /begin anew/],
    ['/v1/explain', 'badParameter', /prefix is missing/, /add prefix=/],
    ['/v1/explain?prefix=10.0.0.1&peer=rcak-a', 'unknownPeer', /rcak-a/, /did you mean rack-a/],
    ['/v1/peers/rakc-b', 'unknownPeer', /rakc-b/, /did you mean rack-b/],
    ['/v1/peers/elsewhere', 'unknownPeer', /elsewhere/, /GET \/v1\/peers/],
    ['/v1/peers/elsewhere/routes', 'unknownPeer', /elsewhere/, /GET \/v1\/peers/],
    [`/v1/peers/${long}`, 'badRequest', /max param length|x…$/, /openapi/],
    ['/v1/peers/%E0%A4%A', 'badRequest', /%E0%A4%A/, /openapi/],
    ['/v1/peer', 'unknownPath', /nothing at \/v1\/peer/, /did you mean \/v1\/peers\?/],
    ['/v1/events?after=-1', 'badParameter', /after must be >= 0/, /openapi/],
    ['/', 'noPage', /index\.html/, /npm run build/],
  ] as const) {
    const response = await app.inject(url)
    t.match(response.headers['content-type'], 'application/problem+json', url)
    t.same([...Compile(problemSchema).Errors(response.json())], [], `${url} is a problem`)
    t.match(response.json(), { type: problemType(kind), detail, remedy }, url)
    t.equal(response.statusCode, problems[kind].status, url)
    t.ok(url.startsWith(response.json().instance.replace('…', '')), 'the path is named')
    t.ok(response.body.length < 1000, 'however long the request was')
  }
})

t.test('the documentation lists every problem, and no other', async (t) => {
  const documented = readFileSync('docs/api.md', 'utf8').matchAll(/^\| (\d{3}) \| `([a-z-]+)`/gm)
  const expected = Object.entries(problems).map(([kind, { status }]) => [
    String(status),
    problemType(kind as keyof typeof problems)
      .split(':')
      .at(-1)!,
  ])
  t.same([...documented].map(([, status, type]) => [status!, type!]).sort(), expected.sort())
})

t.test('a path with another method says which it takes', async (t) => {
  const { app } = build()
  for (const [method, url, allow] of [
    ['DELETE', '/v1/peers/rack-a', 'GET, HEAD'],
    ['PUT', '/v1/fib', 'GET, HEAD'],
    ['PUT', '/v1/routes', 'GET'],
    ['POST', '/v1/events', 'GET'],
  ] as const) {
    const response = await app.inject({ method, url, headers: withToken })
    t.equal(response.statusCode, 405, `${method} ${url}`)
    t.equal(response.headers.allow, allow)
  }
  const order = await app.inject('/v1/peers/rack-a/reset')
  t.equal(order.statusCode, 405, 'an order is not carried out by GET')
  t.equal(order.headers.allow, 'POST')
})

t.test('an order is carried out once it is allowed', async (t) => {
  const { app, asked } = build()
  for (const order of ['reset', 'refresh', 'shutdown', 'enable']) {
    const url = `/v1/peers/rack-a/${order}`
    const response = await app.inject({ method: 'POST', url, headers: withToken })
    t.equal(response.statusCode, 202, order)
    t.same([...Compile(orderSchema).Errors(response.json())], [])
    t.equal(asked.pop(), order === 'refresh' ? 'refresh rack-a: in' : `${order} rack-a`)
  }
  const refused = await app.inject({
    method: 'POST',
    url: '/v1/peers/rack-b/reset',
    headers: withToken,
  })
  t.equal(refused.statusCode, 409, 'the agent may refuse')
  t.equal(refused.json().detail, 'rack-b has no session to reset')
})

t.test('who may ask, and who may order', needsOpenssl, async (t) => {
  const pair = makePair(t.testdir(), 'node')
  const tls = { cert: readFileSync(pair.cert), key: readFileSync(pair.key) }
  const read: InjectOptions = { url: '/v1/node' }
  const order: InjectOptions = { method: 'POST', url: '/v1/peers/rack-a/reset' }
  const wrong = { authorization: 'Bearer another' }
  const foreign = { ...withToken, origin: 'https://evil.example' }
  const own = { ...withToken, origin: 'http://localhost:80', host: 'localhost:80' }
  for (const [caption, options, request, headers, status] of [
    ['loopback: reading is free', {}, read, {}, 200],
    ['loopback: an order needs the token', {}, order, {}, 401],
    ['loopback: a wrong token is no token', {}, order, wrong, 401],
    ['loopback: the token orders', {}, order, withToken, 202],
    ['loopback: without a token configured nobody orders', { gatekeeper: null }, order, wrong, 403],
    ['loopback: an order from another site is refused', {}, order, foreign, 403],
    ['loopback: an order from the own page is not', {}, order, own, 202],
    ['loopback: a foreign Host is refused', {}, read, { host: 'evil.example' }, 421],
    ['loopback: 127.0.0.2 is local', {}, read, { host: '127.0.0.2:9179' }, 200],
    ['loopback: [::1] is local', {}, read, { host: '[::1]:9179' }, 200],
    ['unix: reading is free', { listener: 'unix' }, read, {}, 200],
    ['unix: whoever can connect orders', { listener: 'unix', gatekeeper: null }, order, {}, 202],
    ['unix: but no web site does', { listener: 'unix', gatekeeper: null }, order, foreign, 403],
    ['unix: a foreign Host is refused', { listener: 'unix' }, read, { host: 'evil.example' }, 421],
    ['network: reading needs the token', { listener: 'network' }, read, {}, 401],
    ['network: the token reads', { listener: 'network' }, read, withToken, 200],
    ['network: any Host will do', { listener: 'network' }, read, { ...withToken, host: 'n1' }, 200],
    ['network: the token orders', { listener: 'network' }, order, withToken, 202],
    ['network: a probe needs none', { listener: 'network' }, { url: '/readyz' }, {}, 200],
    ['network: metrics need it', { listener: 'network' }, { url: '/metrics' }, {}, 401],
  ] as const) {
    const { app } = build({ ...(caption.startsWith('network') && { tls }), ...options })
    const response = await app.inject({ ...request, headers })
    t.equal(response.statusCode, status, caption)
    if (status === 401) t.match(response.headers['www-authenticate'], 'Bearer')
    if (status >= 400) t.ok(response.json().remedy, `${caption}: with a remedy`)
  }
})

t.test('a server beyond loopback is not built without a token', async (t) => {
  t.throws(() => build({ listener: 'network', gatekeeper: null }), /--api-token-file/)
})

t.test('probes say no with 503 and the reason', async (t) => {
  const no = { ok: false, reason: 'waiting for rack-b' }
  const { app } = build({}, { healthy: () => no, ready: () => no })
  for (const url of ['/healthz', '/readyz']) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 503, url)
    t.same(response.json(), no)
  }
})

t.test('metrics keep the content type of their exposition', async (t) => {
  const response = await build().app.inject('/metrics')
  t.match(response.headers['content-type'], 'text/plain; version=0.0.4')
  t.match(response.body, /^routelet_peers 2$/m)
})

t.test('a failure of the agent is reported, and its words stay inside', async (t) => {
  const { app, failures } = build({}, { node: () => Promise.reject(new Error('inner detail')) })
  const response = await app.inject('/v1/node')
  t.equal(response.statusCode, 500)
  t.match(response.json(), { type: problemType('failure'), remedy: /log/ })
  t.notMatch(response.body, /inner detail/)
  t.same(
    failures.map(({ message }) => message),
    ['inner detail'],
  )
})

t.test('a body is refused, an empty one is none', async (t) => {
  const { app } = build()
  const order: InjectOptions = { method: 'POST', url: '/v1/peers/rack-a/reset' }
  for (const [caption, type, payload, status] of [
    ['a form without fields, as curl -d "" sends', 'application/x-www-form-urlencoded', '', 202],
    ['JSON', 'application/json', '{"force":true}', 400],
    ['unreadable JSON', 'application/json', '{', 400],
    ['a large one', 'text/plain', 'x'.repeat(5000), 413],
  ] as const) {
    const headers = { ...withToken, 'content-type': type }
    t.equal((await app.inject({ ...order, headers, payload })).statusCode, status, caption)
  }
})

t.test('every answer carries the security headers, errors too', async (t) => {
  const web = mkdtempSync(join(tmpdir(), 'routelet-web-'))
  t.teardown(() => rmSync(web, { recursive: true }))
  writeFileSync(join(web, 'index.html'), '<!doctype html>')
  writeFileSync(join(web, 'app.js'), 'void 0')
  writeFileSync(join(web, 'notes.txt'), 'not for the web')
  const { app } = build({ web })
  for (const [url, status] of [
    ['/', 200],
    ['/app.js', 200],
    ['/v1/node', 200],
    ['/nowhere', 404],
    ['/v1/peers/%E0%A4%A', 400],
    ['/notes.txt', 404],
    ['/../package.json', 404],
  ] as const) {
    const { headers, statusCode } = await app.inject(url)
    t.equal(statusCode, status, url)
    t.match(headers['content-security-policy'], "default-src 'none'", url)
    t.equal(headers['x-content-type-options'], 'nosniff', url)
    t.equal(headers['x-frame-options'], 'DENY', url)
  }
  const page = await app.inject('/')
  t.match(page.headers['content-type'], 'text/html')
  const again = await app.inject({ url: '/', headers: { 'if-none-match': page.headers.etag! } })
  t.equal(again.statusCode, 304, 'a page that has not changed is not sent again')
})

t.test('no input makes the server fail', async (t) => {
  const { app, failures } = build()
  const paths = [
    '/v1/routes',
    '/v1/explain',
    '/v1/fib',
    '/v1/events',
    '/v1/peers/rack-a/routes',
    '/v1/peers/rack-a',
  ]
  const names = ['prefix', 'match', 'view', 'limit', 'continue', 'peer', 'after', 'x']
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.constantFrom('', '0', '-1', '1e9', 'null', '../..', '10.0.0.0/8', '::/0', '%00', "' or 1=1"),
    fc.ipV4Extended(),
    fc.ipV6(),
  )
  const query = fc.array(fc.tuple(fc.constantFrom(...names), hostile), { maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), query, async (path, parameters) => {
      const search = new URLSearchParams(parameters)
      const headers = { accept: 'application/json' }
      const response = await app.inject({ url: `${path}?${search}`, headers })
      if (response.statusCode >= 500) return false
      return response.statusCode === 200 || typeof response.json().remedy === 'string'
    }),
    { seed: 20_251, numRuns: 400 },
  )
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 200 }), async (text) => {
      const url = `/v1/peers/${encodeURIComponent(text)}`
      const response = await app.inject({ url, headers: { accept: 'application/json' } })
      return response.statusCode < 500
    }),
    { seed: 20_252, numRuns: 200 },
  )
  t.same(failures, [])
})
