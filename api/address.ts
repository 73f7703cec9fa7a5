/**
 * Reads the addresses and prefixes of requests. The text is handed to the `ip-address` package; what
 * comes back is canonical (RFC 5952 for IPv6) so that it can be compared as text everywhere else.
 */
import { Address4, Address6, AddressError } from 'ip-address'
import { Problem } from './problem.ts'

export interface RequestedPrefix {
  /** Canonical CIDR text; a host address has become /32 or /128. */
  readonly prefix: string
  /** True when the text was an address without a length. */
  readonly host: boolean
}

/** The longest text looked at: a full IPv6 address with an embedded IPv4 one and a length. */
const TEXT_LENGTH_MAX = 49
const LENGTH = /^(0|[1-9][0-9]{0,2})$/

/**
 * @param parameter Name of the parameter, for the problem.
 * @throws Problem `badAddress` that says what is wrong; for host bits behind the length, as BIRD
 *   does, with the two prefixes that may have been meant.
 */
export function parsePrefix(text: string, parameter: string): RequestedPrefix {
  const trimmed = text.trim()
  const [addressText = '', lengthText] = split(trimmed)
  if (trimmed.length > TEXT_LENGTH_MAX || trimmed.includes('%')) throw notAnAddress(text, parameter)
  if (lengthText !== null && !LENGTH.test(lengthText)) throw notAnAddress(text, parameter)
  const address = read(trimmed)
  if (address === null) throw notAnAddress(text, parameter)
  const bits = addressText.includes(':') ? 128 : 32
  const canonical = address.correctForm()
  if (lengthText === null) return { prefix: `${canonical}/${bits}`, host: true }
  const network = address.startAddress().correctForm()
  const prefix = `${network}/${lengthText}`
  if (network !== canonical) {
    throw new Problem(
      'badAddress',
      `${parameter}: ${trimmed} has bits set behind its length`,
      `ask for the network ${prefix} or for the address ${canonical}`,
    )
  }
  return { prefix, host: false }
}

function split(text: string): [string, string | null] {
  const slash = text.indexOf('/')
  return slash === -1 ? [text, null] : [text.slice(0, slash), text.slice(slash + 1)]
}

function read(text: string): Address4 | Address6 | null {
  try {
    return text.includes(':') ? new Address6(text) : new Address4(text)
  } catch (error) {
    if (error instanceof AddressError) return null
    throw error
  }
}

function notAnAddress(text: string, parameter: string): Problem {
  const shown = text.length > TEXT_LENGTH_MAX ? `${text.slice(0, TEXT_LENGTH_MAX)}…` : text
  return new Problem(
    'badAddress',
    `${parameter}: ${JSON.stringify(shown)} is neither an IP address nor a prefix`,
    'write an address or a prefix, e.g. 10.1.2.3, 10.1.2.0/24, 2001:db8::1 or 2001:db8::/48',
  )
}
