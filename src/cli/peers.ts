/**
 * `routelet peers [NAME]`: every session in a line (with its update groups under `-o wide`), or one
 * in full.
 */
import type { List } from '../../api/schema.ts'
import type { PeerFamilyView, PeerView, UpdateGroupView } from '../../bgp/types.ts'
import type { AgentClient } from './client.ts'
import type { Answer } from './output.ts'
import { type Column, formatFields, formatTable, type Tone } from './table.ts'
import type { Terminal } from './terminal.ts'
import { formatDuration, formatFamily, formatInstant } from './words.ts'

export async function askPeers(client: AgentClient, terminal: Terminal): Promise<Answer> {
  const list = await client.get<List<PeerView>>('/v1/peers')
  return {
    data: list,
    text: () => formatPeers(list.items, terminal, []),
    wide: () => formatPeers(list.items, terminal, wideColumns),
  }
}

/** One a line, for shells to complete. */
export async function askPeerNames(client: AgentClient): Promise<string> {
  const { items } = await client.get<List<PeerView>>('/v1/peers')
  return items.map(({ name }) => `${name}\n`).join('')
}

export async function askPeer(
  client: AgentClient,
  terminal: Terminal,
  name: string,
): Promise<Answer> {
  const peer = await client.get<PeerView>(peerPath(name))
  return { data: peer, text: () => formatPeer(peer, terminal) }
}

export function peerPath(name: string, rest = ''): string {
  return `/v1/peers/${encodeURIComponent(name)}${rest}`
}

/** What tells peers apart that look alike: the group each family is told through, and why. */
const wideColumns: readonly Column<PeerView>[] = [
  { title: 'LOCAL', value: (peer) => peer.localAddress },
  { title: 'GROUP', value: (peer) => ofGroups(peer, ({ number }) => String(number)) },
  { title: 'SHARED BY', value: (peer) => ofGroups(peer, ({ members }) => String(members)) },
  { title: 'APART BECAUSE IT', value: (peer) => ofGroups(peer, ({ apart }) => apart ?? '') },
]

/** One word a family, in the order of the families: most peers have one. */
function ofGroups(peer: PeerView, word: (group: UpdateGroupView) => string): string {
  const words = peer.families.flatMap(({ group }) => (group === null ? [] : [word(group)]))
  return words.filter((each) => each !== '').join(' / ')
}

function formatPeers(
  peers: readonly PeerView[],
  { colour, now }: Terminal,
  more: readonly Column<PeerView>[],
): string {
  if (peers.length === 0) return 'no peers\n'
  const columns: readonly Column<PeerView>[] = [
    { title: 'NAME', value: (peer) => peer.name },
    { title: 'ADDRESS', value: (peer) => peer.address },
    { title: 'AS', value: (peer) => peer.asn, align: 'right' },
    { title: 'TYPE', value: (peer) => peer.type },
    {
      title: 'STATE',
      value: (peer) => ({ text: peer.state, tone: toneOf(peer) }),
    },
    { title: 'FOR', value: (peer) => ageOf(peer, now()), align: 'right' },
    { title: 'RECEIVED', value: (peer) => sumOf(peer, 'received'), align: 'right' },
    { title: 'ACCEPTED', value: (peer) => sumOf(peer, 'accepted'), align: 'right' },
    { title: 'SENT', value: (peer) => sumOf(peer, 'advertised'), align: 'right' },
    { title: 'REASON', value: (peer) => peer.reason },
    ...more,
  ]
  return formatTable(peers, columns, colour)
}

function formatPeer(peer: PeerView, { colour, now }: Terminal): string {
  const { lastError, messages } = peer
  const age = ageOf(peer, now())
  const counts = ({ open, update, notification, keepalive, refresh }: typeof messages.sent) =>
    `${open} open, ${update} update, ${keepalive} keepalive, ${refresh} refresh, ${notification} notification`
  const fields = formatFields([
    ['name', peer.name],
    ['origin', peer.origin],
    ['description', peer.description === '' ? null : peer.description],
    ['state', `${peer.state}${age === '' ? '' : ` for ${age}`}`],
    ['reason', peer.reason],
    ['session', `${peer.localAddress ?? 'any'} → ${peer.address} port ${peer.port}`],
    ['AS', `${peer.localAsn} → ${peer.asn} (${peer.type})`],
    ['router id', peer.remoteRouterId],
    ['timers', formatTimers(peer)],
    ['reflector client', peer.routeReflectorClient ? 'yes' : null],
    ['password', peer.password ? 'set (MD5)' : 'none'],
    ['capabilities', `ours: ${peer.capabilities.local.join(', ')}`],
    ['', `theirs: ${peer.capabilities.remote.join(', ') || 'not seen yet'}`],
    ['received', counts(messages.received)],
    ['sent', counts(messages.sent)],
    ['flaps', String(peer.flaps)],
    [
      'last error',
      lastError && `${formatInstant(lastError.at)} ${lastError.direction}: ${lastError.text}`,
    ],
  ])
  if (peer.families.length === 0) return fields
  const columns: readonly Column<PeerFamilyView>[] = [
    { title: 'FAMILY', value: ({ family }) => formatFamily(family) },
    { title: 'NEGOTIATED', value: ({ negotiated }) => (negotiated ? 'yes' : 'no') },
    { title: 'RECEIVED', value: ({ received }) => received, align: 'right' },
    { title: 'ACCEPTED', value: ({ accepted }) => accepted, align: 'right' },
    { title: 'BEST', value: ({ best }) => best, align: 'right' },
    { title: 'SENT', value: ({ advertised }) => advertised, align: 'right' },
    { title: 'END-OF-RIB', value: formatEndOfRib },
    { title: 'GROUP', value: ({ group }) => group && `${group.number} (of ${group.members})` },
    { title: 'APART BECAUSE IT', value: ({ group }) => group?.apart ?? null },
  ]
  return `${fields}\n${formatTable(peer.families, columns, colour)}`
}

/** How it goes with a session. */
export type PeerTone = Extract<Tone, 'good' | 'warn' | 'bad'>

/** Established with a reason: nothing reaches the peer, and the hold timer has yet to notice. */
export function toneOf({ reason, state }: PeerView): PeerTone {
  if (state !== 'Established') return 'bad'
  return reason === null ? 'good' : 'warn'
}

/** How long it has been in its state. */
export function ageOf({ since }: PeerView, now: number): string {
  return since === null ? '' : formatDuration(now - since)
}

/** Of all families. */
export function sumOf(peer: PeerView, name: 'received' | 'accepted' | 'advertised'): number {
  return peer.families.reduce((sum, family) => sum + family[name], 0)
}

function formatTimers({ holdSeconds, keepaliveSeconds }: PeerView): string | null {
  if (holdSeconds === null) return null
  if (holdSeconds === 0) return 'hold off'
  return `hold ${holdSeconds} s, keepalive ${keepaliveSeconds ?? '-'} s`
}

function formatEndOfRib({ endOfRibReceived, endOfRibSent }: PeerFamilyView): string {
  if (endOfRibReceived && endOfRibSent) return 'both ways'
  return endOfRibReceived ? 'received' : endOfRibSent ? 'sent' : 'no'
}
