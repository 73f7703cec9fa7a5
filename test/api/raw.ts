/**
 * HTTP by hand over a unix socket: a test of bad requests needs a client that sends them. One
 * connection a request.
 */
import { connect } from 'node:net'

export interface Reply {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const replyMsMax = 20_000

/** One request in the usual form; a header that stands there twice is given as `name` and `Name`. */
export function ask(
  socket: string,
  method: string,
  url: string,
  headers: Readonly<Record<string, string>> = {},
  body: string | Buffer = '',
): Promise<Reply | null> {
  const all = {
    host: 'localhost',
    accept: 'application/json',
    connection: 'close',
    ...(body.length === 0 ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `${method} ${url} HTTP/1.1\r\n${lines.join('')}\r\n`
  return exchange(socket, Buffer.concat([Buffer.from(head), Buffer.from(body)]))
}

/**
 * Sends these very bytes and reads until the server closes, or until `enough` of the text is there.
 * @returns null when the server closed without a word
 */
export function exchange(
  path: string,
  bytes: string | Buffer,
  { enough = () => false, end = false }: { enough?: (text: string) => boolean; end?: boolean } = {},
): Promise<Reply | null> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect({ path })
    const finish = () => {
      socket.destroy()
      if (text === '') return resolve(null)
      const reply = parse(text)
      if (reply === null) reject(new Error(`no HTTP: ${text.slice(0, 200)}`))
      else resolve(reply)
    }
    socket.setEncoding('utf8')
    socket.setTimeout(replyMsMax, () => {
      socket.destroy()
      reject(new Error(`no end of the answer within ${replyMsMax} ms: ${text.slice(0, 200)}`))
    })
    socket.on('data', (chunk: string) => {
      text += chunk
      if (enough(text)) finish()
    })
    socket.on('close', finish)
    // Whoever is refused in the middle of a request may be cut off while it still writes.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') reject(error)
    })
    if (end) socket.end(bytes)
    else socket.write(bytes)
  })
}

function parse(text: string): Reply | null {
  const [, status, lines, rest] =
    /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n(.*)$/s.exec(text) ?? []
  if (status === undefined || lines === undefined || rest === undefined) return null
  const headers = Object.fromEntries(
    lines
      .trimEnd()
      .split('\r\n')
      .map((line) => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
      }),
  )
  const chunked = headers['transfer-encoding'] === 'chunked'
  return { status: Number(status), headers, body: chunked ? joinChunks(rest) : rest }
}

/** Lengths are octets, and the text is characters: only their lines are told apart here. */
function joinChunks(text: string): string {
  const bytes = Buffer.from(text)
  let body = Buffer.alloc(0)
  let at = 0
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const size = Number.parseInt(bytes.subarray(at, lineEnd).toString(), 16)
    if (lineEnd === -1 || !(size > 0)) return body.toString()
    body = Buffer.concat([body, bytes.subarray(lineEnd + 2, lineEnd + 2 + size)])
    at = lineEnd + 2 + size + 2
  }
}
