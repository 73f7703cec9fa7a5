/**
 * What never becomes a request: the answers that are written by hand, and connections beyond the
 * ceiling.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Compile } from 'typebox/compile'
import { answerUnreadable } from '../../api/faults.ts'
import { buildProbes } from '../../api/index.ts'
import { problemSchema } from '../../api/schema.ts'
import { waitFor } from '../network/wait.ts'
import { fakeAgent } from './fake-views.ts'
import { ask, exchange } from './raw.ts'

function socketPath(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'routelet-faults-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return join(folder, 'socket')
}

t.test('what the parser refuses is answered in words, and the connection ends', async (t) => {
  const path = socketPath(t)
  let fault = ''
  const server = createServer((socket) => {
    socket.once('data', () => answerUnreadable(Object.assign(new Error(), { code: fault }), socket))
  })
  t.teardown(() => server.close())
  await new Promise<void>((resolve) => server.listen(path, resolve))
  for (const [code, status, detail] of [
    ['HPE_INVALID_METHOD', 400, /no HTTP/],
    ['HPE_HEADER_OVERFLOW', 431, /headers/],
    ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413, /chunk/],
    ['ERR_HTTP_REQUEST_TIMEOUT', 408, /in time/],
    ['', 400, /no HTTP/],
  ] as const) {
    fault = code
    const reply = await exchange(path, 'x')
    t.match(reply, { status, headers: { connection: 'close', 'x-frame-options': 'DENY' } }, code)
    const problem = JSON.parse(reply?.body ?? '')
    t.same([...Compile(problemSchema).Errors(problem)], [], code)
    t.match(problem, { status, detail, remedy: /./ }, code)
  }
  fault = 'ECONNRESET'
  t.equal(await exchange(path, 'x'), null, 'nobody is there to answer')
})

t.test('a connection beyond the ceiling is closed at once, and others go on', async (t) => {
  const path = socketPath(t)
  const app = buildProbes(fakeAgent().views, { onFailure: (error) => t.fail(error.message) })
  t.teardown(() => app.close())
  await app.listen({ path })
  const { maxConnections } = app.server
  const idle: Socket[] = []
  t.teardown(() => {
    for (const socket of idle) socket.destroy()
  })
  while (idle.length < maxConnections) idle.push(await open(path))
  t.equal(await ask(path, 'GET', '/healthz'), null, `${maxConnections} are open`)
  const [first] = idle.splice(0, 1)
  first?.destroy()
  await waitFor('the place of one that went', async () => {
    return (await ask(path, 'GET', '/healthz'))?.status === 200
  })
})

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path }, () => resolve(socket))
    socket.once('error', reject)
  })
}

t.test('the port of --metrics answers no nonsense either', async (t) => {
  const path = socketPath(t)
  const app = buildProbes(fakeAgent().views, { onFailure: (error) => t.fail(error.message) })
  t.teardown(() => app.close())
  await app.listen({ path })
  for (const [bytes, status] of [
    ['HELO routelet\r\n\r\n', 400],
    ['GET /%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', 400],
    ['GET /v1/node HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', 404],
    [`GET /metrics HTTP/1.1\r\ncookie: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ] as const) {
    const reply = await exchange(path, bytes)
    t.match(reply, { status, headers: { 'content-type': 'application/problem+json' } }, bytes)
    t.match(reply?.body, /"remedy":"./)
  }
})
