/**
 * Stands between agents and the API server: counts their requests, and refuses or cuts them on
 * order. A program of its own, since it must run in the namespace of the server:
 * `node gateway.js TARGET ADDRESS PORT ORDER-PORT`. Orders come as JSON to another port.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { request } from 'node:https'
import type { Socket } from 'node:net'

/** What is done to requests whose path holds `path`; an empty path means all. */
export interface Order {
  readonly path: string
  /** null: let them through again. */
  readonly status: number | null
  readonly retryAfter?: number
}

/** Requests by `METHOD path`, and how many watches were among them by `WATCH path`. */
export type Tally = Readonly<Record<string, number>>

let order: Order = { path: '', status: null }
const tally: Record<string, number> = {}
const sockets = new Set<Socket>()

const [target = '', address = '', port = '', orderPort = ''] = process.argv.slice(2)

const gateway = createServer((incoming, outgoing) => {
  const url = new URL(incoming.url ?? '/', target)
  const verb = url.searchParams.has('watch') ? 'WATCH' : incoming.method
  const key = `${verb} ${url.pathname}`
  tally[key] = (tally[key] ?? 0) + 1
  if (order.status !== null && url.pathname.includes(order.path)) refuse(outgoing, order.status)
  else pass(incoming, outgoing, url)
})
gateway.on('connection', (socket) => {
  sockets.add(socket)
  socket.on('close', () => sockets.delete(socket))
})
gateway.listen(Number(port), address)

createServer((incoming, outgoing) => {
  if (incoming.url === '/tally') {
    outgoing.end(JSON.stringify(tally))
    return
  }
  let text = ''
  incoming.on('data', (chunk) => {
    text += chunk
  })
  incoming.on('end', () => {
    order = JSON.parse(text)
    // What is under way would not notice an order.
    if (order.status !== null) for (const socket of sockets) socket.destroy()
    outgoing.end()
  })
}).listen(Number(orderPort), address)

function refuse(outgoing: ServerResponse, code: number): void {
  const retry = order.retryAfter === undefined ? {} : { 'retry-after': String(order.retryAfter) }
  outgoing.writeHead(code, { 'content-type': 'application/json', ...retry })
  const message = 'refused by the gateway of the test'
  outgoing.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', code, message }))
}

function pass(incoming: IncomingMessage, outgoing: ServerResponse, url: URL): void {
  const options = {
    method: incoming.method,
    headers: { ...incoming.headers, host: url.host },
    // The certificate is checked where an agent speaks TLS itself.
    rejectUnauthorized: false,
  }
  const upstream = request(url, options, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(outgoing)
    answer.on('error', () => outgoing.destroy())
    outgoing.on('close', () => answer.destroy())
  })
  upstream.on('error', () => outgoing.destroy())
  incoming.pipe(upstream)
}
