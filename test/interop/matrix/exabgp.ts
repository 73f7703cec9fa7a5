/** ExaBGP in the matrix: it keeps no table, so one is made here from what it says it heard. */
import { ExaBgp, exabgpProcess } from '../../network/exabgp.ts'
import type { Namespace } from '../../network/namespaces.ts'
import {
  type Family,
  type HeardRoute,
  ofFamily,
  type Subject,
  type SubjectConfig,
  type SubjectKind,
  type SubjectSession,
  sessionNamed,
  sortRoutes,
} from './subject.ts'

export const exabgp: SubjectKind<ExaBgpSubject> = {
  kind: 'exabgp',
  name: 'ExaBGP',
  programs: ['exabgp'],
  version: { program: 'exabgp', args: ['--version'], pattern: /ExaBGP : (\S+)/ },
  cannot: {
    'enhanced-refresh': 'it offers it, and answers without the marks',
    'shutdown-worded': 'version 4.2 stumbles over the text (a TypeError of its own)',
    'restart-ours': 'it has no table to keep our routes in',
  },
  originatesPaths: true,
  shutdownText: 'Administrative Shutdown',
  start: startExaBgp,
}

interface Nlri {
  readonly nlri: string
  readonly 'path-information'?: string
}

interface Update {
  readonly attribute?: {
    readonly 'as-path'?: readonly number[]
    readonly med?: number
    readonly 'local-preference'?: number
    readonly community?: readonly (readonly number[])[]
    readonly 'large-community'?: readonly (readonly number[])[]
    readonly 'originator-id'?: string
    readonly 'cluster-list'?: readonly string[]
  }
  readonly announce?: Readonly<Record<string, Readonly<Record<string, readonly Nlri[]>>>>
  readonly withdraw?: Readonly<Record<string, readonly Nlri[]>>
}

export interface ExaBgpEvent {
  readonly type: string
  readonly neighbor?: {
    readonly address: { readonly local: string; readonly peer: string }
    readonly state?: string
    readonly reason?: string
    readonly message?: { readonly update?: Update }
    readonly notification?: { readonly code: number; readonly subcode: number }
  }
}

export class ExaBgpSubject implements Subject {
  readonly namespace: Namespace
  readonly #config: SubjectConfig
  #exabgp: ExaBgp

  constructor(namespace: Namespace, config: SubjectConfig, running: ExaBgp) {
    this.namespace = namespace
    this.#config = config
    this.#exabgp = running
  }

  async state(name: string): Promise<string> {
    const last = this.#events(name).findLast(({ type }) => type === 'state')
    return last?.neighbor?.state === 'up' ? 'Established' : (last?.neighbor?.state ?? 'unknown')
  }

  async heard(name: string): Promise<HeardRoute[]> {
    const table = new Map<string, HeardRoute>()
    for (const { type, neighbor } of this.#events(name)) {
      if (type === 'state' && neighbor?.state !== 'up') table.clear()
      if (neighbor?.message?.update) apply(table, neighbor.message.update)
    }
    return sortRoutes([...table.values()])
  }

  async askRefresh(name: string): Promise<void> {
    const { remote, families } = sessionNamed(this.#config, name)
    for (const family of families) {
      this.#exabgp.order(`neighbor ${remote} announce route-refresh ${family} unicast`)
    }
  }

  /** It has words of its own for the peer. */
  async shutdown(name: string): Promise<void> {
    this.#exabgp.order(`neighbor ${sessionNamed(this.#config, name).remote} teardown 2`)
  }

  async lastWords(name: string): Promise<string> {
    return this.#events(name)
      .flatMap(({ neighbor }) => neighbor?.notification ?? [])
      .map(({ code, subcode }) => `code ${code} subcode ${subcode}`)
      .join(', ')
  }

  /** What it said of one session, oldest first. */
  #events(name: string): ExaBgpEvent[] {
    const { remote } = sessionNamed(this.#config, name)
    return this.#exabgp
      .events<ExaBgpEvent>()
      .filter(({ neighbor }) => neighbor?.address.peer === remote)
  }

  async kill(): Promise<void> {
    await this.#exabgp.daemon.stop('SIGKILL')
  }

  async revive(): Promise<void> {
    this.#exabgp = await ExaBgp.start(this.namespace, configure(this.#config))
  }
}

async function startExaBgp(namespace: Namespace, config: SubjectConfig): Promise<ExaBgpSubject> {
  return new ExaBgpSubject(namespace, config, await ExaBgp.start(namespace, configure(config)))
}

function apply(table: Map<string, HeardRoute>, update: Update): void {
  const key = ({ nlri, 'path-information': path = '' }: Nlri) => `${nlri} ${path}`
  for (const list of Object.values(update.withdraw ?? {})) {
    for (const one of list) table.delete(key(one))
  }
  const attribute = update.attribute ?? {}
  for (const byNextHop of Object.values(update.announce ?? {})) {
    for (const [nextHop, list] of Object.entries(byNextHop)) {
      for (const one of list) {
        table.set(key(one), {
          prefix: one.nlri,
          nextHop,
          asPath: (attribute['as-path'] ?? []).join(' '),
          localPref: attribute['local-preference'] ?? null,
          med: attribute.med ?? null,
          communities: (attribute.community ?? []).map((each) => each.join(':')).sort(),
          largeCommunities: (attribute['large-community'] ?? [])
            .map((each) => each.join(':'))
            .sort(),
          originatorId: attribute['originator-id'] ?? null,
          clusterList: attribute['cluster-list'] ?? [],
        })
      }
    }
  }
}

function configure(config: SubjectConfig): string {
  return config.sessions.map((session) => neighbour(config, session)).join('\n')
}

function neighbour(config: SubjectConfig, session: SubjectSession): string {
  const { localAsn = config.asn, password, restartSeconds } = session
  return [
    `neighbor ${session.remote} {`,
    `  router-id ${config.routerId};`,
    `  local-address ${session.local};`,
    `  local-as ${localAsn};`,
    `  peer-as ${session.remoteAsn};`,
    // What waits checks no TTL.
    `  passive ${session.active || session.ttlSecurity ? 'disable' : 'enable'};`,
    ...(password === undefined ? [] : [`  md5-password "${password}";`]),
    ...(session.ttlSecurity ? ['  outgoing-ttl 255;', '  incoming-ttl 255;'] : []),
    `  family { ${session.families.map((family) => `${family} unicast;`).join(' ')} }`,
    '  capability {',
    '    route-refresh enable;',
    `    asn4 ${session.as4 === false ? 'disable' : 'enable'};`,
    `    extended-message ${session.extendedMessage ? 'enable' : 'disable'};`,
    ...(session.addPath ? ['    add-path send/receive;'] : []),
    ...(restartSeconds === undefined ? [] : [`    graceful-restart ${restartSeconds};`]),
    '  }',
    '  announce {',
    ...session.families.map((family) => announce(localAsn, session, family)),
    '  }',
    `  api { processes [ ${exabgpProcess} ]; neighbor-changes;`,
    '    receive { parsed; update; notification; open; }',
    '  }',
    '}',
  ].join('\n')
}

function announce(localAsn: number, session: SubjectSession, family: Family): string {
  const lines = ofFamily(session.announce, family).map((one) => {
    const { prefix, communities, largeCommunities, med, asPath, pathId } = one
    const nextHop = one.nextHop ?? (family === 'ipv4' ? session.local : session.localIpv6)
    return [
      `      unicast ${prefix} next-hop ${nextHop}`,
      ...(pathId === undefined ? [] : [`path-information 0.0.0.${pathId}`]),
      ...(asPath ? [`as-path [ ${[localAsn, ...asPath].join(' ')} ]`] : []),
      ...(communities ? [`community [ ${communities.join(' ')} ]`] : []),
      ...(largeCommunities ? [`large-community [ ${largeCommunities.join(' ')} ]`] : []),
      ...(med === undefined ? [] : [`med ${med}`]),
    ].join(' ')
  })
  return [`    ${family} {`, ...lines.map((line) => `${line};`), '    }'].join('\n')
}
