/**
 * The host's own addresses, as the speaker asks for them: which address is "self" in a family, and
 * which subnet an address lies in (for third-party next hops, RFC 4271 §5.1.3).
 */
import { networkInterfaces } from 'node:os'
import { Address4, Address6 } from 'ip-address'
import type { FamilyName } from '../bgp/types.ts'
import { versionOf } from './config/address.ts'

export class HostAddresses {
  /** This node's configured addresses (`10.0.0.1/24`), one a family at most. */
  #node: readonly string[] = []

  setNode(addresses: readonly string[]): void {
    this.#node = addresses
  }

  /** The address to announce as next hop in a family over a session with this local address. */
  selfAddress(family: FamilyName, localAddress: string): string | null {
    const version = family === 'ipv4-unicast' ? 4 : 6
    const plain = withoutZone(localAddress)
    if (versionOf(plain) === version && !isLinkLocal(plain)) return plain
    const node = this.#node.map((each) => each.replace(/\/.*/, ''))
    const configured = node.find((each) => versionOf(each) === version)
    if (configured !== undefined) return configured
    // An address of the other family on the interface the session uses.
    for (const addresses of Object.values(networkInterfaces())) {
      if (!addresses?.some(({ address }) => withoutZone(address) === plain)) continue
      const beside = addresses.find(
        ({ address, family: of }) => of === `IPv${version}` && !isLinkLocal(address),
      )
      if (beside !== undefined) return beside.address
    }
    return null
  }

  /** The subnet of an own address in canonical CIDR, or null when it is no address of this host. */
  subnetOf(localAddress: string): string | null {
    const plain = withoutZone(localAddress)
    for (const addresses of Object.values(networkInterfaces())) {
      for (const { address, cidr } of addresses ?? []) {
        if (address !== plain || cidr === null) continue
        return subnetText(cidr)
      }
    }
    return null
  }
}

/** `10.0.0.1/24` → `10.0.0.0/24`. */
function subnetText(cidr: string): string {
  const read = cidr.includes(':') ? new Address6(cidr) : new Address4(cidr)
  return `${read.startAddress().correctForm()}/${read.subnetMask}`
}

function withoutZone(address: string): string {
  return address.replace(/%.*/, '')
}

function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address)
}
