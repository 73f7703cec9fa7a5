/**
 * Ports on loopback for the agents' Unix sockets.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, get, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openProxy } from '../../src/lab/proxy.ts'

function scratch(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'routelet-proxy-test-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

async function ask(port: number): Promise<string> {
  const asking = get({ host: '127.0.0.1', port, agent: false })
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  response.setEncoding('utf8')
  let text = ''
  for await (const chunk of response) text += chunk
  return text
}

t.test('bytes pass from a port to a socket and back', async (t) => {
  const socket = join(scratch(t), 'agent.sock')
  const server = createServer((request, response) => response.end(`you asked ${request.url}`))
  await new Promise<void>((resolve) => void server.listen(socket, resolve))
  t.teardown(() => server.close())
  const proxy = await openProxy(socket, 0)
  t.teardown(() => proxy.close())
  t.equal(await ask(proxy.port), 'you asked /')
})

t.test('a port that is taken is replaced by a free one', async (t) => {
  const socket = join(scratch(t), 'agent.sock')
  const first = await openProxy(socket, 0)
  t.teardown(() => first.close())
  const second = await openProxy(socket, first.port)
  t.teardown(() => second.close())
  t.not(second.port, first.port)
})

t.test('while there is no agent, a connection is closed and the next one served', async (t) => {
  const socket = join(scratch(t), 'agent.sock')
  const proxy = await openProxy(socket, 0)
  t.teardown(() => proxy.close())
  await t.rejects(ask(proxy.port), { code: 'ECONNRESET' })
  const server = createServer((_, response) => response.end('back again'))
  await new Promise<void>((resolve) => void server.listen(socket, resolve))
  t.teardown(() => server.close())
  t.equal(await ask(proxy.port), 'back again')
})

t.test('closing ends what is still open', async (t) => {
  const socket = join(scratch(t), 'agent.sock')
  const server = createServer(() => undefined)
  await new Promise<void>((resolve) => void server.listen(socket, resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const proxy = await openProxy(socket, 0)
  const asking = ask(proxy.port)
  await once(server, 'connection')
  const refused = t.rejects(asking, { code: 'ECONNRESET' })
  await proxy.close()
  await refused
})
