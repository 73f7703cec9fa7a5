/**
 * Which objects of the API server are watched, as a table of kinds, and where each kind is found.
 */
import { bgpGroups, findKind, type Kind } from '../config/kinds.ts'

/** One list and watch. Two with equal keys are one and the same. */
export interface Source {
  readonly key: string
  readonly kind: Kind
  readonly apiVersion: string
  readonly path: string
  /** Selectors as the API server takes them. */
  readonly query: Readonly<Record<string, string>>
  /**
   * A list that was full and comes back empty is an accident (a store that lost its data, a broken
   * aggregated server) until a watch says that its objects were deleted.
   */
  readonly emptiness: 'suspect' | 'usual'
}

/** Names of a kind in the API server's paths. */
const plurals = {
  BGPConfiguration: 'bgpconfigurations',
  BGPPeer: 'bgppeers',
  BGPFilter: 'bgpfilters',
  Node: 'nodes',
  Secret: 'secrets',
  Service: 'services',
  EndpointSlice: 'endpointslices',
  Pod: 'pods',
  BlockAffinity: 'blockaffinities',
  IPPool: 'ippools',
} as const

export type WatchedKind = keyof typeof plurals

/** Groups that may or may not be installed, as they are asked for; an own one comes first. */
export const optionalGroups = bgpGroups

/** `routelet.io/v1/bgppeers`: what is served of the optional groups. */
export type Served = ReadonlySet<string>

export interface Where {
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  readonly emptiness?: Source['emptiness']
}

export function makeSource(apiVersion: string, name: WatchedKind, where: Where = {}): Source {
  const kind = findKind(apiVersion, name)
  if (kind === null) throw new Error(`${name} of ${apiVersion} is not a kind that is read`)
  const { namespace, labelSelector, fieldSelector, emptiness = 'suspect' } = where
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const scope = namespace === undefined ? '' : `/namespaces/${namespace}`
  const path = `${root}${scope}/${plurals[name]}`
  const query = {
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  }
  const key = [path, labelSelector ?? '', fieldSelector ?? ''].join(' ').trim()
  return { key, kind, apiVersion, path, query, emptiness }
}

/** Groups of a kind that are watched: ours, and of Calico's two the one that is the newer face. */
export function groupsOf(name: WatchedKind, served: Served): readonly string[] {
  const isServed = (group: string) => served.has(`${group}/${plurals[name]}`)
  const [own, ...calicos] = optionalGroups
  const calico = calicos.find(isServed)
  return [...(isServed(own) ? [own] : []), ...(calico === undefined ? [] : [calico])]
}
