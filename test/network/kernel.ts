/**
 * The kernel's own word on routes, the judge of every test: what `ip` prints, in a shape that is
 * easy to compare, and what `ip monitor` saw in the meantime.
 */
import type { Daemon, Namespace } from './namespaces.ts'
import { waitFor } from './wait.ts'

interface IpHop {
  readonly gateway?: string
  /** A gateway of the other family. */
  readonly via?: { readonly host: string }
  readonly dev?: string
}

interface IpRoute extends IpHop {
  readonly type?: string
  readonly dst: string
  readonly nexthops?: readonly IpHop[]
}

const ourProtocol = '179'

/**
 * Our routes as sorted text: `10.1.0.0/24 via 192.0.2.1`, `… via 192.0.2.1, 192.0.2.5` for several
 * next hops, `blackhole 10.244.1.0/24`.
 */
export async function ourRoutes(namespace: Namespace): Promise<string[]> {
  return [...(await routesOf(namespace, '-4')), ...(await routesOf(namespace, '-6'))]
}

/** The same for one family and any protocol. */
export async function routesOf(
  namespace: Namespace,
  family: '-4' | '-6',
  protocol = ourProtocol,
): Promise<string[]> {
  const routes = await namespace.ipJson<IpRoute>(family, 'route', 'show', 'proto', protocol)
  return routes.map(describe).sort()
}

function describe(route: IpRoute): string {
  const hops = route.nexthops ?? [route]
  const to = hops.map((hop) => hop.gateway ?? hop.via?.host ?? hop.dev ?? '?').sort()
  // `ip` prints host routes without their length.
  const bits = route.dst.includes(':') ? 128 : 32
  const prefix = route.dst.includes('/') ? route.dst : `${route.dst}/${bits}`
  if (route.type && route.type !== 'unicast') return `${route.type} ${prefix}`
  return `${prefix} via ${to.join(', ')}`
}

/** Everything that happens to routes from now on, a line each, as `ip monitor` prints it. */
export async function watchRoutes(namespace: Namespace): Promise<Daemon> {
  const monitor = namespace.start('ip', ['monitor', 'route'])
  // It says nothing when it is ready, so a route of ours tells.
  const probe = '192.0.2.255/32'
  let tries = 0
  await waitFor('ip monitor to listen', async () => {
    await namespace.ip('route', tries++ % 2 === 0 ? 'add' : 'delete', 'blackhole', probe)
    return monitor.stdout.includes('192.0.2.255')
  })
  if (tries % 2 === 1) await namespace.ip('route', 'delete', 'blackhole', probe)
  return monitor
}
