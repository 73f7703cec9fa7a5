/**
 * What two OPENs agreed on, computed once by the session and then only read. Decoders and encoders
 * are given this; nothing below the session asks about capabilities.
 */
import type { FamilyName } from '../types.ts'

export interface Negotiated {
  /** false: iBGP. Decided by comparing the peer's AS with the AS presented to it. */
  readonly ebgp: boolean
  readonly localAsn: number
  readonly peerAsn: number
  readonly localRouterId: number
  readonly peerRouterId: number
  /** Four-octet AS numbers in AS_PATH and AGGREGATOR (RFC 6793). */
  readonly as4: boolean
  /** Families both sides announced (RFC 4760 §8); IPv4 unicast without any capability. */
  readonly families: readonly FamilyName[]
  /** Families whose NLRI carries a path id (RFC 7911), by direction. */
  readonly addPathReceive: readonly FamilyName[]
  readonly addPathSend: readonly FamilyName[]
  /** RFC 8654: messages of up to 65535 octets. */
  readonly extendedMessage: boolean
  /** RFC 8950: IPv4 NLRI with an IPv6 next hop. */
  readonly extendedNextHop: boolean
  readonly refresh: boolean
  readonly enhancedRefresh: boolean
  /** null: no hold timer and no keepalives (RFC 4271 §4.2). */
  readonly holdSeconds: number | null
  readonly keepaliveSeconds: number | null
  /** What the peer said of graceful restart (RFC 4724 §3), or null. */
  readonly peerRestart: {
    readonly restarting: boolean
    readonly notification: boolean
    readonly seconds: number
    readonly families: readonly { readonly family: FamilyName; readonly forwarding: boolean }[]
  } | null
}
