/**
 * The program in every pod of a lab: a UDP echo (RFC 862) for both families, and the asker that
 * proves other pods answer. One JSON line on stdin is a question, one on stdout the answer; it ends
 * when stdin does, and so never outlives the lab.
 *
 *   {"targets":["10.244.2.11","fd42:244:2::11"],"deadlineMs":5000}  →  {"silent":[]}
 */
import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export interface EchoQuestion {
  /** Addresses asked, each until it answers or the deadline passes. */
  readonly targets: readonly string[]
  readonly deadlineMs: number
}

export interface EchoAnswer {
  /** Targets that did not answer. */
  readonly silent: readonly string[]
}

const ECHO_PORT = 7
const RETRY_MS = 200

async function main(): Promise<void> {
  const servers = await Promise.all([serve('udp4', '0.0.0.0'), serve('udp6', '::')])
  process.stdout.write(`${JSON.stringify({ ready: true })}\n`)
  for await (const line of createInterface(process.stdin)) {
    const answer = await ask(JSON.parse(line) as EchoQuestion)
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  }
  for (const server of servers) server.close()
}

async function serve(type: 'udp4' | 'udp6', address: string): Promise<Socket> {
  const socket = createSocket({ type, ipv6Only: type === 'udp6' })
  socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address, ignoreLoss))
  socket.bind(ECHO_PORT, address)
  await once(socket, 'listening')
  return socket
}

/** Only the asked address, with this question's own bytes, counts as an answer. */
async function ask(question: EchoQuestion): Promise<EchoAnswer> {
  const silent = new Set(question.targets)
  const nonce = randomBytes(16)
  const sockets = { 4: createSocket('udp4'), 6: createSocket({ type: 'udp6', ipv6Only: true }) }
  await new Promise<void>((resolve) => {
    const askAll = () => {
      for (const target of silent) {
        sockets[target.includes(':') ? 6 : 4].send(nonce, ECHO_PORT, target, ignoreLoss)
      }
    }
    const retry = setInterval(askAll, RETRY_MS)
    const deadline = setTimeout(finish, question.deadlineMs)
    function finish() {
      clearInterval(retry)
      clearTimeout(deadline)
      resolve()
    }
    for (const socket of Object.values(sockets)) {
      socket.on('message', (bytes, from) => {
        if (nonce.equals(bytes)) silent.delete(from.address)
        if (silent.size === 0) finish()
      })
    }
    if (silent.size === 0) finish()
    else askAll()
  })
  for (const socket of Object.values(sockets)) socket.close()
  return { silent: [...silent] }
}

/** A datagram that could not be sent (no route yet) is like one lost: asked again, or missed. */
function ignoreLoss(): void {}

await main()
