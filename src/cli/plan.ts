/**
 * `routelet plan --node NAME --manifests DIR`: what an agent on that node would have, without one:
 * its peers, announcements and kernel settings. Passwords show only as whether there is one.
 */
import { loadFolders } from '../config/folder.ts'
import { formatProblem, hasErrors } from '../config/problem.ts'
import { computePlan, type Plan } from '../intent/intent.ts'
import type { Session } from '../intent/session.ts'
import type { Intent, Problem } from '../intent/types.ts'
import { type Output, show } from './output.ts'
import { type Column, formatFields, formatTable } from './table.ts'
import { EXIT_OK, EXIT_USAGE, type Terminal } from './terminal.ts'
import { formatRemark } from './words.ts'

/** What `-o json` prints; stable. */
export interface PlanView {
  readonly node: {
    readonly name: string
    readonly asNumber: number
    readonly routerId: string
    readonly clusterId: string | null
    readonly addresses: readonly string[]
    readonly podCidrs: readonly string[]
  } | null
  readonly peers: readonly PlannedPeerView[]
  readonly announcements: Intent['announcements']
  readonly problems: readonly Problem[]
}

export interface PlannedPeerView {
  readonly name: string
  /** An address, or the CIDR of a peerRange. */
  readonly address: string
  readonly port: number
  readonly asNumber: number
  readonly localAsNumber: number
  readonly sourceAddress: string | null
  readonly routeReflectorClient: boolean
  readonly clusterId: string | null
  readonly passive: boolean
  readonly password: boolean
  readonly ttlSecurity: number | null
  readonly nextHopMode: string
  /** Seconds. */
  readonly maxRestartTime: number
  readonly allowedLocalAsNumbers: number
  readonly filters: readonly string[]
  readonly families: readonly string[]
}

export interface PlanOptions {
  readonly node: string
  readonly manifests: readonly string[]
  readonly output: Output
}

/** Exit code 0, or 2 when the manifests have errors or there is no such node. */
export function runPlan(options: PlanOptions, terminal: Terminal): Promise<number> {
  return show(terminal, { output: options.output, watch: null }, async () => {
    const { resources, problems } = await loadFolders(options.manifests)
    const plan = computePlan(resources, options.node)
    const failed = hasErrors(problems) || plan.intent.node === null
    return {
      data: viewPlan(plan, problems),
      text: () =>
        [...problems.map((problem) => `${formatProblem(problem)}\n`), describePlan(plan)].join(''),
      exitCode: failed ? EXIT_USAGE : EXIT_OK,
    }
  })
}

export function viewPlan({ intent, sessions }: Plan, problems: readonly Problem[] = []): PlanView {
  return {
    node: intent.node && {
      name: intent.node.name,
      asNumber: intent.node.asn,
      routerId: intent.node.routerId,
      clusterId: intent.node.clusterId,
      addresses: intent.node.addresses,
      podCidrs: intent.node.podCidrs,
    },
    peers: sessions.map(viewPeer),
    announcements: intent.announcements,
    problems: [...problems, ...intent.problems],
  }
}

function viewPeer({ config, filters }: Session): PlannedPeerView {
  return {
    name: config.name,
    address: config.address ?? config.range ?? '',
    port: config.port,
    asNumber: config.asn,
    localAsNumber: config.localAsn,
    sourceAddress: config.localAddress,
    routeReflectorClient: config.routeReflectorClient,
    clusterId: config.clusterId,
    passive: config.passive,
    password: config.password !== null,
    ttlSecurity: config.ttlSecurity,
    nextHopMode: config.nextHopMode,
    maxRestartTime: config.restartSeconds,
    allowedLocalAsNumbers: config.allowedLocalAsns,
    filters,
    families: config.families,
  }
}

const peerColumns: readonly Column<Session>[] = [
  { title: 'PEER', value: ({ config }) => config.name },
  { title: 'ADDRESS', value: ({ config }) => config.address ?? config.range },
  { title: 'PORT', value: ({ config }) => config.port, align: 'right' },
  { title: 'AS', value: ({ config }) => config.asn, align: 'right' },
  { title: 'SOURCE', value: ({ config }) => config.localAddress },
  { title: 'ROLE', value: ({ config }) => describeRole(config) },
  { title: 'FROM', value: ({ config }) => config.origin },
  { title: 'HELD DOWN', value: ({ config }) => config.heldDown },
]

function describeRole(config: Session['config']): string {
  const type = config.asn === config.localAsn ? 'iBGP' : 'eBGP'
  return [
    config.routeReflectorClient ? `${type} client` : type,
    ...(config.passive ? ['passive'] : []),
    ...(config.password === null ? [] : ['MD5']),
    ...(config.shutdown ? ['shut down'] : []),
  ].join(', ')
}

function describePlan({ intent, sessions }: Plan): string {
  const { node, fib } = intent
  const remarks = intent.problems.map((problem) => `${formatRemark(problem)}\n`)
  if (node === null) return remarks.join('')
  const head = formatFields([
    ['node', `${node.name}, AS ${node.asn}, router id ${node.routerId}`],
    ['cluster id', node.clusterId],
    ['addresses', node.addresses.join(' ') || null],
    [
      'listens',
      intent.listen
        .map(({ address, family, port }) => `${address ?? `IPv${family}`} port ${port}`)
        .join(', '),
    ],
    [
      'kernel',
      `table ${fib.table}, protocol ${fib.protocol}, metric ${fib.metric}, at most ${fib.maxPaths} paths, install ${fib.install}`,
    ],
    ['blackholes', intent.blackholes.join(' ') || null],
    [
      'host routes',
      intent.hostRoutes.map(({ address, gateway }) => `${address} via ${gateway}`).join(', ') ||
        null,
    ],
    ['refuses', intent.refuse.map(({ prefix }) => prefix).join(' ') || null],
  ])
  const announced = formatTable(
    intent.announcements,
    [
      { title: 'ANNOUNCES', value: ({ prefix }) => prefix },
      { title: 'BECAUSE', value: ({ reason }) => reason },
      { title: 'COMMUNITIES', value: ({ communities }) => communities.join(' ') },
    ],
    false,
  )
  return [head, formatTable(sessions, peerColumns, false), announced, remarks.join('')]
    .filter((part) => part !== '')
    .join('\n')
}
