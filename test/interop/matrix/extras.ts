/**
 * The sessions beside those of the base, one a feature, and our end of each. The daemons are told of
 * all at their start; ours are added by manifest when the base has been looked at.
 */
import { bgpPeer, manifest } from '../site.ts'
import {
  addressesOf,
  asnOf,
  baseSessions,
  clusterAsn,
  outsideAsn,
  prefixOf,
  type RouterName,
  sessionOf,
} from './plan.ts'
import type { Row } from './rows.ts'
import type { Announced, SubjectKind, SubjectSession } from './subject.ts'

/** Links of the sessions here; those of the base come before. */
const link = {
  key: 4,
  wrongKey: 5,
  near: 6,
  limit: 7,
  range: 8,
  localAs: 9,
  talk: 10,
  filter: 11,
  loop: 12,
  looper: 18,
  override: 13,
  leaving: 14,
  any1: 15,
  any2: 16,
  any3: 19,
  big: 17,
  old: 10,
  paths: 11,
  more: 12,
} as const

export const keys = { right: 'k3y-right', theirs: 'k3y-theirs', ours: 'k3y-ours' } as const
export const presentedAsn = 64_999
export const warnedOf = { limit: 2, sent: 3 } as const
export const shutdownText = 'moved to rack 7, ticket 4711'
export const goodbyeText = 'new cables, ticket 4712'

/** Announced over three links by `ext`, so that it has three equal paths. */
export const anycast = '172.31.1.0/24'
export const anycastVia = [link.any1, link.any2, link.any3].map(
  (number) => addressesOf('ext', number, 2)[0],
)
/** Learned by `c2` over two links to `ext`, and passed on to us with both. */
export const doubled = '172.31.2.0/24'
/** Too long for a message of 4096 octets, and the longest list that we take. */
export const heavy = { prefix: '172.31.3.0/24', communities: 1024 } as const
/** Comes back to us with our own AS in its path. */
export const looped = prefixOf('c2', 1, 'ipv4')
export const leaving = '172.31.6.0/24'
export const filtered = {
  refused: '172.31.7.0/24',
  marked: '172.31.8.0/24',
  plain: '172.31.9.0/24',
} as const
export const marks = { gold: '65001:250', seen: '64512:1', sent: '64512:2' } as const

/** Ends of the two links between `c2` and `ext`. */
export interface Side {
  readonly number: number
  readonly c2: readonly [string, string]
  readonly ext: readonly [string, string]
}
const sides: readonly Side[] = [1, 2].map((number) => ({
  number,
  c2: [`10.13.${number}.1`, `fd99:13:${number}::1`],
  ext: [`10.13.${number}.2`, `fd99:13:${number}::2`],
}))

/** Further sessions of each router. */
export type ExtraSessions = Readonly<Record<RouterName, readonly SubjectSession[]>>

export interface Extra {
  readonly row: Row
  readonly router: RouterName
  readonly session: SubjectSession
  /** Our end, beyond the usual; null: it has none. */
  readonly spec: object | null
}

/** Those of a daemon: a row it can't do has no session. */
export function extrasOf(kind: SubjectKind): readonly Extra[] {
  const all = [...outsideExtras(kind), ...clientExtras(kind), ...sideExtras(kind)]
  return all.filter(({ row }) => kind.cannot[row] === undefined)
}

export function extraSessions(extras: readonly Extra[]): ExtraSessions {
  const of = (router: RouterName) =>
    extras.filter((extra) => extra.router === router).map(({ session }) => session)
  return { ext: of('ext'), c1: of('c1'), c2: of('c2') }
}

/** The manifests that add our ends. */
export function extraManifest(extras: readonly Extra[]): string {
  const peers = extras.flatMap(({ router, session, spec }) =>
    spec === null ? [] : [peerOf(router, session, spec)],
  )
  const [range] = extras.filter(({ row }) => row === 'peer-range')
  const ranges = range
    ? [
        bgpPeer('range', {
          peerRange: range.session.local.replace(/\d+$/, '0/24'),
          asNumber: outsideAsn,
          families: ['ipv4-unicast'],
        }),
      ]
    : []
  return manifest(secretOf(keys), filterResource(), ...peers, ...ranges)
}

function outsideExtras(kind: SubjectKind): Extra[] {
  const one = (
    row: Row,
    name: string,
    at: keyof typeof link,
    others: object,
    spec: object | null = {},
  ) => ({
    row,
    router: 'ext' as const,
    session: sessionOf('ext', name, { link: link[at], ...others }),
    spec,
  })
  const announce = (...list: Announced[]) => ({ announce: list })
  return [
    one('md5', 'keyed', 'key', { password: keys.right }, { password: secretKey('right') }),
    one('md5', 'wrongkey', 'wrongKey', { password: keys.theirs }, { password: secretKey('ours') }),
    one('gtsm', 'near', 'near', { ttlSecurity: true }, { ttlSecurity: 1 }),
    one('max-prefixes', 'limited', 'limit', announce(...manyPrefixes()), limitSpec(warnedOf.limit)),
    one('peer-range', 'roaming', 'range', { active: true }, null),
    one(
      'local-as',
      'presented',
      'localAs',
      { remoteAsn: presentedAsn },
      { localASNumber: presentedAsn },
    ),
    one('shutdown-heard', 'talk', 'talk', {}),
    one('filter-import', 'sieve', 'filter', announce(...filteredRoutes()), { filters: ['sieve'] }),
    one('allowed-local-as', 'looped', 'loop', loopedRoutes(kind), { numAllowedLocalASNumbers: 1 }),
    one('allowed-local-as', 'looper', 'looper', loopedRoutes(kind)),
    one('as-override', 'covered', 'override', announce(), { export: 'All', asOverride: true }),
    one(
      'graceful-shutdown',
      'leaving',
      'leaving',
      announce({ prefix: leaving, communities: ['65535:0'] }),
    ),
    one('add-path-sent', 'any1', 'any1', announce({ prefix: anycast })),
    one('add-path-sent', 'any2', 'any2', announce({ prefix: anycast })),
    one('add-path-sent', 'any3', 'any3', announce({ prefix: anycast })),
    one('extended-messages', 'big', 'big', { extendedMessage: true, ...announce(heavyRoute()) }),
  ]
}

function clientExtras(kind: SubjectKind): Extra[] {
  const pass = kind.originatesPaths ? {} : { pass: [doubled] }
  const twice = kind.originatesPaths
    ? doubledVia.map((nextHop, index) => ({ prefix: doubled, nextHop, pathId: index + 1 }))
    : []
  return [
    {
      row: 'two-octet-as',
      router: 'c1',
      session: sessionOf('c1', 'old', { link: link.old, as4: false }),
      spec: {},
    },
    {
      row: 'add-path-sent',
      router: 'c1',
      session: sessionOf('c1', 'fan', { link: link.paths, addPath: true, announce: [] }),
      spec: { addPaths: { send: 'Multipath' } },
    },
    {
      row: 'add-path-received',
      router: 'c2',
      session: sessionOf('c2', 'more', {
        link: link.more,
        addPath: true,
        announce: twice,
        ...pass,
      }),
      spec: {},
    },
  ]
}

/** Both ends are the daemon's: the two ways to the doubled prefix. */
function sideExtras(kind: SubjectKind): Extra[] {
  if (kind.originatesPaths) return []
  const families = ['ipv4'] as const
  return sides.flatMap(({ number, c2, ext }): Extra[] => [
    {
      row: 'add-path-received',
      router: 'c2',
      session: {
        name: `east${number}`,
        local: c2[0],
        remote: ext[0],
        remoteAsn: outsideAsn,
        families,
        localIpv6: c2[1],
        announce: [],
        active: true,
      },
      spec: null,
    },
    {
      row: 'add-path-received',
      router: 'ext',
      session: {
        name: `west${number}`,
        local: ext[0],
        remote: c2[0],
        remoteAsn: clusterAsn,
        families,
        localIpv6: ext[1],
        announce: [{ prefix: doubled }],
      },
      spec: null,
    },
  ])
}

/** The ways both next hops of the doubled prefix are reached, over two links to `c2`. */
export const doubledVia = [1, 2].map((number) => addressesOf('c2', number, 2)[0])

export function limitSpec(limit: number): object {
  return { maxPrefixes: { limit, warning: 50, restartAfter: '1s' } }
}

function manyPrefixes(): Announced[] {
  return Array.from({ length: warnedOf.sent }, (_, index) => ({
    prefix: prefixOf('ext', 100 + index, 'ipv4'),
  }))
}

function filteredRoutes(): Announced[] {
  return [
    { prefix: filtered.refused },
    { prefix: filtered.marked, communities: [marks.gold] },
    { prefix: filtered.plain },
  ]
}

function loopedRoutes({ borrowsPaths }: SubjectKind): Partial<SubjectSession> {
  return borrowsPaths
    ? { announce: [], pass: [looped] }
    : { announce: [{ prefix: looped, asPath: [clusterAsn] }] }
}

function heavyRoute(): Announced {
  const communities = Array.from({ length: heavy.communities }, (_, index) => `65002:${index}`)
  return { prefix: heavy.prefix, communities }
}

function filterResource(): object {
  return {
    apiVersion: 'routelet.io/v1',
    kind: 'BGPFilter',
    metadata: { name: 'sieve' },
    spec: {
      importV4: [
        { action: 'Reject', cidr: filtered.refused, matchOperator: 'Equal' },
        {
          action: 'Accept',
          communities: { values: [marks.gold] },
          operations: [{ setLocalPref: { value: 250 } }, { addCommunity: { value: marks.seen } }],
        },
        { action: 'Accept' },
      ],
      exportV4: [
        {
          action: 'Accept',
          cidr: '10.244.0.0/16',
          matchOperator: 'In',
          operations: [
            { addCommunity: { value: marks.sent } },
            { prependASPath: { prefix: [clusterAsn, clusterAsn] } },
            { setMED: { value: 77 } },
          ],
        },
        { action: 'Reject' },
      ],
    },
  }
}

function secretOf(stringData: Readonly<Record<string, string>>): object {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'bgp', namespace: 'kube-system' },
    stringData,
  }
}

function secretKey(key: keyof typeof keys): object {
  return { secretKeyRef: { name: 'bgp', key } }
}

/** Links between routers, which exist only for the doubled prefix. */
export function sideLinks(kind: SubjectKind): readonly Side[] {
  return kind.originatesPaths || kind.cannot['add-path-received'] !== undefined ? [] : sides
}

export function basePeers(router: RouterName): object[] {
  return baseSessions(router).map((session) => peerOf(router, session))
}

/** Our end of a session; its name is `ROUTER-SESSION`. */
function peerOf(router: RouterName, session: SubjectSession, spec: object = {}): object {
  return bgpPeer(`${router}-${session.name}`, {
    peerIP: session.local,
    asNumber: session.localAsn ?? asnOf(router),
    sourceAddress: 'None',
    connectRetryTime: '1s',
    families: session.families.map((family) => `${family}-unicast`),
    ...(router === 'ext' ? {} : { routeReflectorClient: true }),
    ...spec,
  })
}
