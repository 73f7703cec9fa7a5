/**
 * The first nine rows: sessions, and every route both ways with its attributes, in the daemon's words
 * and in ours. RFC 4271 §5 (attributes), RFC 4760, RFC 4456 §8 (what a reflector adds).
 */
import type { PathView } from '../../../bgp/types.ts'
import { type Asserts, eventually } from './eventually.ts'
import { announcedBy, type BaseName, expectedAt, type RouterName, routerIdOf } from './plan.ts'
import { heardAt, type MatrixSite } from './site.ts'
import { type HeardRoute, sortRoutes } from './subject.ts'

export async function checkOutside(t: Asserts, site: MatrixSite, name: BaseName): Promise<void> {
  await checkSession(t, site, 'ext', name)
  const wanted = expectedAt('ext', name, ['us', 'c1', 'c2'])
  await eventually(t, 'it has exactly our routes', () => heardAt(site, 'ext', name), wanted)
}

export async function checkClient(t: Asserts, site: MatrixSite, name: BaseName): Promise<void> {
  await checkSession(t, site, 'c1', name)
  const wanted = expectedAt('c1', name, ['us', 'ext'])
  await eventually(
    t,
    'it has exactly our routes and those from outside',
    async () => (await heardFrom(site, 'c1', name)).others,
    wanted,
  )
}

/** Both directions between the two clients. */
export async function checkReflection(t: Asserts, site: MatrixSite, name: BaseName): Promise<void> {
  for (const [at, from] of [
    ['c1', 'c2'],
    ['c2', 'c1'],
  ] as const) {
    await checkSession(t, site, at, name)
    await eventually(
      t,
      `${at} has exactly the routes of ${from}, with ORIGINATOR_ID and CLUSTER_LIST`,
      async () => (await heardFrom(site, at, name)).clients,
      expectedAt(at, name, [from]),
    )
    const { own } = await heardFrom(site, at, name)
    const originators = own.map(({ originatorId }) => originatorId)
    t.ok(
      originators.every((one) => one === routerIdOf(at)),
      `what came back to ${at} bears its own ORIGINATOR_ID`,
    )
  }
}

async function checkSession(
  t: Asserts,
  site: MatrixSite,
  router: RouterName,
  name: BaseName,
): Promise<void> {
  const peer = `${router}-${name}`
  const view = await site.agent.established(peer)
  t.same(view.type, router === 'ext' ? 'ebgp' : 'ibgp', 'our end is Established')
  const state = () => site.routers[router].state(name)
  await eventually(t, 'its end is Established', state, 'Established')
  const received = () => receivedFrom(site, peer)
  await eventually(t, 'we have exactly what it announces', received, announcedBy(router, name))
}

/** What a client heard, sorted by who is behind it. */
async function heardFrom(site: MatrixSite, at: RouterName, name: BaseName) {
  const [own, clients, others]: HeardRoute[][] = [[], [], []]
  for (const route of await heardAt(site, at, name)) {
    if (isOf(at, route)) own?.push(route)
    else if (isOf('c1', route) || isOf('c2', route)) clients?.push(route)
    else others?.push(route)
  }
  return { own: own ?? [], clients: clients ?? [], others: others ?? [] }
}

function isOf(router: RouterName, { prefix }: HeardRoute): boolean {
  return (['four', 'six', 'both'] as const).some((name) =>
    announcedBy(router, name).some((announced) => announced.prefix === prefix),
  )
}

/** Routes received from a peer in the shape of the daemons'. */
export async function receivedFrom(site: MatrixSite, peer: string): Promise<HeardRoute[]> {
  const paths = await pathsOf(site, peer)
  const ebgp = peer.startsWith('ext')
  return sortRoutes(
    paths.map(({ prefix, nextHops, attributes }) => ({
      prefix,
      nextHop: nextHops[0] ?? '',
      asPath: (attributes.asPath ?? []).flatMap(({ asns }) => asns).join(' '),
      localPref: ebgp ? null : (attributes.localPref ?? null),
      med: attributes.med || null,
      communities: [...(attributes.communities ?? [])].sort(),
      largeCommunities: [...(attributes.largeCommunities ?? [])].sort(),
      originatorId: attributes.originatorId ?? null,
      clusterList: attributes.clusterList ?? [],
    })),
  )
}

export async function pathsOf(
  site: MatrixSite,
  peer: string,
  view: 'received' | 'accepted' | 'advertised' = 'received',
): Promise<readonly PathView[]> {
  const url = `/v1/peers/${encodeURIComponent(peer)}/routes?view=${view}&limit=1000`
  return (await site.agent.get<{ items: readonly PathView[] }>(url)).items
}
