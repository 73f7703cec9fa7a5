/**
 * The event stream over a real loopback socket: order, resume, gaps, slow readers, and its end.
 */
import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { EventStream } from '../../api/event-stream.ts'
import { buildApi } from '../../api/index.ts'
import { FakeRing, fakeAgent } from './fake-views.ts'

interface Frame {
  readonly event?: string
  readonly id?: string
  readonly data?: string
}

/** Reads frames until `enough` says so, then hangs up. */
class Reader {
  readonly frames: Frame[] = []
  readonly response: IncomingMessage
  readonly #request: ClientRequest
  #pending = ''
  #check: () => void = () => undefined

  constructor(outgoing: ClientRequest, response: IncomingMessage) {
    this.#request = outgoing
    this.response = response
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => this.#receive(chunk))
    response.on('error', () => undefined)
  }

  async until(enough: (frames: readonly Frame[]) => boolean): Promise<readonly Frame[]> {
    if (!enough(this.frames)) {
      await new Promise<void>((resolve) => {
        this.#check = () => {
          if (enough(this.frames)) resolve()
        }
      })
    }
    return this.frames
  }

  hangUp(): void {
    this.#request.destroy()
  }

  #receive(chunk: string): void {
    const blocks = (this.#pending + chunk).split('\n\n')
    this.#pending = blocks.pop()!
    for (const block of blocks) {
      const fields = block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2))
      const frame: Frame = Object.fromEntries(fields)
      if (frame.data !== undefined) this.frames.push(frame)
    }
    this.#check()
  }
}

async function serve(t: Test, ring: FakeRing) {
  const { views } = fakeAgent({}, ring)
  const app = buildApi(views, {
    listener: 'loopback',
    gatekeeper: null,
    tls: null,
    web: '/nowhere',
    version: '0.1.0',
    onFailure: (error) => t.fail(error.message),
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const readers: Reader[] = []
  t.teardown(async () => {
    for (const reader of readers) reader.hangUp()
    await app.close()
  })
  const { port } = app.server.address() as AddressInfo
  const open = async (path: string, headers: Record<string, string> = {}) => {
    const outgoing = request({ host: '127.0.0.1', port, path, agent: false, headers })
    outgoing.on('error', () => undefined)
    outgoing.end()
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    const reader = new Reader(outgoing, response)
    readers.push(reader)
    return reader
  }
  return { app, open }
}

const ids = (frames: readonly Frame[]) => frames.map(({ id }) => id)

t.test('a new client gets what happens from then on', async (t) => {
  const ring = new FakeRing()
  ring.add('before')
  const { open } = await serve(t, ring)
  const reader = await open('/v1/events')
  t.equal(reader.response.statusCode, 200)
  t.match(reader.response.headers['content-type'], 'text/event-stream')
  t.match(reader.response.headers['content-security-policy'], "default-src 'none'")
  ring.add('after', { kind: 'peer.established' })
  const [frame] = await reader.until((frames) => frames.length === 1)
  t.match(frame, { event: 'peer.established', id: '2' })
  t.match(JSON.parse(frame!.data!), { id: 2, text: 'after', peer: 'rack-a' })
})

t.test('a client that comes back gets what it missed, once and in order', async (t) => {
  const ring = new FakeRing()
  for (let count = 0; count < 200; count++) ring.add(`event ${count}`)
  const { open } = await serve(t, ring)
  for (const [caption, path, headers] of [
    ['by Last-Event-ID', '/v1/events', { 'last-event-id': '50' }],
    ['by after', '/v1/events?after=50', {}],
    ['the header wins', '/v1/events?after=3', { 'last-event-id': '50' }],
  ] as const) {
    const reader = await open(path, headers)
    const frames = await reader.until(({ length }) => length >= 150)
    const expected = Array.from({ length: 150 }, (_, index) => String(51 + index))
    t.same(ids(frames), expected, caption)
    reader.hangUp()
  }
})

t.test(
  'a client that asks for a kind or a peer gets no others, in a stream and in a list',
  async (t) => {
    const ring = new FakeRing()
    for (let count = 0; count < 100; count++) {
      ring.add(`event ${count}`, {
        kind: count % 10 === 0 ? 'peer.down' : 'peer.state',
        peer: count % 20 === 0 ? 'rack-b' : 'rack-a',
      })
    }
    const { app, open } = await serve(t, ring)
    const reader = await open('/v1/events?after=0&kind=peer.down&peer=rack-b')
    t.same(ids(await reader.until(({ length }) => length >= 5)), ['1', '21', '41', '61', '81'])
    for (const [query, expected] of [
      ['kind=peer.down&limit=3', [71, 81, 91]],
      ['kind=peer.down&limit=3&after=11', [21, 31, 41]],
      ['peer=rack-b&limit=2', [61, 81]],
      ['kind=routes.moved', []],
    ] as const) {
      const url = `/v1/events?${query}`
      const reply = await app.inject({ url, headers: { accept: 'application/json' } })
      const { items } = reply.json<{ items: readonly { id: number }[] }>()
      t.same(
        items.map(({ id }) => id),
        expected,
        query,
      )
    }
    const odd = await app.inject({ url: '/v1/events?kind=peer..down' })
    t.equal(odd.statusCode, 400, 'what can be no kind is refused')
  },
)

t.test('events the ring has lost are counted, not passed over in silence', async (t) => {
  const ring = new FakeRing(10)
  for (let count = 0; count < 30; count++) ring.add(`event ${count}`)
  const { open } = await serve(t, ring)
  const reader = await open('/v1/events', { 'last-event-id': '5' })
  const frames = await reader.until(({ length }) => length >= 11)
  t.equal(frames[0]!.event, 'dropped')
  t.equal(frames[0]!.id, undefined, 'the marker is no event to resume from')
  t.same(JSON.parse(frames[0]!.data!), { events: 15, before: 21 })
  t.same(ids(frames.slice(1)), ['21', '22', '23', '24', '25', '26', '27', '28', '29', '30'])
})

t.test('an id of an earlier run is told apart', async (t) => {
  const ring = new FakeRing()
  ring.add('the first of this run')
  const { open } = await serve(t, ring)
  const reader = await open('/v1/events', { 'last-event-id': '4711' })
  const frames = await reader.until(({ length }) => length >= 2)
  t.match(frames, [{ event: 'restarted' }, { id: '1' }])
})

t.test('a client that does not read is bounded, and told what it missed', async (t) => {
  const ring = new FakeRing(100)
  const stream = new EventStream({ events: ring.after.bind(ring), subscribe: listen(ring) }, 0)
  const text = 'x'.repeat(1000)
  for (let count = 0; count < 5000; count++) ring.add(text)
  t.ok(stream.readableLength <= 64 * 1024 + 2000, `${stream.readableLength} bytes are kept`)
  let last = ''
  const seen: string[] = []
  for await (const chunk of stream.setEncoding('utf8')) {
    last += chunk
    for (const match of last.matchAll(/event: (\S+)\n(?:id: (\d+)\n)?data: (.*)\n\n/g)) {
      seen.push(match[1] === 'dropped' ? `dropped ${JSON.parse(match[3]!).events}` : match[2]!)
    }
    last = last.slice(last.lastIndexOf('\n\n') + 2)
    if (seen.at(-1) === '5000') break
  }
  const dropped = seen.filter((entry) => entry.startsWith('dropped'))
  const counted = dropped.reduce((sum, entry) => sum + Number(entry.split(' ')[1]), 0)
  t.ok(dropped.length > 0)
  t.equal(counted + seen.length - dropped.length, 5000, 'every event was sent or counted')
})

t.test('whoever hangs up is forgotten', async (t) => {
  const ring = new FakeRing()
  const { open } = await serve(t, ring)
  const reader = await open('/v1/events')
  t.equal(ring.listeners.size, 1)
  reader.hangUp()
  await settled(() => ring.listeners.size === 0)
  t.equal(ring.listeners.size, 0)
})

t.test('there is a limit to the streams, and it says what to do', async (t) => {
  const ring = new FakeRing()
  const { open } = await serve(t, ring)
  for (let count = 0; count < 64; count++) await open('/v1/events')
  const refused = await open('/v1/events')
  t.equal(refused.response.statusCode, 503)
  t.ok(Number(refused.response.headers['retry-after']) > 0)
  const list = await open('/v1/events', { accept: 'application/json' })
  t.equal(list.response.statusCode, 200, 'the list is still to be had')
})

t.test('closing the server ends the streams', async (t) => {
  const ring = new FakeRing()
  const { app, open } = await serve(t, ring)
  const reader = await open('/v1/events')
  const ended = once(reader.response, 'end')
  await app.close()
  await ended
  t.equal(ring.listeners.size, 0)
})

t.test('a HEAD request leaves no stream behind', async (t) => {
  const ring = new FakeRing()
  const { app } = await serve(t, ring)
  const response = await app.inject({ method: 'HEAD', url: '/v1/events' })
  t.equal(response.statusCode, 405)
  t.equal(ring.listeners.size, 0)
})

t.test('the list has the newest events, or those after an id', async (t) => {
  const ring = new FakeRing()
  for (let count = 0; count < 300; count++) ring.add(`event ${count}`)
  const { app } = await serve(t, ring)
  const headers = { accept: 'application/json' }
  for (const [url, expected] of [
    ['/v1/events?limit=3', [298, 299, 300]],
    ['/v1/events?limit=2&after=10', [11, 12]],
    ['/v1/events?after=300', []],
  ] as const) {
    const { items } = (await app.inject({ url, headers })).json()
    t.same(
      items.map(({ id }: { id: number }) => id),
      expected,
      url,
    )
  }
})

function listen(ring: FakeRing) {
  return (listener: Parameters<typeof ring.listeners.add>[0]) => {
    ring.listeners.add(listener)
    return () => ring.listeners.delete(listener)
  }
}

/** Waits for a state that the event loop will bring; the test's own timeout is the deadline. */
async function settled(reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise((resolve) => setImmediate(resolve))
}
