/**
 * How pods of a node are to be attached: `cni` of the BGPConfiguration in force, put together with the
 * node's pod CIDRs. Two kinds of pods come of it. Routed ones (ptp, bridge) have addresses from the pod
 * CIDRs, which are announced. Those on the segment (macvlan, ipvlan, a device of the host, SR-IOV) have
 * addresses of the L2 network around the node, from ranges of their own; of them nothing is announced.
 */
import { knownPrefix, type Prefix } from '../config/address.ts'
import type { BgpConfigurationSpec } from '../config/schema/bgp-configuration.ts'
import type { NodeFacts } from './node.ts'
import { fail, warn } from './problem.ts'
import type { Problem } from './types.ts'

export type CniType = 'Ptp' | 'Bridge' | 'Macvlan' | 'Ipvlan' | 'HostDevice' | 'Sriov'

export interface CniRange {
  /** The network the addresses lie in. */
  readonly subnet: string
  /** The part of it that is this node's; equal to `subnet` when all of it is. */
  readonly part: string
  readonly gateway: string | null
}

export interface CniIntent {
  readonly type: CniType
  readonly ranges: readonly CniRange[]
  /** The link that pods are attached to; null: the one with the node's address. */
  readonly interface: string | null
  /** null: that of the link. */
  readonly mtu: number | null
  readonly hostPorts: boolean
}

const segmentTypes: ReadonlySet<string> = new Set(['Macvlan', 'Ipvlan', 'HostDevice', 'Sriov'])
const subject = 'BGPConfiguration/default'

/** Whether pods sit on the L2 segment, and pod CIDRs hold nobody. */
export function sitsOnSegment(cni: BgpConfigurationSpec['cni']): boolean {
  return cni !== undefined && segmentTypes.has(cni.type)
}

/** null: no CNI configuration is to be written, or none can. */
export function deriveCni(
  own: NodeFacts,
  { cni }: BgpConfigurationSpec,
): { cni: CniIntent | null; problems: readonly Problem[] } {
  if (cni === undefined || cni.type === 'None') return { cni: null, problems: [] }
  const { type, mtu = null, hostPorts } = cni
  const intent = { type, interface: cni.interface ?? null, mtu, hostPorts }
  if (!sitsOnSegment(cni)) {
    const ranges = own.podCidrs.map((cidr) => ({ subnet: cidr, part: cidr, gateway: null }))
    const problems = cni.ranges.length === 0 ? [] : [idleRanges(type)]
    if (ranges.length > 0) return { cni: { ...intent, ranges }, problems }
    const message = `cni.type ${type} takes addresses from the pod CIDRs of node ${own.name}: it has none`
    const absent = fail(
      'CniNoPodCidr',
      `Node/${own.name}`,
      message,
      'set spec.podCIDRs on the Node',
    )
    return { cni: null, problems: [...problems, absent] }
  }
  const missing = missingField(type, cni)
  if (missing !== null) return { cni: null, problems: [missing] }
  const ranges = cni.ranges.map(({ cidr, subnet = cidr, gateway = null }) => ({
    subnet,
    part: cidr,
    gateway,
  }))
  return { cni: { ...intent, ranges }, problems: findCollisions(own, ranges) }
}

function idleRanges(type: string): Problem {
  const message = `cni.ranges has no effect with type ${type}: addresses come from the pod CIDRs`
  return warn('NoEffect', subject, message, 'remove it, or choose Macvlan, Ipvlan or Sriov')
}

function missingField(
  type: string,
  { ranges, interface: link }: NonNullable<BgpConfigurationSpec['cni']>,
): Problem | null {
  const write = (field: string, remedy: string) => {
    const message = `cni.type ${type} needs cni.${field}; no CNI configuration is written`
    return fail('CniIncomplete', subject, message, remedy)
  }
  if (ranges.length === 0) {
    return write('ranges', "set it for each node: BGPConfiguration node.NAME, with the node's part")
  }
  if (type === 'HostDevice' && link === undefined) {
    return write('interface', 'name the device that moves into the pod')
  }
  return null
}

/** Addresses given twice would be worse than none. */
function findCollisions(own: NodeFacts, ranges: readonly CniRange[]): Problem[] {
  const holds = ({ first, last, family }: Prefix, address: Prefix) =>
    family === address.family && first <= address.first && address.last <= last
  return [own.ipv4, own.ipv6].flatMap((known) => {
    if (known === null) return []
    const address = knownPrefix(`${known.address}/${known.family === 4 ? 32 : 128}`)
    return ranges
      .filter(({ part }) => holds(knownPrefix(part), address))
      .map(({ part }) => {
        const message = `cni.ranges: ${part} holds ${known.address}, an address of the node itself`
        return warn('CniRangeTaken', subject, message, 'give the pods another part of the subnet')
      })
  })
}
