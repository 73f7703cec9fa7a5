/**
 * A stand-in for a daemon that has no table: it accepts sessions and copies every UPDATE to all other
 * peers. What a run against it needs is what generator and kernel need; no daemon can be measured to
 * be faster. It withdraws nothing for a peer that is lost and adds no attribute.
 * `node relay.js ADDRESS PORT ASN`.
 */
import net from 'node:net'
import {
  encodeKeepalive,
  encodeOpen,
  headerBytes,
  messageBytesMax,
  messageType,
  parseAddress,
  short,
} from './wire.ts'

const readBytesMax = 256 * 1024
const [address = '', port = '', asn = ''] = process.argv.slice(2)
const keepalive = encodeKeepalive()
const open = encodeOpen({
  asn: Number(asn),
  holdSeconds: 180,
  routerId: parseAddress(address),
  addPath: 0,
})

interface Peer {
  readonly socket: net.Socket
  rest: Uint8Array
}

/** UPDATEs read since the last distribution, and which part of them came from whom. */
interface Part {
  readonly from: Peer
  readonly bytes: Uint8Array
}

const peers = new Set<Peer>()
let parts: Part[] = []

net
  .createServer({ noDelay: true, highWaterMark: readBytesMax }, (socket) => {
    const peer: Peer = { socket, rest: new Uint8Array() }
    socket.on('data', (chunk: Buffer) => read(peer, chunk))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => peers.delete(peer))
  })
  .listen({ host: address, port: Number(port), backlog: 4096 })
setInterval(() => {
  for (const { socket } of peers) socket.write(keepalive)
}, 30_000)

function read(peer: Peer, chunk: Uint8Array): void {
  const bytes = peer.rest.length === 0 ? chunk : Buffer.concat([peer.rest, chunk])
  let at = 0
  // UPDATEs that follow each other go on as one piece.
  let first = -1
  while (bytes.length - at >= headerBytes) {
    const length = short(bytes, at + 16)
    if (length < headerBytes || length > messageBytesMax) {
      peer.socket.destroy()
      return
    }
    if (bytes.length - at < length) break
    const type = bytes[at + headerBytes - 1]
    if (type === messageType.update) {
      if (first < 0) first = at
    } else {
      pass(peer, bytes, first, at)
      first = -1
      if (type === messageType.open) greet(peer)
    }
    at += length
  }
  pass(peer, bytes, first, at)
  peer.rest = bytes.slice(at)
}

function greet(peer: Peer): void {
  peers.add(peer)
  peer.socket.write(Buffer.concat([open, keepalive]))
}

function pass(from: Peer, bytes: Uint8Array, start: number, end: number): void {
  if (start < 0 || end === start) return
  if (parts.length === 0) setImmediate(distribute)
  parts.push({ from, bytes: bytes.slice(start, end) })
}

/** One buffer for all, except those that would hear themselves. */
function distribute(): void {
  const round = parts
  parts = []
  const all = Buffer.concat(round.map((part) => part.bytes))
  const sources = new Set(round.map((part) => part.from))
  for (const peer of peers) {
    if (!sources.has(peer)) peer.socket.write(all)
    else for (const piece of piecesFor(peer, round, all)) peer.socket.write(piece)
  }
}

function piecesFor(peer: Peer, round: readonly Part[], all: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = []
  let [start, at] = [0, 0]
  for (const { from, bytes } of round) {
    if (from === peer) {
      if (at > start) pieces.push(all.subarray(start, at))
      start = at + bytes.length
    }
    at += bytes.length
  }
  if (at > start) pieces.push(all.subarray(start, at))
  return pieces
}
