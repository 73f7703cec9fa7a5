/**
 * Where the API is: one notation for the agent that listens and the command that asks.
 * `127.0.0.1:9179`, `[::1]:9179`, `https://node-1:9179`, `unix:/run/routelet/api.sock`. Without a scheme
 * it is HTTP on loopback and HTTPS elsewhere, since an agent serves nothing else there.
 */
import { Address4, Address6 } from 'ip-address'
import { CommandError, EXIT_USAGE } from './terminal.ts'

export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | {
      readonly kind: 'tcp'
      readonly scheme: 'http' | 'https'
      readonly host: string
      readonly port: number
    }

export const DEFAULT_API = '127.0.0.1:9179'
/** sun_path holds 108 bytes with the terminating zero (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107

/** @throws CommandError (exit 2) that says which part is wrong. */
export function parseEndpoint(text: string): Endpoint {
  if (text.startsWith('unix:')) return parseSocketPath(text)
  const [, scheme, rest = ''] = /^(?:([a-z]+):\/\/)?(.*?)\/?$/is.exec(text)!
  const said = scheme?.toLowerCase()
  if (said !== undefined && said !== 'http' && said !== 'https') {
    throw wrong(text, `${scheme}:// is not spoken here`)
  }
  const [, bracketed, plain, portText] = /^(?:\[([^\]]*)\]|([\w.-]+)):(\d{1,6})$/.exec(rest) ?? []
  const host = bracketed ?? plain
  if (host === undefined || portText === undefined) {
    throw wrong(text, 'it is no HOST:PORT')
  }
  const port = Number(portText)
  if (port > 65535) throw wrong(text, `port ${portText} is greater than 65535`)
  if (bracketed !== undefined && !Address6.isValid(bracketed)) {
    throw wrong(text, `${bracketed} is no IPv6 address`)
  }
  return { kind: 'tcp', scheme: said ?? (isLoopback(host) ? 'http' : 'https'), host, port }
}

/** For what is served without TLS wherever it stands: `--metrics`. @throws CommandError (exit 2) */
export function parsePlainEndpoint(text: string): Endpoint {
  const endpoint = parseEndpoint(text)
  if (endpoint.kind === 'unix') throw wrong(text, 'a scraper needs a port')
  if (/^https:/i.test(text)) throw wrong(text, 'TLS is not spoken here')
  return { ...endpoint, scheme: 'http' }
}

export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix:${endpoint.path}`
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host
  return `${endpoint.scheme}://${host}:${endpoint.port}`
}

/** What kind of listener this is, for the API's rules of access. */
export function listenerOf(endpoint: Endpoint): 'unix' | 'loopback' | 'network' {
  if (endpoint.kind === 'unix') return 'unix'
  return isLoopback(endpoint.host) ? 'loopback' : 'network'
}

function isLoopback(host: string): boolean {
  if (host === 'localhost') return true
  return host.includes(':')
    ? Address6.isValid(host) && new Address6(host).isLoopback()
    : Address4.isValid(host) && new Address4(host).isLoopback()
}

function parseSocketPath(text: string): Endpoint {
  const path = text.slice('unix:'.length).replace(/^\/\/(?=\/)/, '')
  if (path === '') throw wrong(text, 'the path is missing')
  const bytes = Buffer.byteLength(path)
  if (bytes > SOCKET_PATH_BYTES_MAX) {
    throw wrong(
      text,
      `the path has ${bytes} bytes and a socket's may have ${SOCKET_PATH_BYTES_MAX}`,
    )
  }
  return { kind: 'unix', path }
}

function wrong(text: string, why: string): CommandError {
  return new CommandError(
    `${JSON.stringify(text)} is no API address: ${why}`,
    'write HOST:PORT, https://HOST:PORT or unix:PATH, e.g. 127.0.0.1:9179',
    EXIT_USAGE,
  )
}
