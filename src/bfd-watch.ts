/**
 * BFD tied to what it protects (RFC 5882, RFC 9384): peers that ask for it get a BFD session, and
 * when its path fails, first the kernel leaves the next hop, then the BGP session is ended with
 * Cease / BFD Down. A BFD session that isn't up keeps no BGP session down.
 */
import type { Speaker } from '../bgp/index.ts'
import type { PeerConfig } from '../bgp/types.ts'
import type { Fib } from '../fib/types.ts'
import type { EventLog } from './event-log.ts'
import type { Bfd } from './workers/bfd-proxy.ts'

export class BfdWatch {
  readonly #bfd: Bfd
  #addresses: ReadonlyMap<string, string> = new Map()

  constructor(bfd: Bfd, speaker: Speaker, fib: Fib, events: EventLog) {
    this.#bfd = bfd
    bfd.onEvent((event) => events.add(event))
    bfd.onState(({ name, state, failed, diagnostic }) => {
      const address = this.#addresses.get(name)
      if (address === undefined) return
      // A thread that has told the kernel writer itself did so before; said late, it would be wrong.
      if (failed) {
        if (!bfd.reportsHops) fib.dead?.(address)
        speaker.pathFailed(name, `BFD: ${diagnostic}`)
      } else if (state === 'Up' && !bfd.reportsHops) {
        fib.alive?.(address)
      }
    })
  }

  start(): Promise<void> {
    return this.#bfd.start()
  }

  close(): Promise<void> {
    return this.#bfd.close()
  }

  /** The sessions of all peers that want one. */
  watch(peers: readonly PeerConfig[]): void {
    const wanted = peers.filter(
      ({ bfd, address, heldDown, shutdown }) =>
        bfd !== null && address !== null && heldDown === null && !shutdown,
    )
    this.#addresses = new Map(wanted.map((peer) => [peer.name, peer.address as string]))
    this.#bfd.setSessions(
      wanted.map((peer) => ({
        name: peer.name,
        remoteAddress: peer.address as string,
        localAddress: peer.localAddress,
        interface: null,
        multihop: isMultihop(peer),
        ...(peer.bfd as NonNullable<PeerConfig['bfd']>),
      })),
    )
  }
}

/** RFC 5883 for peers that may be behind routers; GTSM with one hop says that they are not. */
function isMultihop({ asn, localAsn, ttlSecurity, ebgpMultihop }: PeerConfig): boolean {
  if (ttlSecurity !== null) return ttlSecurity > 1
  return asn === localAsn || ebgpMultihop !== null
}
