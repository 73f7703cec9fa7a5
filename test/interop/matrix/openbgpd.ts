/** OpenBGPD as a subject of the matrix: its configuration, and what bgpctl shows in JSON. */
import type { Namespace } from '../../network/namespaces.ts'
import { OpenBgpd } from '../../network/openbgpd.ts'
import {
  type Announced,
  announcements,
  familyOf,
  type HeardRoute,
  type Subject,
  type SubjectConfig,
  type SubjectKind,
  type SubjectSession,
  sessionNamed,
  sortRoutes,
} from './subject.ts'

export const openbgpd: SubjectKind<OpenBgpdSubject> = {
  kind: 'openbgpd',
  name: 'OpenBGPD',
  programs: ['bgpd', 'bgpctl'],
  version: { program: 'bgpctl', args: ['-V'], pattern: /OpenBGPD (\S+)/ },
  borrowsPaths: true,
  cannot: {
    'refresh-asked': 'version 7.7 takes the request and sends nothing (openbgpd-portable issue 46)',
    'enhanced-refresh': 'version 7.7 sends the first mark and nothing after it (the same issue)',
    'extended-messages': 'it has no extended messages before version 8',
    'restart-helper':
      'of graceful restart it announces End-of-RIB only: nothing of it is to be kept',
  },
  start: startOpenBgpd,
}

interface Entry {
  readonly prefix: string
  readonly aspath: string
  readonly exit_nexthop: string
  readonly localpref: number
  readonly metric: number
  readonly communities?: readonly string[]
  readonly large_communities?: readonly string[]
  readonly attributes?: readonly {
    readonly originator?: string
    readonly cluster_list?: readonly string[]
  }[]
}

export class OpenBgpdSubject implements Subject {
  readonly namespace: Namespace
  readonly #config: SubjectConfig
  #bgpd: OpenBgpd

  constructor(namespace: Namespace, config: SubjectConfig, running: OpenBgpd) {
    this.namespace = namespace
    this.#config = config
    this.#bgpd = running
  }

  async state(name: string): Promise<string> {
    const { remote } = sessionNamed(this.#config, name)
    const { neighbors = [] } = await this.#bgpd.ask<{ neighbors?: { state: string }[] }>(
      ...['show', 'neighbor', remote],
    )
    return neighbors[0]?.state ?? 'unknown'
  }

  async heard(name: string): Promise<HeardRoute[]> {
    const { rib = [] } = await this.#bgpd.ask<{ rib?: Entry[] }>(
      ...['show', 'rib', 'neighbor', sessionNamed(this.#config, name).remote, 'detail', 'in'],
    )
    return sortRoutes(rib.map(readEntry))
  }

  async askRefresh(name: string): Promise<void> {
    await this.#bgpd.order('neighbor', sessionNamed(this.#config, name).remote, 'refresh')
  }

  async shutdown(name: string, text: string): Promise<void> {
    await this.#bgpd.order('neighbor', sessionNamed(this.#config, name).remote, 'down', text)
  }

  /** It would hold back for half a minute or two, and longer each time. */
  async wake(name: string): Promise<void> {
    const { remote } = sessionNamed(this.#config, name)
    for (const order of ['clear', 'up']) await this.#bgpd.order('neighbor', remote, order)
  }

  /** Only its log has them. */
  async lastWords(name: string): Promise<string> {
    const { remote } = sessionNamed(this.#config, name)
    const lines = this.#bgpd.daemon.stderr.split('\n').filter((line) => line.includes(remote))
    return lines.filter((line) => /notification|reason/.test(line)).join('\n')
  }

  async kill(): Promise<void> {
    await this.#bgpd.daemon.stop('SIGKILL')
  }

  async revive(): Promise<void> {
    this.#bgpd = await OpenBgpd.start(this.namespace, configure(this.#config))
  }
}

async function startOpenBgpd(
  namespace: Namespace,
  config: SubjectConfig,
): Promise<OpenBgpdSubject> {
  const bgpd = await OpenBgpd.start(namespace, configure(config))
  return new OpenBgpdSubject(namespace, config, bgpd)
}

/** It has words for some. */
const wellKnown: Readonly<Record<string, string>> = { GRACEFUL_SHUTDOWN: '65535:0' }

function readEntry(entry: Entry): HeardRoute {
  const find = <K extends 'originator' | 'cluster_list'>(name: K) =>
    entry.attributes?.find((each) => each[name] !== undefined)?.[name]
  return {
    prefix: entry.prefix,
    nextHop: entry.exit_nexthop,
    asPath: entry.aspath,
    localPref: entry.localpref,
    med: entry.metric || null,
    communities: (entry.communities ?? []).map((one) => wellKnown[one] ?? one).sort(),
    largeCommunities: [...(entry.large_communities ?? [])].sort(),
    originatorId: find('originator') ?? null,
    clusterList: find('cluster_list') ?? [],
  }
}

function configure(config: SubjectConfig): string {
  const sent = config.sessions.flatMap(({ remote, announce, pass = [] }) => [
    ...announce.map(({ prefix }) => `allow to ${remote} prefix ${prefix} set nexthop no-modify`),
    ...pass.map((prefix) => `allow to ${remote} prefix ${prefix}`),
  ])
  return [
    `AS ${config.asn}`,
    `router-id ${config.routerId}`,
    'fib-update no',
    ...networks(config),
    ...config.sessions.map(neighbour),
    'allow from any',
    ...sent,
    '',
  ].join('\n')
}

/** A prefix that goes out over several sessions is said once. */
function networks(config: SubjectConfig): string[] {
  const lines = announcements(config).map(
    (one) => [one.prefix, `network ${one.prefix}${edit(one, one.session)}`] as const,
  )
  return [...new Map(lines).values()]
}

/** Over an IPv4 session it would call itself ::1 in IPv6, so there the next hop is said. */
function edit(announced: Announced, { local, localIpv6 }: SubjectSession): string {
  const { prefix, communities = [], largeCommunities = [], med } = announced
  const foreign = familyOf(prefix) === 'ipv6' && !local.includes(':')
  const sets = [
    ...(foreign ? [`nexthop ${localIpv6}`] : []),
    ...communities.map((one) => `community ${one}`),
    ...largeCommunities.map((one) => `large-community ${one}`),
    ...(med === undefined ? [] : [`metric ${med}`]),
  ]
  return sets.length === 0 ? '' : ` set { ${sets.join(' ')} }`
}

/**
 * Whether it leaves dialling to us. When its dial meets the end of our agent, the OPEN it has not yet
 * written stays queued, and the next connection begins with two: an FSM error by RFC 4271 §8.2.2, and
 * the NOTIFICATION ends what it keeps for us and makes it hold back for a minute. So where it is to
 * live through a restart of ours, it waits.
 */
function waits({ active, password, restartSeconds }: SubjectSession): boolean {
  // Its listener knows no keys.
  return restartSeconds !== undefined || !(active || password)
}

function neighbour(session: SubjectSession): string {
  const yes = (wanted: unknown) => (wanted ? 'yes' : 'no')
  return [
    `neighbor ${session.remote} {`,
    `  descr "${session.name}"`,
    `  remote-as ${session.remoteAsn}`,
    ...(session.localAsn === undefined ? [] : [`  local-as ${session.localAsn}`]),
    `  local-address ${session.local}`,
    // To a neighbour on the link it always calls itself the next hop, ::1 again.
    ...(session.families.length > 1 ? ['  multihop 2'] : []),
    ...(waits(session) ? ['  passive'] : []),
    ...(['ipv4', 'ipv6'] as const).map(
      (family) =>
        `  announce ${family === 'ipv4' ? 'IPv4' : 'IPv6'} ` +
        `${session.families.includes(family) ? 'unicast' : 'none'}`,
    ),
    `  announce restart ${yes(session.restartSeconds)}`,
    `  announce as-4byte ${yes(session.as4 !== false)}`,
    '  announce enhanced refresh yes',
    `  announce add-path recv ${yes(session.addPath)}`,
    `  announce add-path send ${session.addPath ? 'all' : 'no'}`,
    ...(session.password === undefined ? [] : [`  tcp md5sig password ${session.password}`]),
    ...(session.ttlSecurity ? ['  ttl-security yes'] : []),
    '}',
  ].join('\n')
}
