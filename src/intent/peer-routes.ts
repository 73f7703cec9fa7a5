/**
 * Host routes to peers that are reached through a gateway (`BGPPeer.spec.reachableBy`): what BIRD's
 * static protocol does under Calico. A route has one gateway; the first peering that names an address
 * says which.
 */
import type { FibSettings } from '../../fib/types.ts'
import { parseAddress } from '../config/address.ts'
import type { Peering } from './peering.ts'
import { inform, warn } from './problem.ts'
import type { PeerRoute, Problem } from './types.ts'

export interface PeerRoutes {
  /** Sorted as the peerings are, one an address. */
  readonly routes: readonly PeerRoute[]
  readonly problems: readonly Problem[]
}

export function derivePeerRoutes(
  peerings: readonly Peering[],
  install: FibSettings['install'],
): PeerRoutes {
  const routes = new Map<string, PeerRoute>()
  const problems: Problem[] = []
  for (const { source, scope, address } of peerings) {
    const gateway = source?.body.spec.reachableBy
    // The mirror of a peering is made at the other end of the way.
    if (source === null || gateway === undefined || address === null || scope === 'reverse')
      continue
    const subject = `BGPPeer/${source.name}`
    const useless = findUseless(address, gateway, install)
    if (useless !== null) {
      problems.push(
        inform('NoEffect', subject, `reachableBy has no effect: ${useless}`, 'remove it'),
      )
      continue
    }
    const first = routes.get(address)
    if (first === undefined) routes.set(address, { address, gateway, subject })
    else if (first.gateway !== gateway) {
      const message = `${first.subject} reaches ${address} by ${first.gateway} already, not by ${gateway}`
      problems.push(warn('GatewayDiffers', subject, message, 'name one gateway for both'))
    }
  }
  return { routes: [...routes.values()], problems }
}

/** Why the gateway changes nothing, or null. */
function findUseless(
  address: string,
  gateway: string,
  install: FibSettings['install'],
): string | null {
  const read = parseAddress(address)
  if (read.ok && read.value.zone !== null) return 'the peer is named by its interface'
  if (address === gateway) return 'the gateway is the peer itself'
  return install === 'None' ? 'with fib.install: None no route is written' : null
}
