/** FRR (zebra and bgpd) as a subject of the matrix: its configuration, and what vtysh shows in JSON. */
import { Frr } from '../../network/frr.ts'
import type { Namespace } from '../../network/namespaces.ts'
import {
  announcements,
  type Family,
  familyOf,
  type HeardRoute,
  ofFamily,
  type Subject,
  type SubjectConfig,
  type SubjectKind,
  type SubjectSession,
  sessionNamed,
  sortRoutes,
} from './subject.ts'

export const frr: SubjectKind<FrrSubject> = {
  kind: 'frr',
  name: 'FRR',
  programs: ['vtysh', '/usr/lib/frr/bgpd'],
  version: { program: '/usr/lib/frr/bgpd', args: ['--version'], pattern: /version (\S+)/ },
  cannot: {
    'two-octet-as': 'it always offers four-octet AS numbers',
  },
  hasKernel: true,
  start: startFrr,
}

interface FrrPath {
  readonly peer: { readonly peerId: string }
  readonly aspath?: { readonly string: string }
  readonly locPrf?: number
  readonly metric?: number
  readonly community?: { readonly list: readonly string[] }
  readonly largeCommunity?: { readonly list: readonly string[] }
  readonly originatorId?: string
  readonly clusterList?: { readonly list: readonly string[] }
  readonly nexthops?: readonly { readonly ip: string; readonly scope?: string }[]
}

export class FrrSubject implements Subject {
  readonly namespace: Namespace
  readonly #config: SubjectConfig
  #frr: Frr

  constructor(namespace: Namespace, config: SubjectConfig, running: Frr) {
    this.namespace = namespace
    this.#config = config
    this.#frr = running
  }

  state(session: string): Promise<string> {
    return this.#frr.state(sessionNamed(this.#config, session).remote)
  }

  async heard(name: string): Promise<HeardRoute[]> {
    const { remote, families } = sessionNamed(this.#config, name)
    const questions: string[] = []
    for (const family of families) {
      for (const prefix of await this.#frr.prefixes(remote, family)) {
        questions.push(`show bgp ${family} unicast ${prefix} json`)
      }
    }
    if (questions.length === 0) return []
    const answers = await this.#frr.askAll<{ prefix: string; paths: FrrPath[] }>(questions)
    return sortRoutes(
      answers.flatMap(({ prefix, paths }) =>
        paths.filter(({ peer }) => peer.peerId === remote).map((path) => readPath(prefix, path)),
      ),
    )
  }

  async askRefresh(name: string): Promise<void> {
    const { remote, families } = sessionNamed(this.#config, name)
    await this.#frr.order(
      ...families.map((family) => `clear bgp ${family} unicast ${remote} soft in`),
    )
  }

  async shutdown(name: string, text: string): Promise<void> {
    const { remote } = sessionNamed(this.#config, name)
    await this.#frr.order(
      ...['configure terminal', `router bgp ${this.#config.asn}`],
      `neighbor ${remote} shutdown message ${text}`,
    )
  }

  async lastWords(name: string): Promise<string> {
    const { remote } = sessionNamed(this.#config, name)
    const answer = await this.#frr.ask<Record<string, Record<string, unknown>>>(
      `show bgp neighbors ${remote} json`,
    )
    const words = Object.entries(answer[remote] ?? {}).filter(([key]) => key.startsWith('last'))
    return words.map(([key, value]) => `${key}: ${value}`).join('\n')
  }

  /** bgpd alone: zebra holds the kernel's routes meanwhile. */
  async kill(): Promise<void> {
    await this.#frr.killBgpd()
  }

  async revive(): Promise<void> {
    await this.#frr.startBgpd()
  }
}

async function startFrr(namespace: Namespace, config: SubjectConfig): Promise<FrrSubject> {
  return new FrrSubject(namespace, config, await Frr.start(namespace, configure(config)))
}

/** It has words for some. */
const wellKnown: Readonly<Record<string, string>> = { gracefulShutdown: '65535:0' }

function readPath(prefix: string, path: FrrPath): HeardRoute {
  const hops = path.nexthops ?? []
  return {
    prefix,
    nextHop: (hops.find((hop) => hop.scope !== 'link-local') ?? hops[0])?.ip ?? '',
    asPath: path.aspath?.string === 'Local' ? '' : (path.aspath?.string ?? ''),
    localPref: path.locPrf ?? null,
    med: path.metric || null,
    communities: (path.community?.list ?? []).map((one) => wellKnown[one] ?? one).sort(),
    largeCommunities: [...(path.largeCommunity?.list ?? [])].sort(),
    originatorId: path.originatorId ?? null,
    clusterList: path.clusterList?.list ?? [],
  }
}

function configure(config: SubjectConfig): string {
  const all = announcements(config)
  const restarts = config.sessions.find(({ restartSeconds }) => restartSeconds !== undefined)
  // What is named comes first: what names it would else be looked at again seconds later.
  const lines: string[] = []
  for (const { prefix, communities = [], largeCommunities = [], med, asPath = [] } of all) {
    // Its lines are short: long lists come in pieces, each handing on to the next.
    for (let at = 0; at < communities.length; at += communitiesInLine) {
      const some = communities.slice(at, at + communitiesInLine)
      lines.push(
        `route-map ${attributesOf(prefix)} permit ${at + 1}`,
        ` set community ${some.join(' ')} additive`,
        ' on-match next',
        'exit',
      )
    }
    lines.push(`route-map ${attributesOf(prefix)} permit 65535`)
    if (largeCommunities.length > 0) {
      lines.push(` set large-community ${largeCommunities.join(' ')}`)
    }
    if (med !== undefined) lines.push(` set metric ${med}`)
    if (asPath.length > 0) lines.push(` set as-path prepend ${asPath.join(' ')}`)
    lines.push('exit')
  }
  for (const session of config.sessions) {
    for (const family of session.families) {
      const ip = family === 'ipv4' ? 'ip' : 'ipv6'
      const list = `${ip} prefix-list ${sentBy(session, family)}`
      const own = ofFamily(session.announce, family).map(({ prefix }) => prefix)
      const passed = (session.pass ?? []).filter((prefix) => familyOf(prefix) === family)
      const prefixes = [...own, ...passed]
      for (const prefix of prefixes) lines.push(`${list} permit ${prefix}`)
      if (prefixes.length === 0) lines.push(`${list} deny any`)
    }
  }
  lines.push(
    `router bgp ${config.asn}`,
    ` bgp router-id ${config.routerId}`,
    ' no bgp ebgp-requires-policy',
    ' no bgp network import-check',
    ' no bgp default ipv4-unicast',
  )
  if (restarts !== undefined) {
    lines.push(
      ` bgp graceful-restart restart-time ${restarts.restartSeconds}`,
      ' bgp graceful-restart preserve-fw-state',
    )
  }
  for (const session of config.sessions) lines.push(...neighbour(session))
  for (const family of ['ipv4', 'ipv6'] as const) {
    lines.push(` address-family ${family} unicast`)
    for (const { prefix } of ofFamily(all, family)) {
      lines.push(`  network ${prefix} route-map ${attributesOf(prefix)}`)
    }
    for (const session of config.sessions) lines.push(...activate(session, family))
    lines.push(' exit-address-family')
  }
  return `${lines.join('\n')}\n`
}

function neighbour(session: SubjectSession): string[] {
  const { remote, remoteAsn, local, localAsn, password, restartSeconds } = session
  const settings = [
    `remote-as ${remoteAsn}`,
    `update-source ${local}`,
    'timers connect 2',
    'advertisement-interval 0',
    ...(session.active ? [] : ['passive']),
    ...(password === undefined ? [] : [`password ${password}`]),
    ...(session.ttlSecurity ? ['ttl-security hops 1'] : []),
    ...(localAsn === undefined ? [] : [`local-as ${localAsn} no-prepend replace-as`]),
    restartSeconds === undefined ? 'graceful-restart-disable' : 'graceful-restart',
  ]
  return settings.map((setting) => ` neighbor ${remote} ${setting}`)
}

function activate(session: SubjectSession, family: Family): string[] {
  if (!session.families.includes(family)) return []
  const settings = [
    'activate',
    `prefix-list ${sentBy(session, family)} out`,
    ...(session.addPath ? ['addpath-tx-all-paths'] : ['disable-addpath-rx']),
  ]
  return settings.map((setting) => `  neighbor ${session.remote} ${setting}`)
}

const communitiesInLine = 100

/** Names of a route map and a prefix list. */
function attributesOf(prefix: string): string {
  return `of-${prefix.replaceAll(/[^0-9a-f]/g, '-')}`
}

function sentBy(session: SubjectSession, family: Family): string {
  return `by-${session.name}-${family}`
}
