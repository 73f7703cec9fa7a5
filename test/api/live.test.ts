/**
 * A running agent, asked everything its own description lists: every question and order answers what
 * its schema says, over real peers, routes and a real kernel; bad input of every kind, made from the
 * description, is the client's fault and says what to do; and nothing of it touches a session.
 */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { missing } from '../network/namespaces.ts'
import { bodies, broken, forbiddenRequests, hostile, requests } from './abuse.ts'
import { Description, good, goodUrls, needed, type Operation, urlOf } from './description.ts'
import { contested, gone, type LiveScene, startLiveScene, up } from './live-scene.ts'
import { ask, exchange, type Reply } from './raw.ts'

t.setTimeout(120_000)

const skip = await missing('ip')

t.test('a running agent under its own description', { skip }, async (t) => {
  const scene = await startLiveScene(t)
  const { agent, socket } = scene
  const description = new Description(await agent.get('/openapi.json'))
  const before = await agent.peer(up)

  await t.test('every question is answered as its schema says', async (t) => {
    for (const operation of description.questions) {
      for (const url of goodUrls(operation)) {
        const reply = await ask(socket, 'GET', url)
        const status = operation.path === '/readyz' ? [200, 503] : [200]
        t.ok(reply !== null && status.includes(reply.status), `${url}: ${reply?.body}`)
        if (reply !== null) t.same(faultsOf(description, operation, reply), [], url)
      }
    }
  })

  await t.test('the answers have what is there', async (t) => {
    const text = async (url: string) => (await ask(socket, 'GET', url))?.body ?? ''
    t.match(await text('/v1/fib/diff'), `"problem":"conflict"`)
    t.match(await text('/v1/fib/nexthops'), '"kind":"hop"')
    t.match(await text('/v1/routes?view=all&limit=1000'), '"65001:1:2"')
    t.match(await text(`/v1/explain?prefix=${contested}`), 'static')
    t.match(await text(`/v1/peers/${gone}/explain`), '"check":["')
    t.match(await text('/v1/plan'), '"not-all"')
    t.match(await text('/metrics'), 'routelet_fib_routes{status="conflict"} 1')
  })

  await t.test('pages together are the whole, each as its schema says', async (t) => {
    for (const path of ['/v1/routes', '/v1/fib', '/v1/peers/{name}/routes']) {
      const operation = operationAt(description, path)
      const whole = await itemsOf(scene, description, operation, [['limit', '1000']])
      const pieces = await itemsOf(scene, description, operation, [['limit', '3']])
      t.ok(whole.length > 12, path)
      t.same(pieces, whole, path)
    }
  })

  await t.test('streams are what the documents of their lists hold', async (t) => {
    const lines = await ask(socket, 'GET', '/v1/routes?stream&view=all')
    const paths = (lines?.body ?? '').trimEnd().split('\n')
    t.ok(paths.length > 12)
    for (const line of paths) t.same(description.component('Path', JSON.parse(line)), [])
    const request = `GET /v1/events?after=0 HTTP/1.1\r\nhost: localhost\r\n\r\n`
    const enough = (text: string) => text.split('\ndata: ').length > 4
    const events = await exchange(socket, request, { enough })
    t.match(events?.headers['content-type'], 'text/event-stream')
    const data = [...(events?.body ?? '').matchAll(/^data: (\{.*\})$/gm)]
    t.ok(data.length > 2)
    for (const [, one = ''] of data) t.same(description.component('Event', JSON.parse(one)), [])
  })

  await t.test('what a schema forbids is refused, for orders before they are given', async (t) => {
    for (const operation of [...description.orders, ...description.questions]) {
      for (const { url, headers } of forbiddenRequests(operation)) {
        const reply = await ask(socket, operation.method, url, headers)
        judge(t, description, reply, `${operation.method} ${url}`)
        t.ok(reply !== null && reply.status >= 400, `${operation.method} ${shorten(url)} refused`)
      }
    }
  })

  await t.test('whatever stands where a name or a value is expected', async (t) => {
    for (const operation of description.questions) {
      for (const value of hostile) {
        for (const { name, in: place } of operation.parameters) {
          const url =
            place === 'path'
              ? urlOf(operation.path, value, needed(operation))
              : urlOf(operation.path, up, [...needed(operation, name), [name, value]])
          judge(t, description, await ask(socket, 'GET', url), `GET ${url}`)
        }
      }
    }
  })

  await t.test('a method that a path does not have', async (t) => {
    for (const path of new Set(description.operations.map((operation) => operation.path))) {
      const has = description.operations.filter((one) => one.path === path)
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']) {
        if (has.some((one) => one.method === method)) continue
        const reply = await ask(socket, method, urlOf(path, up))
        judge(t, description, reply, `${method} ${path}`)
        t.match(reply, { status: 405, headers: { allow: String } }, `${method} ${path}`)
      }
    }
  })

  await t.test('bodies, whatever is in them and whatever they say they are', async (t) => {
    const order = `/v1/peers/${gone}/enable`
    for (const [type, body] of bodies) {
      const reply = await ask(socket, 'POST', order, { 'content-type': type }, body)
      judge(t, description, reply, type)
      t.ok(reply !== null && [400, 413, 415].includes(reply.status), `${type}: ${reply?.status}`)
    }
  })

  await t.test('what is no request, or too much of one', async (t) => {
    for (const { caption, bytes, status, end = false } of broken) {
      const reply = await exchange(socket, bytes, { end })
      judge(t, description, reply, caption)
      t.equal(reply?.status ?? null, status, caption)
    }
  })

  await t.test('requests by chance', async (t) => {
    await t.resolves(
      fc.assert(
        fc.asyncProperty(requests(description), async ({ method, url, headers }) => {
          const wrong = complaint(description, await ask(socket, method, url, headers))
          if (wrong !== null) throw new Error(wrong)
        }),
        { seed: 9179, numRuns: 400 },
      ),
    )
  })

  await t.test('after all that the agent and its sessions are what they were', async (t) => {
    t.equal(agent.daemon.ending, null, 'it lives')
    t.match(await agent.peer(up), { state: 'Established', flaps: 0, since: before.since })
    t.notMatch(agent.output, / failed/, 'and has no failure in its log')
  })

  await t.test('an order is answered as its schema says', async (t) => {
    await orderEverything(t, scene, description)
    await agent.established(up)
  })
})

/** Every order over the peer that isn't there, then those that the living session can bear. */
async function orderEverything(
  t: Test,
  { socket }: LiveScene,
  description: Description,
): Promise<void> {
  for (const operation of description.orders) {
    const query = [...needed(operation)]
    for (const parameter of operation.parameters) {
      const [value] = good(operation, parameter)
      if (parameter.in !== 'query' || parameter.required || value === undefined) continue
      query.push([parameter.name, value])
    }
    for (const name of operation.path.includes('{name}') ? [gone, up] : ['']) {
      const url = urlOf(operation.path, name, query)
      const reply = await ask(socket, 'POST', url)
      t.ok(reply !== null && [202, 409].includes(reply.status), `${url}: ${reply?.body}`)
      if (reply !== null) t.same(faultsOf(description, operation, reply), [], url)
    }
  }
  for (const name of [gone, up]) await ask(socket, 'POST', `/v1/peers/${name}/enable`)
}

function operationAt(description: Description, path: string): Operation {
  const found = description.questions.find((one) => one.path === path)
  if (found === undefined) throw new Error(`${path} is not documented`)
  return found
}

function faultsOf(description: Description, operation: Operation, reply: Reply): unknown[] {
  const type = reply.headers['content-type'] ?? ''
  const value = type.includes('json;') || type.endsWith('json') ? JSON.parse(reply.body) : null
  return description.faults(operation, reply.status, type, value)
}

/** Everything of a list, page by page. */
async function itemsOf(
  { socket }: LiveScene,
  description: Description,
  operation: Operation,
  query: readonly (readonly [string, string])[],
): Promise<unknown[]> {
  const items: unknown[] = []
  for (let token: string | null = ''; token !== null; ) {
    const more: [string, string][] = token === '' ? [] : [['continue', token]]
    const reply = await ask(socket, 'GET', urlOf(operation.path, up, [...query, ...more]))
    if (reply?.status !== 200) throw new Error(`${operation.path}: ${reply?.body}`)
    const faults = faultsOf(description, operation, reply)
    if (faults.length > 0) throw new Error(`${operation.path}: ${JSON.stringify(faults)}`)
    const page = JSON.parse(reply.body) as { items: unknown[]; continue: string | null }
    items.push(...page.items)
    token = page.continue
  }
  return items
}

/** What is wrong with the answer to a request that may be bad; null: nothing. */
function complaint(description: Description, reply: Reply | null): string | null {
  if (reply === null) return null
  const { body, headers, status } = reply
  if (status === 503 && isVerdict(description, body)) return null
  if (status >= 500) return `${status}: ${body}`
  if (headers['set-cookie'] !== undefined) return 'a header was smuggled in'
  if (headers['x-content-type-options'] !== 'nosniff') return 'the security headers are missing'
  if (status < 400) return null
  if (body === '' && status !== 304) return null
  if (headers['content-type'] !== 'application/problem+json')
    return `${status} is no problem: ${body}`
  const problem = JSON.parse(body) as { status: number; detail: string; remedy: string }
  const faults = description.component('Problem', problem)
  if (faults.length > 0) return `not as its schema says: ${body}`
  if (problem.status !== status) return `${status} says it is ${problem.status}`
  if (problem.detail === '' || problem.remedy === '') return `it does not say enough: ${body}`
  return body.length > 2000 ? `${body.length} octets of an error` : null
}

/** `/readyz` of a node that waits for a peer. */
function isVerdict(description: Description, body: string): boolean {
  return body === '' || description.component('Verdict', JSON.parse(body)).length === 0
}

function judge(t: Test, description: Description, reply: Reply | null, caption: string): void {
  t.equal(complaint(description, reply), null, shorten(caption))
}

const shorten = (text: string) => (text.length > 120 ? `${text.slice(0, 120)}…` : text)
