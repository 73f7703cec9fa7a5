/**
 * Whether another routing daemon spoke BGP for this node a moment ago and left its routes: Calico's
 * BIRD during a migration. Then this start is a restart to the peers (RFC 4724 §3, §4.1): the node
 * has gone on forwarding by the routes of its predecessor, and peers that hold its announcements as
 * stale need not drop them before they hear them anew.
 *
 * The sign is a blackhole of another's for the node's own aggregate: who announces a block makes one,
 * and nobody else does. After a reboot there is none.
 */
import type { FamilyName } from '../bgp/types.ts'
import type { Fib } from '../fib/types.ts'
import type { EventLog } from './event-log.ts'

/** Those that announce what they blackhole, as the kernel writer names them. */
const speakers = ['bird (12)', 'kube-router (17)', 'bgp (186)']

/**
 * Families in which another daemon left an aggregate; none: there was none.
 * @param aggregates Prefixes of the node, as the intent wants them blackholed.
 */
export async function inheritFamilies(
  fib: Pick<Fib, 'lookup'>,
  aggregates: readonly string[],
  events: Pick<EventLog, 'add'>,
): Promise<readonly FamilyName[]> {
  const families = new Set<FamilyName>()
  const names = new Set<string>()
  for (const prefix of aggregates) {
    const { kernel } = await fib.lookup(prefix)
    const left = kernel.find(
      (route) => !route.ours && route.kind === 'blackhole' && speakers.includes(route.protocol),
    )
    if (left === undefined) continue
    names.add(left.protocol)
    families.add(prefix.includes(':') ? 'ipv6-unicast' : 'ipv4-unicast')
  }
  if (names.size > 0) {
    const text = `takes over from ${[...names].join(', ')}, whose routes stay: to peers this is a restart`
    events.add({ kind: 'fib.adopted', level: 'info', text, data: { families: [...families] } })
  }
  return [...families]
}
