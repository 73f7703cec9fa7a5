/**
 * Why a session isn't there, in sentences for people: what happened, and what to look at. Pure text;
 * no decision depends on it.
 */

import type { ConnectionError, PeerConfig } from '../types.ts'
import type { decodeNotification } from '../wire/notification.ts'
import { ttlOptions } from './settings.ts'

type Notification = ReturnType<typeof decodeNotification>

/** Where the connection was when it ended. */
export type Phase = 'dial' | 'open' | 'session'

const dialReasons: { readonly [code: string]: (peer: PeerConfig) => string } = {
  ECONNREFUSED: (peer) =>
    `${peer.address} refused the connection: nothing listens on port ${peer.port} there, ` +
    `or it doesn't know us (our source address is ${source(peer)})`,
  ETIMEDOUT: noAnswer,
  EHOSTUNREACH: (peer) =>
    `${peer.address} is unreachable: no route leads there, or nobody on the link has that address`,
  ENETUNREACH: (peer) => `no route leads to ${peer.address}: look at the kernel's routing table`,
  EADDRNOTAVAIL: (peer) =>
    peer.localAddress === null
      ? `no local address can reach ${peer.address}`
      : `source address ${peer.localAddress} is not on this host`,
  EACCES: (peer) => `connecting to ${peer.address} was forbidden: look at the local firewall`,
  // What netfilter drops on its way out, connect(2) reports as EPERM.
  EPERM: (peer) =>
    `connecting to ${peer.address} was forbidden on this host: look for a firewall rule on output ` +
    `(nft list ruleset), or a policy on this process`,
  EINVAL: (peer) =>
    `${peer.address} cannot be dialled: is its interface there, and its source right?`,
}

/** No SYN-ACK came, which looks the same whatever the cause. */
export function noAnswer(peer: PeerConfig): string {
  const causes = ['unreachable', 'filtered']
  if (peer.ttlSecurity !== null)
    causes.push(`more than ${hops(peer.ttlSecurity)} away (ttlSecurity)`)
  causes.push(
    peer.password === null ? 'it wants an MD5 key and we have none' : 'the MD5 key differs',
  )
  return `no answer from ${peer.address} port ${peer.port} (${listed(causes)})`
}

/** TCP is there, the peer's OPEN is not. */
export function awaitingOpen(peer: PeerConfig): string {
  const waiting = `connected, waiting for the OPEN of ${peer.address}`
  if (peer.ttlSecurity === null) return waiting
  return (
    `${waiting}: with ttlSecurity only packets with a TTL of at least ${ttlOptions(peer).minTtl} are read, ` +
    `so it must send with TTL 255 and be at most ${hops(peer.ttlSecurity)} away`
  )
}

export function connectionReason(
  peer: PeerConfig,
  phase: Phase,
  error: ConnectionError | null,
  localAddress: string | null,
): string {
  const code = error?.code ?? null
  if (phase === 'dial') {
    const known = code === null ? undefined : dialReasons[code]
    if (known !== undefined) return known(peer)
    return `cannot connect to ${peer.address} port ${peer.port}: ${error?.message ?? 'closed'}`
  }
  const how =
    code === null || code === 'ECONNRESET' || code === 'EPIPE'
      ? `${peer.address} closed the connection`
      : `the connection to ${peer.address} broke (${code})`
  if (phase === 'session') return `${how} without a NOTIFICATION`
  return `${how} before its OPEN: is ${localAddress ?? source(peer)} configured as a peer there?`
}

/** Keyed by `code/subcode`: what stands behind the commonest NOTIFICATIONs. */
const remedies: { readonly [kind: string]: (peer: PeerConfig) => string } = {
  '2/2': (peer) => `it expects another AS number of us than ${peer.localAsn}`,
  '2/3': () => 'it does not accept our router id: is it the same as its own?',
  '2/6': (peer) => `it does not accept our hold time of ${peer.holdSeconds} s`,
  '4/0': () => 'it heard nothing from us for the hold time',
  '6/1': () => 'we sent it more prefixes than it allows',
  '6/2': () => 'it was shut down there by its administrator',
  '6/3': () => 'it was removed from the configuration there',
  '6/4': () => 'it was reset there by its administrator',
  '6/5': () => 'it does not want a connection from us now',
}

export function notificationReason(peer: PeerConfig, notification: Notification): string {
  const { code, subcode, name, text } = notification
  const remedy = remedies[`${code}/${subcode}`]
  const words = [`received NOTIFICATION ${name}`]
  if (remedy !== undefined) words.push(remedy(peer))
  if (text !== null && text !== '') words.push(`it says "${text}"`)
  return words.join(': ')
}

/** `a, b, or c` */
function listed(causes: readonly string[]): string {
  return `${causes.slice(0, -1).join(', ')}, or ${causes.at(-1)}`
}

function hops(count: number): string {
  return count === 1 ? '1 hop' : `${count} hops`
}

function source(peer: PeerConfig): string {
  return peer.localAddress ?? 'chosen by the kernel'
}
