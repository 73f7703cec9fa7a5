/** The network of a matrix column: our agent, three routers of one kind, and the manifests. */
import { Agent, Manifests } from '../../network/agent.ts'
import { type Namespace, Network, type Scope } from '../../network/namespaces.ts'
import { bgpConfiguration, manifest } from '../site.ts'
import {
  basePeers,
  type Extra,
  extraManifest,
  extraSessions,
  extrasOf,
  type Side,
  sideLinks,
} from './extras.ts'
import {
  addressesOf,
  asnOf,
  baseLinks,
  baseSessions,
  clusterAsn,
  clusterId,
  ourAddress,
  podCidrs,
  type RouterName,
  routerIdOf,
  routers,
} from './plan.ts'
import type { HeardRoute, Subject, SubjectKind, SubjectSession } from './subject.ts'

export interface MatrixSite<S extends Subject = Subject> {
  readonly kind: SubjectKind<S>
  readonly network: Network
  readonly ours: Namespace
  readonly manifests: Manifests
  readonly routers: Readonly<Record<RouterName, S>>
  agent: Agent
  /** Adds our ends of the sessions beside the base. */
  extend(): void
  /** Takes them away again. */
  retreat(): void
  /** Changes our end of one of them. */
  respecify(router: RouterName, session: string, spec: object): void
  /** Starts another agent after the one before was ended. */
  revive(): Promise<void>
}

const node = 'ours'

export async function buildMatrix<S extends Subject>(
  scope: Scope,
  kind: SubjectKind<S>,
): Promise<MatrixSite<S>> {
  let extras = extrasOf(kind)
  const extra = extraSessions(extras)
  const network = new Network(scope)
  const ours = await network.namespace('ours')
  const names = Object.keys(routers) as RouterName[]
  const manifests = new Manifests(`${network.folder}/manifests`, {
    node: manifest(nodeResource(), bgpConfiguration()),
    base: manifest(...names.flatMap(basePeers)),
  })
  const namespaces = new Map<RouterName, Namespace>()
  for (const name of names) {
    namespaces.set(
      name,
      await attach(network, ours, name, [...baseSessions(name), ...(extra[name] ?? [])]),
    )
  }
  for (const side of sideLinks(kind)) await joinSides(network, ours, namespaces, side)
  const subjects = await Promise.all(
    [...namespaces].map(async ([name, namespace]) => {
      const sessions = [...baseSessions(name), ...(extra[name] ?? [])]
      const config = {
        asn: asnOf(name),
        routerId: routerIdOf(name),
        sessions,
        kernel: true as const,
      }
      return [name, await kind.start(namespace, config)] as const
    }),
  )
  const start = () => Agent.start(ours, { node, manifests })
  const site: MatrixSite<S> = {
    kind,
    network,
    ours,
    manifests,
    routers: Object.fromEntries(subjects) as Record<RouterName, S>,
    agent: await start(),
    extend: () => manifests.write('extras', extraManifest(extras)),
    retreat: () => manifests.remove('extras'),
    respecify: (router, session, spec) => {
      const meant = (one: Extra) => one.router === router && one.session.name === session
      extras = extras.map((one) => (meant(one) ? { ...one, spec } : one))
      manifests.write('extras', extraManifest(extras))
    },
    revive: async () => {
      site.agent = await start()
    },
  }
  return site
}

/** A namespace with a link to us for each session, and a way to everybody's next hops. */
async function attach(
  network: Network,
  ours: Namespace,
  router: RouterName,
  sessions: readonly SubjectSession[],
): Promise<Namespace> {
  const namespace = await network.namespace(router)
  // Sessions with us only: their links bear the router's number.
  const links = sessions
    .map(({ localIpv6 }) => localIpv6.split(':'))
    .filter(([, number]) => Number(number) === routers[router])
    .map(([, , link]) => Number(link))
  for (const link of links) {
    const [ours4, ours6] = addressesOf(router, link, 1)
    const [theirs4, theirs6] = addressesOf(router, link, 2)
    await network.link(
      {
        namespace: ours,
        interface: `${router}-${link}`,
        addresses: [`${ours4}/24`, `${ours6}/64`],
      },
      { namespace, interface: `l${link}`, addresses: [`${theirs4}/24`, `${theirs6}/64`] },
    )
  }
  const [gateway4, gateway6] = addressesOf(router, baseLinks.both, 1)
  await namespace.ip('route', 'add', '10.0.0.0/8', 'via', gateway4)
  await namespace.ip('route', 'add', 'fd99::/16', 'via', gateway6)
  return namespace
}

/** A link between `c2` and `ext`, and our way to the far end of it: over another link of `c2` each. */
async function joinSides(
  network: Network,
  ours: Namespace,
  namespaces: ReadonlyMap<RouterName, Namespace>,
  { number, c2, ext }: Side,
): Promise<void> {
  const [one, other] = [namespaces.get('c2'), namespaces.get('ext')]
  if (!one || !other) throw new Error('c2 and ext are built first')
  const end = (namespace: Namespace, [address4, address6]: readonly [string, string]) => ({
    namespace,
    interface: `side${number}`,
    addresses: [`${address4}/24`, `${address6}/64`],
  })
  await network.link(end(one, c2), end(other, ext))
  const [gateway] = addressesOf('c2', number, 2)
  await ours.ip('route', 'add', c2[0].replace(/\d+$/, '0/24'), 'via', gateway)
}

/** Only an IPv4 address: what it calls itself in IPv6 is the address beside that of the session. */
function nodeResource(): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: node,
      annotations: {
        'projectcalico.org/IPv4Address': `${ourAddress}/24`,
        'projectcalico.org/ASNumber': String(clusterAsn),
        'projectcalico.org/RouteReflectorClusterID': clusterId,
      },
    },
    spec: { podCIDR: podCidrs[0], podCIDRs: podCidrs },
  }
}

/** What a router heard from us; LOCAL_PREF has no meaning across an AS border, whatever it shows. */
export async function heardAt(
  site: MatrixSite,
  router: RouterName,
  session: string,
): Promise<HeardRoute[]> {
  const routes = await site.routers[router].heard(session)
  return router === 'ext' ? routes.map((route) => ({ ...route, localPref: null })) : routes
}
