/**
 * What an agent shows of itself, put as the status of its NodeRouting object; and which changes of
 * it are worth a write at once. Pure.
 */
import type { ConditionView, NodeView } from '../../api/views.ts'
import type { PeerFamilyView, PeerView } from '../../bgp/types.ts'
import { compareText } from '../config/problem.ts'
import { type NodeRoutingStatus, peersShownMax } from '../config/schema/node-routing.ts'

type Condition = NodeRoutingStatus['conditions'][number]
type PeerStatus = NodeRoutingStatus['peers'][number]

const conditionsMax = 64
const textMax = 1024
/** Of the objects that share a reason, so many are told in words. */
const subjectsToldMax = 5

/**
 * @param at Unix milliseconds
 * @param before what was written last: conditions that last keep their time
 */
export function describeRouting(
  node: NodeView,
  peers: readonly PeerView[],
  at: number,
  before: NodeRoutingStatus | null,
): NodeRoutingStatus {
  const shown = [...peers].sort(downFirst).slice(0, peersShownMax).map(describePeer)
  const now = new Date(at).toISOString()
  return {
    asNumber: node.asn,
    routerId: node.routerId,
    ...(node.clusterId === null ? {} : { clusterId: node.clusterId }),
    version: node.version,
    observedAt: now,
    peersWanted: node.peers.wanted,
    peersEstablished: node.peers.established,
    peers: shown,
    announced: node.announcements.length,
    routesWanted: node.fib.wanted,
    routesInstalled: node.fib.installed,
    conditions: describeConditions(node, now, before?.conditions ?? []),
  }
}

/** What people wait for or are woken by: sessions, readiness, conditions. Counters are not. */
export function differsUrgently(before: NodeRoutingStatus, after: NodeRoutingStatus): boolean {
  return JSON.stringify(urgent(before)) !== JSON.stringify(urgent(after))
}

/** Anything but the time of the writing. */
export function differs(before: NodeRoutingStatus, after: NodeRoutingStatus): boolean {
  const at = after.observedAt
  return JSON.stringify({ ...before, observedAt: at }) !== JSON.stringify(after)
}

function urgent({ peers, conditions, ...rest }: NodeRoutingStatus): unknown {
  return [
    [rest.asNumber, rest.routerId, rest.clusterId, rest.version, rest.peersWanted],
    // A session on its way up passes many states; that it is not there is one.
    peers.map(({ name, state }) => [name, state === 'Established']),
    conditions.map(({ type, status, reason, message }) => [type, status, reason, message]),
  ]
}

function downFirst(a: PeerView, b: PeerView): number {
  const up = (peer: PeerView) => Number(peer.state === 'Established')
  return up(a) - up(b) || compareText(a.name, b.name)
}

function describePeer(peer: PeerView): PeerStatus {
  const { name, address, asn, state, since, reason, lastError, families } = peer
  const counts = (wanted: PeerFamilyView['family']) => {
    const found = families.find(({ family, negotiated }) => negotiated && family === wanted)
    if (found === undefined) return null
    const { received, accepted, advertised } = found
    return { received, accepted, advertised }
  }
  const [ipv4, ipv6] = [counts('ipv4-unicast'), counts('ipv6-unicast')]
  return {
    name,
    address,
    asNumber: asn,
    state,
    ...(since === null ? {} : { since: new Date(since).toISOString() }),
    ...(reason === null ? {} : { reason: clip(reason) }),
    ...(lastError === null ? {} : { lastError: clip(lastError.text) }),
    ...(ipv4 === null ? {} : { ipv4 }),
    ...(ipv6 === null ? {} : { ipv6 }),
  }
}

function describeConditions(
  { ready, readyReason, conditions }: NodeView,
  now: string,
  before: readonly Condition[],
): Condition[] {
  const known = new Map(before.map((condition) => [condition.type, condition]))
  const make = (type: string, status: 'True' | 'False', reason: string, message: string) => {
    const last = known.get(type)
    const lastTransitionTime = last?.status === status ? last.lastTransitionTime : now
    return { type, status, reason, message: clip(message), lastTransitionTime }
  }
  const readiness = ready
    ? make('Ready', 'True', 'RoutesFlow', 'routes flow')
    : make('Ready', 'False', 'NotReady', readyReason ?? 'it is not known why')
  const byReason = new Map<string, ConditionView[]>()
  for (const condition of conditions) {
    byReason.set(condition.reason, [...(byReason.get(condition.reason) ?? []), condition])
  }
  const others = [...byReason].map(([reason, same]) => make(reason, 'True', reason, inWords(same)))
  return [readiness, ...others].slice(0, conditionsMax)
}

function inWords(same: readonly ConditionView[]): string {
  const told = same.slice(0, subjectsToldMax).map(({ subject, message, remedy }) => {
    const about = subject === '' ? message : `${subject}: ${message}`
    return remedy === null ? about : `${about} (${remedy})`
  })
  const more = same.length - told.length
  return more > 0 ? `${told.join('; ')}; and ${more} more` : told.join('; ')
}

function clip(text: string): string {
  return text.length <= textMax ? text : `${text.slice(0, textMax - 1)}…`
}
