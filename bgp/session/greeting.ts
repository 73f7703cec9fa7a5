/**
 * The OPEN a peer is sent and its octets (RFC 4271 §4.2). Peers of one range are all sent the same,
 * and a whole cluster may come at once, so what was made last is remembered and handed out again:
 * neither is ever changed.
 */
import type { PeerConfig } from '../types.ts'
import { encodeOpen, type Open } from '../wire/open.ts'
import { isOverIpv6, localOpen, offerKeys } from './negotiate.ts'
import type { OwnRestart } from './restart.ts'

/** Different ones that are remembered; the oldest is forgotten. */
export const greetingsMax = 8

export interface Greeting {
  readonly open: Open
  /** The whole message. */
  readonly message: Uint8Array
}

/** What the speaker says of itself in every OPEN; a change is another object. */
export interface Identity {
  /** BGP identifier as an unsigned 32-bit number. */
  readonly routerId: number
  readonly restart: OwnRestart
}

interface Remembered {
  readonly config: PeerConfig
  readonly identity: Identity
  readonly greeting: Greeting
}

export class Greetings {
  readonly #remembered: Remembered[] = []

  of(config: PeerConfig, identity: Identity): Greeting {
    const known = this.#remembered.find(
      (one) => one.identity === identity && areGreetedAlike(one.config, config),
    )
    if (known !== undefined) return known.greeting
    const open = localOpen(config, identity.routerId, identity.restart)
    const greeting = { open, message: encodeOpen(open) }
    this.#remembered.push({ config, identity, greeting })
    if (this.#remembered.length > greetingsMax) this.#remembered.shift()
    return greeting
  }
}

function areGreetedAlike(a: PeerConfig, b: PeerConfig): boolean {
  for (const key of offerKeys) if (a[key] !== b[key]) return false
  return isOverIpv6(a) === isOverIpv6(b)
}
