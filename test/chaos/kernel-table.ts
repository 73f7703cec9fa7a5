/**
 * The node's kernel as `ip -j` tells it: our routes in comparable words, nexthop objects resolved to
 * gateways whichever way the kernel prints them, and the routes and objects of everybody else to the
 * letter.
 */
import type { Namespace } from '../network/namespaces.ts'

interface Hop {
  readonly gateway?: string
  readonly via?: { readonly host: string }
  readonly dev?: string
}

export interface IpRoute extends Hop {
  readonly dst: string
  readonly type?: string
  readonly protocol?: string
  readonly metric?: number
  readonly nexthops?: readonly Hop[]
  readonly nhid?: number
}

export interface IpNexthop extends Hop {
  readonly id: number
  readonly protocol?: string
  readonly group?: readonly { readonly id: number }[]
  readonly scope?: string
}

export interface KernelTable {
  /** Ours: prefix → `via A, B` or `blackhole`. */
  readonly routes: ReadonlyMap<string, string>
  readonly objects: readonly IpNexthop[]
  /** Ids that our routes name. */
  readonly named: ReadonlySet<number>
}

const ourProtocol = '179'
/** Linux changes these as links come and go; they are nobody's to keep. */
const linuxsOwn = new Set(['kernel', 'ra', 'redirect'])

export async function readKernel(node: Namespace): Promise<KernelTable> {
  const [four, six, objects] = await Promise.all([
    node.ipJson<IpRoute>('-4', 'route', 'show', 'proto', ourProtocol),
    node.ipJson<IpRoute>('-6', 'route', 'show', 'proto', ourProtocol),
    node.ipJson<IpNexthop>('nexthop', 'show'),
  ])
  const byId = new Map(objects.map((object) => [object.id, object]))
  const routes = [...four, ...six]
  return {
    routes: new Map(routes.map((route) => [prefixOf(route), describe(route, byId)])),
    objects: objects.filter(({ protocol }) => protocol === ourProtocol),
    named: new Set(routes.flatMap(({ nhid }) => (nhid === undefined ? [] : [nhid]))),
  }
}

/** Routes, rules and nexthop objects that are neither ours nor Linux's own, as exact JSON, sorted. */
export async function readForeign(node: Namespace): Promise<string[]> {
  const [four, six, objects, ...rules] = await Promise.all([
    node.ipJson<IpRoute>('-4', 'route', 'show', 'table', 'all'),
    node.ipJson<IpRoute>('-6', 'route', 'show', 'table', 'all'),
    node.ipJson<IpNexthop>('nexthop', 'show'),
    node.ipJson<object>('-4', 'rule', 'show'),
    node.ipJson<object>('-6', 'rule', 'show'),
  ])
  const foreign = (one: { protocol?: string }) =>
    one.protocol !== ourProtocol && !linuxsOwn.has(one.protocol ?? '')
  return [...four.filter(foreign), ...six.filter(foreign), ...objects.filter(foreign), ...rules]
    .map((one) => JSON.stringify(one))
    .sort()
}

/** `ip` prints host routes without their length. */
function prefixOf({ dst }: IpRoute): string {
  if (dst.includes('/')) return dst
  return `${dst}/${dst.includes(':') ? 128 : 32}`
}

function describe(route: IpRoute, objects: ReadonlyMap<number, IpNexthop>): string {
  if (route.type !== undefined && route.type !== 'unicast') return route.type
  const named = route.nhid === undefined ? undefined : objects.get(route.nhid)
  const members = named?.group?.map(({ id }) => objects.get(id) ?? {}) ?? (named && [named])
  const hops: readonly Hop[] = members ?? route.nexthops ?? [route]
  return `via ${hops.map(gatewayOf).sort().join(', ')}`
}

function gatewayOf(hop: Hop): string {
  return hop.gateway ?? hop.via?.host ?? hop.dev ?? '?'
}
