/**
 * What a session would make of one message: the codec's reading (wire/decode.ts), and before it what
 * only a session knows, asked of the session's own rules: whether a message has a place in a state
 * (fsm.ts, RFC 6608), and whether an OPEN is the expected one (negotiate.ts, RFC 4271 §6.2). What
 * the context doesn't say is not judged.
 */
import { parseIpv4 } from './prefix.ts'
import { type Event, step } from './session/fsm.ts'
import { localOpen, negotiate } from './session/negotiate.ts'
import type { FamilyName, PeerConfig, SessionState } from './types.ts'
import type { Negotiated } from './wire/context.ts'
import { type DescribedMessage, MessageDecoder, type MessageJudge } from './wire/decode.ts'
import { messageType } from './wire/message.ts'
import { NotificationError } from './wire/notification.ts'
import type { Open } from './wire/open.ts'

/** The session a message is taken from. Absent facts take the defaults below. */
export interface DecodeContext {
  /** Four-octet AS numbers (RFC 6793); true. */
  readonly as4?: boolean
  /** By default as `localAs` and `peerAs` say, and `ebgp` without them. */
  readonly peerType?: 'ebgp' | 'ibgp'
  /** Families whose prefixes carry a path id (RFC 7911); none. */
  readonly addPath?: readonly FamilyName[]
  /** Messages of up to 65535 octets (RFC 8654); false. */
  readonly extendedMessage?: boolean
  /** IPv4 prefixes with an IPv6 next hop (RFC 8950); false. */
  readonly extendedNextHop?: boolean
  /** Negotiated families; all that we speak. */
  readonly families?: readonly FamilyName[]
  readonly localAs?: number
  /** An OPEN must say it. */
  readonly peerAs?: number
  /** Our BGP identifier, dotted quad; the OPEN of an iBGP peer must say another. */
  readonly localId?: string
  /** Without one, every message has a place. */
  readonly state?: SessionState
}

export const defaultLocalAs = 65000
export const defaultPeerAs = 65001
const defaultFamilies: readonly FamilyName[] = ['ipv4-unicast', 'ipv6-unicast']

/** Long-lived; decodes message after message. */
export class SessionDecoder {
  readonly #decoder = new MessageDecoder()

  /** Describes the one whole message in `bytes`; never throws for anything that is in them. */
  describe(bytes: Uint8Array, context: DecodeContext): DescribedMessage {
    const negotiated = negotiatedOf(context)
    return this.#decoder.describe(bytes, negotiated, {
      admit: (type) => admit(type, context, negotiated),
      admitOpen: (open) => admitOpen(open, context),
    } satisfies MessageJudge)
  }
}

function isEbgp({ peerType, localAs, peerAs }: DecodeContext): boolean {
  if (peerType !== undefined) return peerType === 'ebgp'
  return localAs === undefined || localAs !== peerAs
}

function negotiatedOf(context: DecodeContext): Negotiated {
  const ebgp = isEbgp(context)
  const localAsn = context.localAs ?? (ebgp ? undefined : context.peerAs) ?? defaultLocalAs
  return {
    ebgp,
    localAsn,
    peerAsn: context.peerAs ?? (ebgp ? defaultPeerAs : localAsn),
    localRouterId: parseIpv4(context.localId ?? '192.0.2.1'),
    peerRouterId: parseIpv4('192.0.2.2'),
    as4: context.as4 ?? true,
    families: context.families ?? defaultFamilies,
    addPathReceive: context.addPath ?? [],
    addPathSend: [],
    // Agreed upon only once both OPENs are there.
    extendedMessage: context.extendedMessage === true && context.state !== 'OpenSent',
    extendedNextHop: context.extendedNextHop ?? false,
    refresh: true,
    enhancedRefresh: true,
    holdSeconds: 90,
    keepaliveSeconds: 30,
    peerRestart: null,
  }
}

/** Asks the state machine; a state that has a row for the message has a place for it. */
function admit(type: number, { state }: DecodeContext, negotiated: Negotiated): void {
  if (state === undefined) return
  if (state === 'Idle' || state === 'Connect' || state === 'Active') {
    throw new NotificationError('fsm/unspecific', `in ${state} there is no connection to read from`)
  }
  // Nothing is ever answered to a NOTIFICATION (RFC 4271 §6.4).
  if (type === messageType.notification) return
  const session = { state, passive: false, negotiated }
  const [, actions] = step(session, eventOf(type, negotiated), { retrySeconds: 0, noAnswer: '' })
  for (const action of actions) {
    if (action.do === 'hangUp' && action.notify !== null) throw action.notify
  }
}

function eventOf(type: number, negotiated: Negotiated): Event {
  switch (type) {
    case messageType.open:
      return { type: 'open', negotiated }
    case messageType.update:
      return { type: 'update' }
    case messageType.refresh:
      return { type: 'refresh' }
    default:
      return { type: 'keepalive' }
  }
}

/** Agrees with the OPEN as a session would, on what the context says; the rest is as it likes. */
function admitOpen(open: Open, context: DecodeContext): void {
  const named = open.capabilities.findLast((capability) => capability.kind === 'as4')
  const peerAsn = context.peerAs ?? named?.asn ?? open.asn
  const ebgp = isEbgp({ ...context, peerAs: peerAsn })
  const config: PeerConfig = {
    ...anyPeer,
    asn: peerAsn,
    // Which other AS we are in matters to nobody.
    localAsn: ebgp ? (peerAsn ^ 1) >>> 0 : peerAsn,
    families: context.families ?? defaultFamilies,
  }
  // An identifier the context doesn't say clashes with none.
  const routerId = context.localId === undefined ? 0 : parseIpv4(context.localId)
  try {
    negotiate(localOpen(config, routerId), open, config)
  } catch (error) {
    const lacksFamily =
      error instanceof NotificationError && error.fault === 'open/unsupportedCapability'
    if (!lacksFamily || context.families !== undefined) throw error
  }
}

/** A peer about whom nothing is known; what counts is put over it. */
const anyPeer: PeerConfig = {
  name: 'peer',
  origin: '',
  description: '',
  address: 'the peer',
  range: null,
  rangeLimit: 0,
  port: 179,
  asn: defaultPeerAs,
  localAsn: defaultLocalAs,
  localAddress: null,
  passive: false,
  password: null,
  holdSeconds: 90,
  keepaliveSeconds: null,
  connectRetrySeconds: 5,
  families: defaultFamilies,
  routeReflectorClient: false,
  clusterId: null,
  nextHopMode: 'Auto',
  export: 'Auto',
  allowedLocalAsns: 0,
  asOverride: false,
  enforceFirstAs: true,
  ttlSecurity: null,
  ebgpMultihop: null,
  gracefulRestart: 'Enabled',
  restartSeconds: 120,
  staleSeconds: 360,
  addPathReceive: false,
  addPathSend: 'None',
  addPathLimit: null,
  maxPrefixes: null,
  bfd: null,
  filters: [],
  shutdown: false,
  shutdownMessage: null,
  heldDown: null,
}
