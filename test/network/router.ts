/**
 * A router of somebody else's, BIRD or FRR, behind one face: the same description becomes either's
 * configuration, and the same questions get the same answers. Tests of interoperation are written
 * once and run against both.
 */
import { Bird } from './bird.ts'
import { Frr } from './frr.ts'
import type { Namespace } from './namespaces.ts'
import { waitUntil } from './wait.ts'

export type RouterKind = 'bird' | 'frr'
type Family = 'ipv4' | 'ipv6'

export interface RouterConfig {
  readonly asn: number
  readonly routerId: string
  /** Prefixes of its own, both families. */
  readonly announce: readonly string[]
  readonly neighbours: readonly Neighbour[]
  /** Listen on the local addresses of the sessions alone (BIRD only). */
  readonly strictBind?: boolean
}

export interface Neighbour {
  /** BIRD's name for the session: a word, but none that its language has (`rr`, `ebgp`, …). */
  readonly name: string
  readonly local: string
  readonly address: string
  readonly asn: number
  /** What the router calls itself here, when it isn't its own AS (BIRD only). */
  readonly localAsn?: number
  readonly password?: string
  /** Default: the family of the address. */
  readonly families?: readonly Family[]
  /** IPv4 by an IPv6 next hop (RFC 8950). */
  readonly extendedNextHop?: true
  /** Next hop of its IPv6 routes when they go over an IPv4 session. */
  readonly nextHopIpv6?: string
}

/** What a reflector adds (RFC 4456 §8), as text; the cluster ids with blanks between. */
export interface Reflection {
  readonly originatorId: string | null
  readonly clusterList: string | null
}

export interface Router {
  readonly kind: RouterKind
  /** `Established`, `Active`, `Idle`, … */
  state(neighbour: string): Promise<string>
  /** Prefixes accepted from that neighbour, sorted. */
  learned(neighbour: string): Promise<string[]>
  /** The AS path of a prefix as its best route has it, e.g. `64512 64513`; null without a route. */
  asPath(prefix: string): Promise<string | null>
  /** The next hop (global) of its best route. */
  nextHop(prefix: string): Promise<string | null>
  /** Of the best route of a prefix. */
  reflection(prefix: string): Promise<Reflection>
  established(neighbour: string, seconds?: number): Promise<void>
}

export function startRouter(
  kind: RouterKind,
  namespace: Namespace,
  config: RouterConfig,
): Promise<Router> {
  return kind === 'bird' ? startBird(namespace, config) : startFrr(namespace, config)
}

async function startBird(namespace: Namespace, config: RouterConfig): Promise<Router> {
  const bird = await Bird.start(namespace, birdConfig(config))
  const best = async (prefix: string, attribute: string) => {
    const [route] = await bird.routes(`for ${prefix} primary`)
    return route?.attributes[attribute] ?? null
  }
  const state = (neighbour: string) => bird.state(neighbour)
  return {
    kind: 'bird',
    state,
    learned: async (neighbour) => {
      const routes = await bird.routes(`protocol ${neighbour}`)
      return routes.map((route) => route.prefix).sort()
    },
    asPath: (prefix) => best(prefix, 'BGP.as_path'),
    nextHop: async (prefix) => (await best(prefix, 'BGP.next_hop'))?.split(' ')[0] ?? null,
    reflection: async (prefix) => ({
      originatorId: await best(prefix, 'BGP.originator_id'),
      clusterList: await best(prefix, 'BGP.cluster_list'),
    }),
    established: (neighbour, seconds) => established(state, neighbour, seconds),
  }
}

interface FrrPath {
  readonly bestpath?: { readonly overall?: boolean }
  readonly aspath?: { readonly string: string }
  readonly originatorId?: string
  readonly clusterList?: { readonly list: readonly string[] }
  readonly nexthops?: readonly { readonly ip: string; readonly scope?: string }[]
}

async function startFrr(namespace: Namespace, config: RouterConfig): Promise<Router> {
  const frr = await Frr.start(namespace, frrConfig(config))
  const addressOf = (name: string) => {
    const neighbour = config.neighbours.find((one) => one.name === name)
    if (!neighbour) throw new Error(`no neighbour ${name} is configured`)
    return neighbour
  }
  const best = async (prefix: string) => {
    const family = prefix.includes(':') ? 'ipv6' : 'ipv4'
    const answer = await frr.ask<{ paths?: readonly FrrPath[] }>(
      `show bgp ${family} unicast ${prefix} json`,
    )
    return answer.paths?.find((path) => path.bestpath?.overall) ?? null
  }
  const state = (neighbour: string) => frr.state(addressOf(neighbour).address)
  return {
    kind: 'frr',
    state,
    learned: async (name) => {
      const { address, families } = withFamilies(addressOf(name))
      const lists = await Promise.all(families.map((family) => frr.prefixes(address, family)))
      return lists.flat().sort()
    },
    asPath: async (prefix) => (await best(prefix))?.aspath?.string ?? null,
    nextHop: async (prefix) => {
      const hops = (await best(prefix))?.nexthops ?? []
      return (hops.find((hop) => hop.scope !== 'link-local') ?? hops[0])?.ip ?? null
    },
    reflection: async (prefix) => {
      const route = await best(prefix)
      return {
        originatorId: route?.originatorId ?? null,
        clusterList: route?.clusterList?.list.join(' ') ?? null,
      }
    },
    established: (neighbour, seconds) => established(state, neighbour, seconds),
  }
}

async function established(
  state: (neighbour: string) => Promise<string>,
  neighbour: string,
  seconds?: number,
): Promise<void> {
  await waitUntil(
    `the router's session ${neighbour}`,
    () => state(neighbour),
    (seen) => seen === 'Established',
    seconds,
  )
}

/**
 * Everything it learns goes to its kernel and to its other neighbours, as on a switch; next hops are
 * found by the kernel's routes too.
 */
function birdConfig(config: RouterConfig): string {
  const { asn, routerId, announce, neighbours } = config
  const statics = (['ipv4', 'ipv6'] as const).map((family) => {
    const routes = ofFamily(announce, family).map((prefix) => `  route ${prefix} unreachable;`)
    return `protocol static { ${family};\n${routes.join('\n')}\n}`
  })
  const kernels = (['ipv4', 'ipv6'] as const).map(
    (family) =>
      `protocol kernel { learn; ${family} { import all; export where source = RTS_BGP; }; }`,
  )
  const sessions = neighbours
    .map(withFamilies)
    .map((one) =>
      [
        `protocol bgp ${one.name} {`,
        `  local ${one.local} as ${one.localAsn ?? asn};`,
        ...(config.strictBind ? ['  strict bind yes;'] : []),
        `  neighbor ${one.address} as ${one.asn};`,
        ...(one.password ? [`  password "${one.password}";`] : []),
        '  connect delay time 1; connect retry time 2; error wait time 1, 4;',
        ...one.families.map(
          (family) =>
            `  ${family} { ${one.extendedNextHop && family === 'ipv4' ? 'extended next hop on; ' : ''}` +
            'import all; export where source ~ [RTS_STATIC, RTS_BGP]; };',
        ),
        '}',
      ].join('\n'),
    )
  const head = `router id ${routerId};\nprotocol device { scan time 1; }`
  return [head, ...statics, ...kernels, ...sessions, ''].join('\n')
}

/** The same for FRR, where those are the defaults. */
function frrConfig({ asn, routerId, announce, neighbours }: RouterConfig): string {
  const lines = [
    `router bgp ${asn}`,
    ` bgp router-id ${routerId}`,
    ' no bgp ebgp-requires-policy',
    ' no bgp network import-check',
    ' no bgp default ipv4-unicast',
  ]
  for (const one of neighbours) {
    lines.push(
      ` neighbor ${one.address} remote-as ${one.asn}`,
      ` neighbor ${one.address} update-source ${one.local}`,
      ` neighbor ${one.address} timers connect 2`,
      ` neighbor ${one.address} advertisement-interval 0`,
    )
    if (one.extendedNextHop) lines.push(` neighbor ${one.address} capability extended-nexthop`)
    if (one.password) lines.push(` neighbor ${one.address} password ${one.password}`)
  }
  for (const family of ['ipv4', 'ipv6'] as const) {
    lines.push(` address-family ${family} unicast`)
    for (const prefix of ofFamily(announce, family)) lines.push(`  network ${prefix}`)
    for (const one of neighbours.map(withFamilies)) {
      if (one.families.includes(family)) lines.push(`  neighbor ${one.address} activate`)
    }
    lines.push(' exit-address-family')
  }
  return `${lines.join('\n')}\n`
}

function ofFamily(prefixes: readonly string[], family: Family): string[] {
  return prefixes.filter((prefix) => familyOf(prefix) === family)
}

function withFamilies(neighbour: Neighbour): Neighbour & { families: readonly Family[] } {
  return { ...neighbour, families: neighbour.families ?? [familyOf(neighbour.address)] }
}

function familyOf(text: string): Family {
  return text.includes(':') ? 'ipv6' : 'ipv4'
}
