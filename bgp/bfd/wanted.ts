/**
 * From what is asked for to what runs. Two peers may ask for the same path (an IPv4 and an IPv6
 * address family as two sessions to one neighbour, say), but between two systems there is one BFD
 * session a path (RFC 5881 §3): they share it, at the quickest of their settings.
 */
import type { SessionSettings } from './session.ts'
import type { BfdPath, BfdSessionConfig } from './types.ts'

const multiplierMax = 255
/** The intervals travel as 32-bit microseconds. */
const intervalMsMax = 4_294_967

export interface WantedPath {
  readonly path: BfdPath
  readonly names: readonly string[]
  readonly settings: SessionSettings
}

/**
 * @returns the paths, by a key that is equal for equal paths
 * @throws RangeError for a setting that can't be sent, or a name that occurs twice
 */
export function groupByPath(configs: readonly BfdSessionConfig[]): ReadonlyMap<string, WantedPath> {
  const names = new Set<string>()
  const paths = new Map<string, WantedPath>()
  for (const config of configs) {
    check(config)
    if (names.has(config.name)) throw new RangeError(`two BFD sessions are named ${config.name}`)
    names.add(config.name)
    const path = pathOf(config)
    const key = [path.remoteAddress, path.localAddress, path.interface, path.multihop].join(' ')
    const shared = paths.get(key)
    paths.set(key, {
      path,
      names: [...(shared?.names ?? []), config.name],
      settings: quickest(config, shared?.settings ?? config),
    })
  }
  return paths
}

/** The interface and the zone of link-local addresses tell the same; each is filled in from the other. */
function pathOf({ name, remoteAddress, localAddress, ...config }: BfdSessionConfig): BfdPath {
  const [plain, zone = null] = remoteAddress.split('%')
  if (config.interface !== null && zone !== null && config.interface !== zone) {
    throw new RangeError(
      `BFD session ${name}: ${remoteAddress} is not on interface ${config.interface}`,
    )
  }
  const device = config.interface ?? zone
  const zoned = (address: string) =>
    address.startsWith('fe80:') && device !== null ? `${address.split('%')[0]}%${device}` : address
  return {
    remoteAddress: zoned(plain ?? remoteAddress),
    localAddress: localAddress === null ? null : zoned(localAddress),
    interface: device,
    multihop: config.multihop,
  }
}

function quickest(one: SessionSettings, other: SessionSettings): SessionSettings {
  return {
    transmitMs: Math.min(one.transmitMs, other.transmitMs),
    receiveMs: Math.min(one.receiveMs, other.receiveMs),
    multiplier: Math.min(one.multiplier, other.multiplier),
  }
}

function check({ name, transmitMs, receiveMs, multiplier }: BfdSessionConfig): void {
  const fault = (what: string, value: number, most: number) =>
    new RangeError(`BFD session ${name}: ${what} is ${value}; 1 to ${most} are allowed`)
  const between = (value: number, most: number) => value >= 1 && value <= most
  if (!between(transmitMs, intervalMsMax)) throw fault('transmitMs', transmitMs, intervalMsMax)
  if (!between(receiveMs, intervalMsMax)) throw fault('receiveMs', receiveMs, intervalMsMax)
  if (!Number.isInteger(multiplier) || !between(multiplier, multiplierMax)) {
    throw fault('multiplier', multiplier, multiplierMax)
  }
}
