/**
 * The CNI network configuration list of a node (CNI specification 1.0.0, §1), from what is wanted and
 * the link that pods share; a pure function. Plugins are those of containernetworking/plugins, and
 * sriov of k8snetworkplumbingwg.
 */
import { formatNumber, knownPrefix } from '../config/address.ts'
import type { CniIntent, CniRange, CniType } from '../intent/cni.ts'

/** Name of the network, and how a file of ours is known together with `ownerField`. */
export const networkName = 'routelet'
/** Names the node whose agent wrote it. Container runtimes skip fields they don't know. */
export const ownerField = 'routelet.io/node'
/** The kernel's boot id when it was written: a file of an earlier boot says nothing of this one. */
export const bootField = 'routelet.io/boot'
export const bridgeName = 'routelet0'

export interface Link {
  readonly name: string
  readonly mtu: number
}

export interface Origin {
  readonly node: string
  readonly bootId: string
}

type Json = Readonly<Record<string, unknown>>

/** Fields of the plugin that makes the interface; `link` is where the node's own address is. */
const plugins: Readonly<Record<CniType, (cni: CniIntent, link: Link) => Json>> = {
  Ptp: ({ mtu }, link) => ({ type: 'ptp', ipMasq: false, mtu: mtu ?? link.mtu }),
  Bridge: ({ mtu }, link) => ({
    type: 'bridge',
    bridge: bridgeName,
    isGateway: true,
    hairpinMode: true,
    ipMasq: false,
    mtu: mtu ?? link.mtu,
  }),
  Macvlan: ({ interface: master, mtu }, link) => ({
    type: 'macvlan',
    master: master ?? link.name,
    mode: 'bridge',
    mtu: mtu ?? link.mtu,
  }),
  Ipvlan: ({ interface: master, mtu }, link) => ({
    type: 'ipvlan',
    master: master ?? link.name,
    mode: 'l2',
    mtu: mtu ?? link.mtu,
  }),
  HostDevice: ({ interface: device }) => ({ type: 'host-device', device }),
  // The runtime hands over the virtual function that the device plugin gave the pod.
  Sriov: ({ mtu }) => ({
    type: 'sriov',
    capabilities: { deviceID: true },
    ...(mtu === null ? {} : { mtu }),
  }),
}

/** The file's text, with a line end. */
export function writeConflist(cni: CniIntent, link: Link, { node, bootId }: Origin): string {
  const routed = cni.type === 'Ptp' || cni.type === 'Bridge'
  const chained = routed && cni.hostPorts ? [portmap] : []
  const list = {
    cniVersion: '1.0.0',
    name: networkName,
    [ownerField]: node,
    [bootField]: bootId,
    plugins: [{ ...plugins[cni.type](cni, link), ipam: ipamOf(cni, routed) }, ...chained],
  }
  return `${JSON.stringify(list, null, 2)}\n`
}

const portmap: Json = { type: 'portmap', capabilities: { portMappings: true } }

/** One address of each family for a pod. On the segment a default route needs a gateway there. */
function ipamOf({ ranges }: CniIntent, routed: boolean): Json {
  const families = ([4, 6] as const)
    .map((family) => ranges.filter(({ part }) => knownPrefix(part).family === family))
    .filter((found) => found.length > 0)
  const leading = families.filter(
    (found) => routed || found.some(({ gateway }) => gateway !== null),
  )
  return {
    type: 'host-local',
    ranges: families.map((found) => found.map(rangeOf)),
    routes: leading.map(([range]) => ({
      dst: range?.part.includes(':') === true ? '::/0' : '0.0.0.0/0',
    })),
  }
}

/** host-local takes a whole subnet but for its ends; a part of one is told by its ends. */
function rangeOf({ subnet, part, gateway }: CniRange): Json {
  const whole = knownPrefix(subnet)
  const own = knownPrefix(part)
  const via = gateway === null ? {} : { gateway }
  if (whole.text === own.text) return { subnet, ...via }
  // The first of a subnet is the network itself (in IPv6 its routers' anycast), the last the broadcast.
  const first = own.first === whole.first ? own.first + 1n : own.first
  const last = own.family === 4 && own.last === whole.last ? own.last - 1n : own.last
  const text = (value: bigint) => formatNumber(value, own.family)
  return { subnet, rangeStart: text(first), rangeEnd: text(last), ...via }
}
