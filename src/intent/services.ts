/**
 * What a node announces of the cluster's Services, as Calico does: the configured ranges whole, from
 * every node; addresses of `externalTrafficPolicy: Local` services as host routes, from the nodes
 * where somebody answers; single addresses named as a range by the services that have them.
 * A service is counted by its address, so two that share one never withdraw it from each other.
 */
import {
  coversPrefix,
  type IpVersion,
  knownPrefix,
  type Prefix,
  parseAddress,
} from '../config/address.ts'
import type { EndpointSliceResource, ResourceSet, ServiceResource } from '../config/resources.ts'
import type { BgpConfigurationSpec } from '../config/schema/bgp-configuration.ts'
import { serviceNameLabel } from '../config/schema/core.ts'
import type { NodeFacts } from './node.ts'
import { inform, warn } from './problem.ts'
import type { Problem } from './types.ts'

export interface ServiceRoute {
  readonly prefix: string
  readonly reason: string
  /** It comes and goes with endpoints, so it may flap. */
  readonly unsteady: boolean
}

export interface ServiceRoutes {
  readonly routes: readonly ServiceRoute[]
  readonly problems: readonly Problem[]
}

export const serviceLists = [
  'serviceClusterIPs',
  'serviceExternalIPs',
  'serviceLoadBalancerIPs',
] as const satisfies readonly (keyof BgpConfigurationSpec)[]

type ServiceList = (typeof serviceLists)[number]

/** Kubernetes' own label; like everyone but Calico we take its presence for a yes. */
const excludeLabel = 'node.kubernetes.io/exclude-from-external-load-balancers'
const announcedTypes: readonly string[] = ['ClusterIP', 'NodePort', 'LoadBalancer']

export function deriveServiceRoutes(
  own: NodeFacts,
  spec: BgpConfigurationSpec,
  resources: ResourceSet,
): ServiceRoutes {
  const ranges = readRanges(spec)
  if (ranges.length === 0) return { routes: [], problems: [] }
  if (own.labels[excludeLabel] !== undefined && own.labels[excludeLabel] !== 'false') {
    const message = `label ${excludeLabel} keeps it from announcing services`
    return { routes: [], problems: [inform('ServicesExcluded', `Node/${own.name}`, message)] }
  }
  const aggregates = ranges.flatMap(({ list, prefix, single, whole }): ServiceRoute[] =>
    single || !whole
      ? []
      : [{ prefix: prefix.text, reason: `service range (${list})`, unsteady: false }],
  )
  const endpoints = countEndpoints(resources.endpointSlices, own.name)
  const problems: Problem[] = []
  const hosts = resources.services.flatMap((service) =>
    routesOf(service, ranges, endpoints.get(keyOf(service.namespace, service.name)), problems),
  )
  return { routes: [...aggregates, ...hosts], problems }
}

interface Range {
  readonly list: ServiceList
  readonly prefix: Prefix
  /** A host address: announced by the services that have it, and not as a range. */
  readonly single: boolean
  /** Announced whole; otherwise each of its addresses. */
  readonly whole: boolean
}

function readRanges(spec: BgpConfigurationSpec): readonly Range[] {
  return serviceLists.flatMap((list) =>
    spec[list].map(({ cidr }): Range => {
      const prefix = knownPrefix(cidr)
      const single = prefix.length === (prefix.family === 4 ? 32 : 128)
      const apart =
        list === 'serviceLoadBalancerIPs' && spec.serviceLoadBalancerAggregation === 'Disabled'
      return { list, prefix, single, whole: !apart }
    }),
  )
}

/** Endpoints that take traffic, by the family of their slice. */
interface Endpoints {
  readonly here: Set<IpVersion>
  readonly anywhere: Set<IpVersion>
}

const keyOf = (namespace: string | null, name: string) => `${namespace}/${name}`

function countEndpoints(
  slices: readonly EndpointSliceResource[],
  node: string,
): ReadonlyMap<string, Endpoints> {
  const counted = new Map<string, Endpoints>()
  for (const { namespace, labels, body } of slices) {
    const service = labels[serviceNameLabel]
    const family = { IPv4: 4, IPv6: 6 }[body.addressType] as IpVersion | undefined
    if (service === undefined || family === undefined) continue
    const key = keyOf(namespace, service)
    const endpoints = counted.get(key) ?? { here: new Set(), anywhere: new Set() }
    counted.set(key, endpoints)
    for (const { nodeName, conditions } of body.endpoints) {
      if (!takesTraffic(conditions)) continue
      endpoints.anywhere.add(family)
      if (nodeName === node) endpoints.here.add(family)
    }
  }
  return counted
}

/**
 * Ready, where absence means yes; or on its way out and still serving: kube-proxy sends traffic there
 * when a node has no other endpoint, and connections in progress end in peace.
 */
function takesTraffic(
  conditions: EndpointSliceResource['body']['endpoints'][number]['conditions'],
): boolean {
  const { ready, serving, terminating } = conditions
  return ready !== false || (terminating === true && serving === true)
}

interface Candidate {
  readonly list: ServiceList
  readonly text: string
  readonly what: string
  /** A wish that counts only where the range is that very address. */
  readonly wish: boolean
}

function routesOf(
  service: ServiceResource,
  ranges: readonly Range[],
  endpoints: Endpoints | undefined,
  problems: Problem[],
): ServiceRoute[] {
  const { type, clusterIP, externalTrafficPolicy } = service.body.spec
  if (!announcedTypes.includes(type) || clusterIP === 'None') return []
  const subject = `Service/${service.namespace}/${service.name}`
  const local = externalTrafficPolicy === 'Local'
  return candidatesOf(service).flatMap(({ list, text, what, wish }): ServiceRoute[] => {
    const read = parseAddress(text)
    if (!read.ok) {
      const message = `${what} "${text}" is not an address: ${read.error}`
      problems.push(warn('BadServiceAddress', subject, message, 'correct it'))
      return []
    }
    const { text: address, family } = read.value
    const prefix = knownPrefix(`${address}/${family === 4 ? 32 : 128}`)
    const range = tightest(
      ranges.filter((one) => one.list === list),
      prefix,
    )
    if (range === null || (wish && !range.single)) return []
    const route = (why: string, unsteady: boolean): ServiceRoute[] => [
      { prefix: prefix.text, reason: `${what} of ${subject}, ${why}`, unsteady },
    ]
    if (local) {
      return endpoints?.here.has(family) ? route('which has endpoints on this node', true) : []
    }
    if (range.single) return route('announced from every node', false)
    if (range.whole) return []
    return endpoints?.anywhere.has(family) ? route('which has endpoints', true) : []
  })
}

function candidatesOf({ body: { spec, status } }: ServiceResource): readonly Candidate[] {
  const clusterIps = spec.clusterIPs.length > 0 ? spec.clusterIPs : [spec.clusterIP ?? '']
  const external = { list: 'serviceExternalIPs', what: 'external address', wish: false } as const
  const balancer = { list: 'serviceLoadBalancerIPs', what: 'load balancer address' } as const
  const candidates: readonly Candidate[] = [
    ...clusterIps.map((text) => ({
      list: 'serviceClusterIPs' as const,
      text,
      what: 'cluster address',
      wish: false,
    })),
    ...spec.externalIPs.map((text) => ({ ...external, text })),
    // Behind a proxy the address is the proxy's: nodes don't answer to it.
    ...status.loadBalancer.ingress
      .filter(({ ipMode }) => ipMode !== 'Proxy')
      .map(({ ip = '' }) => ({ ...balancer, text: ip, wish: false })),
    ...(spec.type === 'LoadBalancer'
      ? [{ ...balancer, text: spec.loadBalancerIP ?? '', wish: true }]
      : []),
  ]
  return candidates.filter(({ text }) => text !== '')
}

/** Of the ranges around an address, the one that says most of it: its very own first. */
function tightest(ranges: readonly Range[], prefix: Prefix): Range | null {
  const around = ranges.filter((range) => coversPrefix(range.prefix, prefix))
  return around.reduce<Range | null>(
    (best, range) => (best === null || range.prefix.length > best.prefix.length ? range : best),
    null,
  )
}
