/**
 * Where the API is: one notation for the agent that listens and the command that asks.
 * `127.0.0.1:9179`, `[::1]:9179`, `http://127.0.0.1:9179`, `unix:/run/routelet/api.sock`.
 */
import { Address4, Address6 } from 'ip-address'
import { CommandError, EXIT_USAGE } from './terminal.ts'

export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

export const DEFAULT_API = '127.0.0.1:9179'
/** sun_path holds 108 bytes with the terminating zero (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107

/** @throws CommandError (exit 2) that says which part is wrong. */
export function parseEndpoint(text: string): Endpoint {
  if (text.startsWith('unix:')) return parseSocketPath(text)
  const [, scheme, rest = ''] = /^(?:([a-z]+):\/\/)?(.*?)\/?$/is.exec(text)!
  if (scheme !== undefined && scheme.toLowerCase() !== 'http') {
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
  return { kind: 'tcp', host, port }
}

export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix:${endpoint.path}`
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host
  return `http://${host}:${endpoint.port}`
}

/** What kind of listener this is, for the API's rules of access. */
export function listenerOf(endpoint: Endpoint): 'unix' | 'loopback' | 'network' {
  if (endpoint.kind === 'unix') return 'unix'
  const { host } = endpoint
  if (host === 'localhost') return 'loopback'
  const local = host.includes(':')
    ? Address6.isValid(host) && new Address6(host).isLoopback()
    : Address4.isValid(host) && new Address4(host).isLoopback()
  return local ? 'loopback' : 'network'
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
    'write HOST:PORT, http://HOST:PORT or unix:PATH, e.g. 127.0.0.1:9179',
    EXIT_USAGE,
  )
}
