/** BIRD 2 as a subject of the matrix: its configuration, and what birdc shows of sessions and routes. */
import { Bird, type BirdRoute } from '../../network/bird.ts'
import type { Namespace } from '../../network/namespaces.ts'
import {
  type Announced,
  announcements,
  type Family,
  type HeardRoute,
  ofFamily,
  type Subject,
  type SubjectConfig,
  type SubjectKind,
  type SubjectSession,
  sortRoutes,
} from './subject.ts'

export const bird: SubjectKind<BirdSubject> = {
  kind: 'bird',
  name: 'BIRD',
  programs: ['bird', 'birdc'],
  version: { program: 'bird', args: ['--version'], pattern: /version (\S+)/ },
  cannot: {},
  hasKernel: true,
  start: startBird,
}

export class BirdSubject implements Subject {
  readonly namespace: Namespace
  readonly #config: SubjectConfig
  #bird: Bird

  constructor(namespace: Namespace, config: SubjectConfig, running: Bird) {
    this.namespace = namespace
    this.#config = config
    this.#bird = running
  }

  state(session: string): Promise<string> {
    return this.#bird.state(named(session))
  }

  async heard(session: string): Promise<HeardRoute[]> {
    return sortRoutes((await this.#bird.routes(`protocol ${named(session)}`)).map(readRoute))
  }

  async askRefresh(session: string): Promise<void> {
    await this.#bird.ask(`reload in ${named(session)}`)
  }

  async shutdown(session: string, text: string): Promise<void> {
    await this.#bird.ask(`disable ${named(session)} "${text}"`)
  }

  lastWords(session: string): Promise<string> {
    return this.#bird.ask(`show protocols all ${named(session)}`)
  }

  async kill(): Promise<void> {
    await this.#bird.daemon.stop('SIGKILL')
  }

  /** With -R it says in its OPEN that it has restarted and kept forwarding. */
  async revive(): Promise<void> {
    this.#bird = await Bird.start(this.namespace, configure(this.#config), ['-R'])
  }
}

async function startBird(namespace: Namespace, config: SubjectConfig): Promise<BirdSubject> {
  return new BirdSubject(namespace, config, await Bird.start(namespace, configure(config)))
}

/** Its language has many words, which no protocol may be called. */
function named(session: string): string {
  return `to_${session}`
}

function readRoute({ prefix, attributes }: BirdRoute): HeardRoute {
  const number = (name: string) =>
    attributes[name] === undefined ? null : Number(attributes[name])
  return {
    prefix,
    nextHop: attributes['BGP.next_hop']?.split(' ')[0] ?? '',
    asPath: attributes['BGP.as_path'] ?? '',
    localPref: number('BGP.local_pref'),
    med: number('BGP.med'),
    communities: readCommunities(attributes['BGP.community']),
    largeCommunities: readCommunities(attributes['BGP.large_community']),
    originatorId: attributes['BGP.originator_id'] ?? null,
    clusterList: attributes['BGP.cluster_list']?.split(' ') ?? [],
  }
}

/** `(65001,1) (65001,2)`, or `(65001, 1, 2)`. */
function readCommunities(text = ''): string[] {
  return [...text.matchAll(/\(([^)]*)\)/g)]
    .map(([, inner = '']) => inner.replaceAll(' ', '').replaceAll(',', ':'))
    .sort()
}

function configure(config: SubjectConfig): string {
  const all = announcements(config)
  const statics = (['ipv4', 'ipv6'] as const).map((family) => {
    const once = new Map(ofFamily(all, family).map((one) => [one.prefix, one]))
    const routes = [...once.values()].map((one) => `  route ${one.prefix} unreachable${edit(one)};`)
    return `protocol static { ${family};\n${routes.join('\n')}\n}`
  })
  const kernels = (['ipv4', 'ipv6'] as const).map(
    (family) =>
      `protocol kernel { learn; persist; graceful restart; ${family} { import all; ` +
      `export where source = RTS_BGP; }; }`,
  )
  return [
    `router id ${config.routerId};`,
    // Only what takes part in a restart is waited for, and that not for ever.
    'graceful restart wait 20;',
    'protocol device { scan time 1; }',
    ...statics,
    ...(config.kernel ? kernels : []),
    ...config.sessions.map((session) => protocol(config, session)),
    '',
  ].join('\n')
}

function edit(announced: Announced): string {
  const { communities = [], largeCommunities = [], med, asPath = [] } = announced
  const tuple = (text: string) => `(${text.replaceAll(':', ', ')})`
  const steps = [
    ...communities.map((one) => `bgp_community.add(${tuple(one)});`),
    ...largeCommunities.map((one) => `bgp_large_community.add(${tuple(one)});`),
    ...(med === undefined ? [] : [`bgp_med = ${med};`]),
    ...asPath.map((asn) => `bgp_path.prepend(${asn});`),
  ]
  return steps.length === 0 ? '' : ` { ${steps.join(' ')} }`
}

function protocol(config: SubjectConfig, session: SubjectSession): string {
  const { localAsn = config.asn, password, restartSeconds } = session
  return [
    `protocol bgp ${named(session.name)} {`,
    `  local ${session.local} as ${localAsn};`,
    `  neighbor ${session.remote} as ${session.remoteAsn};`,
    '  connect delay time 1; connect retry time 2; error wait time 1, 2;',
    ...(session.active ? [] : ['  passive on;']),
    ...(password ? [`  password "${password}";`] : []),
    ...(session.ttlSecurity ? ['  ttl security on;'] : []),
    ...(restartSeconds
      ? [`  graceful restart on; graceful restart time ${restartSeconds};`]
      : ['  graceful restart off;']),
    ...(session.as4 === false ? ['  enable as4 off;'] : []),
    ...(session.extendedMessage ? ['  enable extended messages on;'] : []),
    ...session.families.map((family) => channel(session, family)),
    '}',
  ].join('\n')
}

function channel(session: SubjectSession, family: Family): string {
  const own = ofFamily(session.announce, family).map(({ prefix }) => prefix)
  const { pass = [] } = session
  const rules = [
    ...(own.length === 0 ? [] : [`(source = RTS_STATIC && net ~ [ ${own.join(', ')} ])`]),
    ...(pass.length === 0 ? [] : [`(source = RTS_BGP && net ~ [ ${pass.join(', ')} ])`]),
  ]
  const exported = rules.length === 0 ? 'none' : `where ${rules.join(' || ')}`
  return [
    `  ${family} { import all; export ${exported};`,
    ...(family === 'ipv6' ? [`    next hop address ${session.localIpv6};`] : []),
    ...(session.addPath ? ['    add paths on;'] : []),
    '  };',
  ].join('\n')
}
