/**
 * The answer to "why isn't this session up?": what was tried, what the other side said, and what to
 * check. Pure: a peer's view and its events in, words out.
 */
import type { EventView, PeerExplanation } from '../api/views.ts'
import type { PeerView } from '../bgp/types.ts'

/** Happenings shown, the newest. */
const triedMax = 20

interface Check {
  /** Of the reasons in bgp/session/reason.ts and the notifications of RFC 4271 §4.5. */
  readonly when: RegExp
  readonly check: (peer: PeerView) => readonly string[]
}

/** What to look at, by what the reason says. All rows that fit speak, in this order. */
const checks: readonly Check[] = [
  {
    when: /refused the connection/,
    check: ({ address, port, localAddress }) => [
      `on ${address}: does its BGP daemon run, and listen on port ${port}?`,
      `on ${address}: is ${localAddress ?? "this node's address"} configured as a neighbour?`,
    ],
  },
  {
    when: /link \S+ (has no carrier|is down)/,
    check: ({ address }) => [
      `the cable, the port, and ${address} itself: is it without power? Here: ip -br link`,
    ],
  },
  {
    when: /is unreachable|no route leads/,
    check: ({ address }) => [
      `here: ip route get ${address}`,
      `here: ip neigh show ${address} — FAILED or nothing means cable, VLAN or a wrong address`,
    ],
  },
  {
    when: /no answer from/,
    check: ({ address, port, password }) => [
      `here: ping ${address}; a firewall between may drop port ${port}`,
      password
        ? `both sides: the same MD5 key? A wrong one gets no answer at all`
        : `on ${address}: does it want an MD5 key? Without one it never answers`,
    ],
  },
  {
    when: /source address .* is not on this host|no local address/,
    check: ({ localAddress }) => [
      `here: ip address — ${localAddress ?? 'an own address of that family'} must be there`,
      'the status.addresses of this Node, or sourceAddress of the BGPPeer',
    ],
  },
  {
    when: /forbidden/,
    check: () => ['here: nft list ruleset — a rule on output refuses the connection'],
  },
  {
    when: /before its OPEN|waiting for the OPEN/,
    check: ({ address, localAddress }) => [
      `on ${address}: is ${localAddress ?? "this node's address"} configured as a neighbour?`,
      `on ${address}: its log says why it closed; many pause for minutes after an error`,
    ],
  },
  {
    when: /Bad Peer AS|expects another AS|says AS/,
    check: ({ asn, localAsn }) => [`both sides: this node is AS ${localAsn} and expects AS ${asn}`],
  },
  {
    when: /router id|BGP Identifier/,
    check: () => ['both sides: two speakers of one AS must not share a router id'],
  },
  {
    when: /no address family in common|Unsupported Capability/,
    check: () => ['both sides: families of the BGPPeer, address families of the neighbour'],
  },
  {
    when: /[Hh]old [Tt]imer/,
    check: ({ address }) => [
      `here: ping -s 1400 -M do ${address} — an MTU too small lets only short packets through`,
      `on ${address}: was it busy, or was the link down?`,
    ],
  },
  {
    when: /Maximum Number of Prefixes|maxPrefixes|more prefixes/,
    check: () => ['which side sends more than intended: received and advertised of this peer'],
  },
  {
    when: /administratively down|Administrative Shutdown/,
    check: ({ name, address }) => [
      `here: routelet enable ${name}, if it was shut down here`,
      `the administrator of ${address}, if it was shut down there`,
    ],
  },
  {
    when: /Secret/,
    check: () => ['the Secret that the BGPPeer names: kubectl get secret, or the manifests folder'],
  },
  {
    when: /to connect \(passive\)/,
    check: ({ address, port }) => [
      `on ${address}: does it dial this node, and does a firewall here let port ${port} in?`,
    ],
  },
]

const nothingKnown = 'the events of this peer, and the log on the other side'

/**
 * @param events All events that are kept, oldest first; those of other peers are left out.
 */
export function explainPeer(peer: PeerView, events: readonly EventView[]): PeerExplanation {
  const own = events.filter((event) => event.peer === peer.name)
  const tried = own.slice(-triedMax).map(({ at, level, text }) => ({ at, level, text }))
  const heard = heardFrom(peer, own)
  const well = peer.state === 'Established' && peer.reason === null
  const check = well ? [] : checksFor(peer)
  return {
    name: peer.name,
    state: peer.state,
    words: wordsOf(peer, heard, check),
    tried,
    heard,
    check,
  }
}

/** The last thing the other side said of itself, or null. */
function heardFrom(peer: PeerView, events: readonly EventView[]): string | null {
  if (peer.lastError?.direction === 'received') return peer.lastError.text
  return events.findLast(({ text }) => text.includes('received NOTIFICATION'))?.text ?? null
}

function checksFor(peer: PeerView): readonly string[] {
  // What went wrong before says nothing about a session that is up.
  const before = peer.state === 'Established' ? null : peer.lastError
  const said = `${peer.reason ?? ''} ${before?.text ?? ''}`
  const found = checks.flatMap(({ when, check }) => (when.test(said) ? check(peer) : []))
  return found.length === 0 ? [nothingKnown] : [...new Set(found)]
}

function wordsOf(peer: PeerView, heard: string | null, check: readonly string[]): string[] {
  const { address, asn, lastError, name, port, reason, state } = peer
  const source = peer.localAddress ?? 'an address the kernel chooses'
  if (state === 'Established') {
    const before = lastError === null ? '' : ` The last error was: ${lastError.text}.`
    if (reason === null) return [`The session with ${name} is up.${before}`]
    return [`The session with ${name} is still up, but ${reason}.${before}`, ...toCheck(check)]
  }
  const words = [
    `The session with ${name} (${address}, AS ${asn}) is not up: ${state}.`,
    `Tried: ${source} → ${address} port ${port}${peer.password ? ', with an MD5 key' : ''}.`,
  ]
  if (reason !== null) words.push(`Now: ${reason}.`)
  if (lastError !== null && lastError.text !== reason) words.push(`Last error: ${lastError.text}.`)
  words.push(heard === null ? 'The other side has said nothing.' : `It said: ${heard}.`)
  return [...words, ...toCheck(check)]
}

function toCheck(check: readonly string[]): string[] {
  return check.map((one) => `Check ${one}${/[?.]$/.test(one) ? '' : '.'}`)
}
