/**
 * Stands between agents and the API server: counts their requests and what they are sent, and
 * refuses, cuts or delays them on order. A program of its own, since it must run in the namespace of the server:
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
  /** So long a request waits before it is passed on. */
  readonly delayMs?: number
}

export interface Tally {
  /** Requests by `METHOD path`, and how many watches were among them by `WATCH path`. */
  readonly requests: Readonly<Record<string, number>>
  /** Bytes of answers, by the address of who asked. */
  readonly bytes: Readonly<Record<string, number>>
}

let order: Order = { path: '', status: null }
const requests: Record<string, number> = {}
const bytes: Record<string, number> = {}
const sockets = new Set<Socket>()

const [target = '', address = '', port = '', orderPort = ''] = process.argv.slice(2)

const gateway = createServer((incoming, outgoing) => {
  const url = new URL(incoming.url ?? '/', target)
  const verb = url.searchParams.has('watch') ? 'WATCH' : incoming.method
  const key = `${verb} ${url.pathname}`
  requests[key] = (requests[key] ?? 0) + 1
  const { path, status, delayMs = 0 } = order
  if (status !== null && url.pathname.includes(path)) refuse(outgoing, status)
  else if (delayMs === 0) pass(incoming, outgoing, url)
  else setTimeout(pass, delayMs, incoming, outgoing, url)
})
gateway.on('connection', (socket) => {
  sockets.add(socket)
  socket.on('close', () => sockets.delete(socket))
})
gateway.listen(Number(port), address)

createServer((incoming, outgoing) => {
  if (incoming.url === '/tally') {
    outgoing.end(JSON.stringify({ requests, bytes }))
    return
  }
  let text = ''
  incoming.on('data', (chunk) => {
    text += chunk
  })
  incoming.on('end', () => {
    order = JSON.parse(text)
    // What is under way would not notice an order.
    const begins = order.status !== null || order.delayMs !== undefined
    if (begins) for (const socket of sockets) socket.destroy()
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
  const client = incoming.socket.remoteAddress ?? ''
  const upstream = request(url, options, (answer) => {
    answer.on('data', (chunk: Buffer) => {
      bytes[client] = (bytes[client] ?? 0) + chunk.length
    })
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    // A watch is agreed to long before its first event.
    outgoing.flushHeaders()
    answer.pipe(outgoing)
    answer.on('error', () => outgoing.destroy())
    outgoing.on('close', () => answer.destroy())
  })
  upstream.on('error', () => outgoing.destroy())
  incoming.pipe(upstream)
}
