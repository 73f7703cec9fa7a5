/** GoBGP in the matrix. Its routes are given by command: its configuration has none. */
import { GoBgp } from '../../network/gobgp.ts'
import type { Namespace } from '../../network/namespaces.ts'
import {
  announcements,
  type Family,
  familyOf,
  type HeardRoute,
  type Subject,
  type SubjectConfig,
  type SubjectKind,
  type SubjectSession,
  sessionNamed,
  sortRoutes,
} from './subject.ts'

export const gobgp: SubjectKind<GoBgpSubject> = {
  kind: 'gobgp',
  name: 'GoBGP',
  programs: ['gobgpd', 'gobgp'],
  version: { program: 'gobgpd', args: ['--version'], pattern: /version (\S+)/ },
  cannot: {
    'two-octet-as': 'it always offers four-octet AS numbers',
    'refresh-answered': 'it keeps what it received and has no command to ask again',
    'enhanced-refresh': 'it has no enhanced route refresh',
    'extended-messages': 'it has no extended messages before version 4.7',
  },
  start: startGoBgp,
}

interface Attribute {
  readonly type: number
  readonly nexthop?: string
  readonly value?: unknown
  readonly as_paths?: readonly { readonly asns: readonly number[] }[]
  readonly communities?: readonly number[]
}

interface Path {
  readonly nlri: { readonly prefix: string }
  readonly attrs: readonly Attribute[]
}

/** Attribute codes (IANA). */
const code = {
  asPath: 2,
  nextHop: 3,
  med: 4,
  localPref: 5,
  communities: 8,
  originatorId: 9,
  clusterList: 10,
  mpReach: 14,
  largeCommunities: 32,
} as const

export class GoBgpSubject implements Subject {
  readonly namespace: Namespace
  readonly #config: SubjectConfig
  #gobgp: GoBgp

  constructor(namespace: Namespace, config: SubjectConfig, running: GoBgp) {
    this.namespace = namespace
    this.#config = config
    this.#gobgp = running
  }

  async state(name: string): Promise<string> {
    const word = await this.#neighbour(name)
    return word === 6 ? 'Established' : String(word)
  }

  async heard(name: string): Promise<HeardRoute[]> {
    const { remote, families } = sessionNamed(this.#config, name)
    const routes: HeardRoute[] = []
    for (const family of families) {
      const table = await this.#gobgp.ask<Record<string, readonly Path[]>>(
        ...['neighbor', remote, 'adj-in', '-a', family],
      )
      for (const paths of Object.values(table ?? {})) routes.push(...paths.map(readPath))
    }
    return sortRoutes(routes)
  }

  askRefresh(): Promise<void> {
    return Promise.reject(new Error('GoBGP never asks for a refresh'))
  }

  async shutdown(name: string, text: string): Promise<void> {
    const { remote } = sessionNamed(this.#config, name)
    // It takes a reason for `disable` too, and sends none.
    await this.#gobgp.order('neighbor', remote, 'reset', '--reason', text)
  }

  /** Only its log has them. */
  async lastWords(name: string): Promise<string> {
    const { remote } = sessionNamed(this.#config, name)
    const log = `${this.#gobgp.daemon.stdout}${this.#gobgp.daemon.stderr}`
    const lines = log.split('\n').filter((line) => line.includes(remote))
    return lines.filter((line) => line.includes('notification')).join('\n')
  }

  async kill(): Promise<void> {
    await this.#gobgp.daemon.stop('SIGKILL')
  }

  /**
   * With -r it says in its OPEN that it has restarted. Sessions wait for its routes: End-of-RIB before
   * them would mean that there are none.
   */
  async revive(): Promise<void> {
    const down = configure(this.#config, 'admin-down = true')
    this.#gobgp = await GoBgp.start(this.namespace, down, ['-r'])
    await announce(this.#gobgp, this.#config)
    for (const { remote } of this.#config.sessions) {
      await this.#gobgp.order('neighbor', remote, 'enable')
    }
  }

  async #neighbour(name: string): Promise<unknown> {
    const { remote } = sessionNamed(this.#config, name)
    const answer = await this.#gobgp.ask<{ state?: { session_state?: number } }>('neighbor', remote)
    return answer?.state?.session_state ?? 'unknown'
  }
}

async function startGoBgp(namespace: Namespace, config: SubjectConfig): Promise<GoBgpSubject> {
  const gobgp = await GoBgp.start(namespace, configure(config))
  await announce(gobgp, config)
  return new GoBgpSubject(namespace, config, gobgp)
}

async function announce(gobgp: GoBgp, config: SubjectConfig): Promise<void> {
  for (const announced of announcements(config)) {
    const { prefix, communities, largeCommunities, med, asPath, session } = announced
    const family = familyOf(prefix)
    // Without one it is the address of the session; over an IPv4 session that is none for IPv6.
    const foreign = family === 'ipv6' && !session.local.includes(':')
    await gobgp.order(
      ...['global', 'rib', 'add', prefix, '-a', family, 'origin', 'igp'],
      ...(foreign ? ['nexthop', session.localIpv6] : []),
      ...(communities ? ['community', communities.join(',')] : []),
      ...(largeCommunities ? ['large-community', largeCommunities.join(',')] : []),
      ...(med === undefined ? [] : ['med', String(med)]),
      ...(asPath ? ['aspath', asPath.join(',')] : []),
    )
  }
}

function readPath({ nlri, attrs }: Path): HeardRoute {
  const find = (type: number) => attrs.find((each) => each.type === type)
  const asns = find(code.asPath)?.as_paths?.flatMap((segment) => segment.asns) ?? []
  const number = (type: number) => (find(type)?.value as number | undefined) ?? null
  const large = (find(code.largeCommunities)?.value ?? []) as readonly {
    readonly ASN: number
    readonly LocalData1: number
    readonly LocalData2: number
  }[]
  return {
    prefix: nlri.prefix,
    nextHop: find(code.nextHop)?.nexthop ?? find(code.mpReach)?.nexthop ?? '',
    asPath: asns.join(' '),
    localPref: number(code.localPref),
    med:
      find(code.med) === undefined ? null : Number((find(code.med) as { metric?: number }).metric),
    communities: (find(code.communities)?.communities ?? [])
      .map((value) => `${value >>> 16}:${value & 0xffff}`)
      .sort(),
    largeCommunities: large.map((one) => `${one.ASN}:${one.LocalData1}:${one.LocalData2}`).sort(),
    originatorId: (find(code.originatorId)?.value as string | undefined) ?? null,
    clusterList: (find(code.clusterList)?.value as string[] | undefined) ?? [],
  }
}

function configure(config: SubjectConfig, forAll?: string): string {
  return [
    '[global.config]',
    `as = ${config.asn}`,
    `router-id = "${config.routerId}"`,
    '[global.apply-policy.config]',
    'export-policy-list = ["sent"]',
    'default-export-policy = "reject-route"',
    ...config.sessions.flatMap((session) => neighbour(session, forAll)),
    ...config.sessions.flatMap(sets),
    '[[policy-definitions]]',
    'name = "sent"',
    ...config.sessions.flatMap((session) =>
      session.families.flatMap((family) => rule(session, family)),
    ),
    '',
  ].join('\n')
}

function neighbour(session: SubjectSession, forAll: string | undefined): string[] {
  const { restartSeconds } = session
  return [
    '[[neighbors]]',
    '[neighbors.config]',
    `neighbor-address = "${session.remote}"`,
    `peer-as = ${session.remoteAsn}`,
    ...(forAll === undefined ? [] : [forAll]),
    ...(session.localAsn === undefined ? [] : [`local-as = ${session.localAsn}`]),
    ...(session.password === undefined ? [] : [`auth-password = "${session.password}"`]),
    '[neighbors.timers.config]',
    'connect-retry = 5',
    'idle-hold-time-after-reset = 1',
    '[neighbors.transport.config]',
    `local-address = "${session.local}"`,
    `passive-mode = ${session.active !== true}`,
    ...(session.ttlSecurity
      ? ['[neighbors.ttl-security.config]', 'enabled = true', 'ttl-min = 255']
      : []),
    ...(session.addPath ? ['[neighbors.add-paths.config]', 'send-max = 8', 'receive = true'] : []),
    ...(restartSeconds === undefined
      ? []
      : [
          '[neighbors.graceful-restart.config]',
          'enabled = true',
          'notification-enabled = true',
          `restart-time = ${restartSeconds}`,
        ]),
    ...session.families.flatMap((family) => [
      '[[neighbors.afi-safis]]',
      '[neighbors.afi-safis.config]',
      `afi-safi-name = "${family}-unicast"`,
      ...(restartSeconds === undefined
        ? []
        : ['[neighbors.afi-safis.mp-graceful-restart.config]', 'enabled = true']),
    ]),
  ]
}

function sentOf({ announce, pass = [] }: SubjectSession, family: Family): string[] {
  const prefixes = [...announce.map(({ prefix }) => prefix), ...pass]
  return prefixes.filter((prefix) => familyOf(prefix) === family)
}

function sets(session: SubjectSession): string[] {
  const length = session.remote.includes(':') ? 128 : 32
  return [
    '[[defined-sets.neighbor-sets]]',
    `neighbor-set-name = "${session.name}"`,
    `neighbor-info-list = ["${session.remote}/${length}"]`,
    ...session.families.flatMap((family) => [
      '[[defined-sets.prefix-sets]]',
      `prefix-set-name = "${session.name}-${family}"`,
      ...sentOf(session, family).flatMap((prefix) => [
        '[[defined-sets.prefix-sets.prefix-list]]',
        `ip-prefix = "${prefix}"`,
      ]),
    ]),
  ]
}

function rule(session: SubjectSession, family: Family): string[] {
  if (sentOf(session, family).length === 0) return []
  return [
    '[[policy-definitions.statements]]',
    '[policy-definitions.statements.conditions.match-neighbor-set]',
    `neighbor-set = "${session.name}"`,
    '[policy-definitions.statements.conditions.match-prefix-set]',
    `prefix-set = "${session.name}-${family}"`,
    '[policy-definitions.statements.actions]',
    'route-disposition = "accept-route"',
  ]
}
