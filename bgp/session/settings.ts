/**
 * Which settings of a peer belong to its TCP connection or its OPEN, so that changing them means a
 * new session, and which can change under a running one (design: only what differs is touched).
 */

import type { DialOptions, PeerConfig } from '../types.ts'

/**
 * A row for each setting; the type makes sure that none is forgotten. `rekey`: one key takes another's
 * place under the session; a first key, or none any more, means a new one.
 */
const effects: { readonly [K in keyof PeerConfig]-?: 'reset' | 'live' | 'rekey' } = {
  name: 'live',
  origin: 'live',
  description: 'live',
  address: 'reset',
  range: 'live',
  rangeLimit: 'live',
  port: 'reset',
  asn: 'reset',
  localAsn: 'reset',
  localAddress: 'reset',
  passive: 'live',
  password: 'rekey',
  holdSeconds: 'reset',
  keepaliveSeconds: 'live',
  connectRetrySeconds: 'live',
  families: 'reset',
  routeReflectorClient: 'live',
  clusterId: 'live',
  nextHopMode: 'live',
  export: 'live',
  allowedLocalAsns: 'live',
  asOverride: 'live',
  enforceFirstAs: 'live',
  ttlSecurity: 'reset',
  ebgpMultihop: 'reset',
  gracefulRestart: 'reset',
  restartSeconds: 'reset',
  staleSeconds: 'live',
  addPathReceive: 'reset',
  addPathSend: 'reset',
  addPathLimit: 'live',
  maxPrefixes: 'live',
  filters: 'live',
  bfd: 'live',
  shutdown: 'reset',
  shutdownMessage: 'live',
  heldDown: 'live',
}

export type SettingsChange = 'unchanged' | 'applied' | 'reset'

export function compareSettings(before: PeerConfig, after: PeerConfig): SettingsChange {
  const changed = (Object.keys(effects) as (keyof PeerConfig)[]).filter(
    (key) => !same(before[key], after[key]),
  )
  if (changed.some((key) => effects[key] === 'reset')) return 'reset'
  const isFirstOrLast = (key: keyof PeerConfig) => before[key] === null || after[key] === null
  if (changed.some((key) => effects[key] === 'rekey' && isFirstOrLast(key))) return 'reset'
  // Another reason to stay down is only news to people; being let go, or not, is a new session.
  if ((before.heldDown === null) !== (after.heldDown === null)) return 'reset'
  return changed.length === 0 ? 'unchanged' : 'applied'
}

function same(before: unknown, after: unknown): boolean {
  // Plain data, made by one pure function: equal values have equal text.
  if (typeof before === 'object') return JSON.stringify(before) === JSON.stringify(after)
  return before === after
}

/** Why a peer isn't to be brought up at all, or null. */
export function blockedReason(config: PeerConfig): string | null {
  if (config.shutdown) {
    const { shutdownMessage: said } = config
    return said === null ? 'administratively down' : `administratively down: "${said}"`
  }
  return config.heldDown
}

/** TTL options of a peer's sockets (RFC 5082 §3: the sender uses 255, the receiver checks). */
export function ttlOptions(config: PeerConfig): Pick<DialOptions, 'ttl' | 'minTtl'> {
  if (config.ttlSecurity !== null) return { ttl: 255, minTtl: 256 - config.ttlSecurity }
  return { ttl: config.ebgpMultihop, minTtl: null }
}
