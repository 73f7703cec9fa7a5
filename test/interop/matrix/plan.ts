/**
 * Who talks to whom in the matrix. Our node is a reflector in AS 64512 with three routers around it,
 * all of the kind under test; each session has a link of its own, so that none can hide behind
 * another:
 *
 *   ext      AS 4200000001, eBGP
 *   c1, c2   AS 64512, iBGP clients of ours
 *
 *   link L of router R: ours 10.R.L.1 and fd99:R:L::1, theirs 10.R.L.2 and fd99:R:L::2
 *   announced over it: 172.(16+R).L.0/24 and 2001:db8:R:L::/64, as far as the session's families go
 */
import type { Announced, Family, HeardRoute, SubjectSession } from './subject.ts'
import { familyOf, sortRoutes } from './subject.ts'

export const clusterAsn = 64512
export const outsideAsn = 4_200_000_001
export const clusterId = '10.0.0.100'
export const podCidrs = ['10.244.1.0/24', 'fd42:0:0:1::/64'] as const
export const ourAddress = '10.1.1.1'

export const routers = { ext: 1, c1: 2, c2: 3 } as const
export type RouterName = keyof typeof routers

/** The sessions of the first nine rows, and the links they have. */
export const baseLinks = { four: 1, six: 2, both: 3 } as const
export type BaseName = keyof typeof baseLinks

export const familiesOf: Readonly<Record<BaseName, readonly Family[]>> = {
  four: ['ipv4'],
  six: ['ipv6'],
  both: ['ipv4', 'ipv6'],
}

/** The restart time everybody asks for; nobody waits that long. */
export const restartSeconds = 60

export function asnOf(router: RouterName): number {
  return router === 'ext' ? outsideAsn : clusterAsn
}

export function routerIdOf(router: RouterName): string {
  return `10.${routers[router]}.1.2`
}

/** Addresses of a link: ours (`end` 1) or theirs (2). */
export function addressesOf(router: RouterName, link: number, end: 1 | 2): [string, string] {
  const number = routers[router]
  return [`10.${number}.${link}.${end}`, `fd99:${number}:${link}::${end}`]
}

export function prefixOf(router: RouterName, link: number, family: Family): string {
  const number = routers[router]
  return family === 'ipv4' ? `172.${16 + number}.${link}.0/24` : `2001:db8:${number}:${link}::/64`
}

/** What a base session announces: with every attribute that has to arrive as it was. */
function announcedOver(router: RouterName, link: number, families: readonly Family[]): Announced[] {
  return families.map((family) => ({
    prefix: prefixOf(router, link, family),
    communities: [`65001:${link}`],
    largeCommunities: [`${outsideAsn}:${routers[router]}:${link}`],
    // Across an AS border not every daemon sends one.
    ...(router === 'ext' ? {} : { med: 50 + link }),
  }))
}

export interface SessionChoice {
  readonly link: number
  /** Default: IPv4. */
  readonly families?: readonly Family[]
  /** Default: one prefix a family, by the link. */
  readonly announce?: readonly Announced[]
}

/** A session of a router with us, over a link of its own. */
export function sessionOf(
  router: RouterName,
  name: string,
  { link, families = ['ipv4'], announce, ...others }: SessionChoice & Partial<SubjectSession>,
): SubjectSession {
  const overIpv6 = families.length === 1 && families[0] === 'ipv6'
  const index = overIpv6 ? 1 : 0
  return {
    name,
    local: addressesOf(router, link, 2)[index] ?? '',
    remote: addressesOf(router, link, 1)[index] ?? '',
    remoteAsn: clusterAsn,
    families,
    localIpv6: addressesOf(router, link, 2)[1],
    announce: announce ?? announcedOver(router, link, families),
    ...others,
  }
}

export function baseSessions(router: RouterName): SubjectSession[] {
  return (Object.keys(baseLinks) as BaseName[]).map((name) =>
    sessionOf(router, name, {
      link: baseLinks[name],
      families: familiesOf[name],
      restartSeconds,
      active: true,
      // One client takes long messages, the other doesn't.
      ...(router === 'c1' ? { extendedMessage: true as const } : {}),
    }),
  )
}

/** What our node must have heard from a base session. */
export function announcedBy(router: RouterName, name: BaseName): HeardRoute[] {
  const link = baseLinks[name]
  const [nextHop4, nextHop6] = addressesOf(router, link, 2)
  return sortRoutes(
    announcedOver(router, link, familiesOf[name]).map((one) => ({
      prefix: one.prefix,
      nextHop: familyOf(one.prefix) === 'ipv4' ? nextHop4 : nextHop6,
      asPath: router === 'ext' ? String(outsideAsn) : '',
      localPref: router === 'ext' ? null : 100,
      med: one.med ?? null,
      communities: one.communities ?? [],
      largeCommunities: one.largeCommunities ?? [],
      originatorId: null,
      clusterList: [],
    })),
  )
}

/** What a router must have heard from us over a base session, by where the routes come from. */
export function expectedAt(
  router: RouterName,
  name: BaseName,
  sources: readonly ('us' | RouterName)[],
): HeardRoute[] {
  const families = familiesOf[name]
  const routes = sources.flatMap((source) => (source === 'us' ? ownRoutes() : passedOn(source)))
  const wanted = routes.filter(({ prefix }) => families.includes(familyOf(prefix)))
  const [self4, self6] = addressesOf(router, baseLinks[name], 1)
  return sortRoutes(
    wanted.map((route) => {
      const self = familyOf(route.prefix) === 'ipv4' ? self4 : self6
      const own = route.nextHop === ''
      if (router !== 'ext') return { ...route, nextHop: own ? self : route.nextHop }
      return {
        ...route,
        // RFC 4271 §5.1: next hop self, our AS before all others, no LOCAL_PREF, no MED of others.
        nextHop: self,
        asPath: [String(clusterAsn), ...(route.asPath === '' ? [] : [route.asPath])].join(' '),
        localPref: null,
        med: null,
        originatorId: null,
        clusterList: [],
      }
    }),
  )
}

/** Our pod CIDRs; the next hop is the session's. */
function ownRoutes(): HeardRoute[] {
  return podCidrs.map((prefix) => ({
    prefix,
    nextHop: '',
    asPath: '',
    localPref: 100,
    med: null,
    communities: [],
    largeCommunities: [],
    originatorId: null,
    clusterList: [],
  }))
}

/** Routes of a router as a client gets them from the reflector (RFC 4456 §8, next hop unchanged). */
function passedOn(source: RouterName): HeardRoute[] {
  return (Object.keys(baseLinks) as BaseName[]).flatMap((name) =>
    announcedBy(source, name).map((route) => ({
      ...route,
      localPref: 100,
      originatorId: source === 'ext' ? null : routerIdOf(source),
      clusterList: source === 'ext' ? [] : [clusterId],
    })),
  )
}
