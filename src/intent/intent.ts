/**
 * The pure function from resources to intent: everything an agent on one node would have. Equal
 * input gives deeply equal output, sorted, so that two intents can be compared to find what a
 * change really touches.
 */
import type { ListenAddress } from '../../bgp/types.ts'
import { findNearest } from '../config/nearest.ts'
import { compareText } from '../config/problem.ts'
import type { ResourceSet } from '../config/resources.ts'
import { deriveAnnounced } from './announce.ts'
import { deriveCni, sitsOnSegment } from './cni.ts'
import { findIdlePeerFields, findIdleSettings, findUnusedFilters } from './effect.ts'
import { readFilters } from './filters.ts'
import { deriveGuard } from './guard.ts'
import { addressOf, type NodeFacts, routerIdOf, surveyNodes } from './node.ts'
import { derivePeerRoutes } from './peer-routes.ts'
import { derivePeerings, type Vantage } from './peering.ts'
import { fail, inform, warn } from './problem.ts'
import { makeSessions, type Session, type Sessions } from './session.ts'
import { type Settings, settleConfiguration } from './settings.ts'
import type { InForce, Intent, NodeIntent, Problem } from './types.ts'

/** An intent together with what it came from; `plan` shows both. */
export interface Plan {
  readonly intent: Intent
  /** One for each of the intent's peers, in the same order. */
  readonly sessions: readonly Session[]
}

/**
 * @param before The intent in force, when an agent runs: a session that has a key keeps it when its
 *   Secret vanishes. Without it a missing Secret keeps the session down.
 */
export function computeIntent(
  resources: ResourceSet,
  nodeName: string,
  before: InForce | null = null,
): Intent {
  return computePlan(resources, nodeName, before).intent
}

export function computePlan(
  resources: ResourceSet,
  nodeName: string,
  before: InForce | null = null,
): Plan {
  const survey = surveyNodes(resources)
  const settings = settleConfiguration(resources, nodeName)
  const own = survey.byName.get(nodeName)
  const surroundings = [...survey.problems, ...settings.problems, ...findIdleSettings(resources)]
  if (own === undefined) {
    const absent = absentNode(nodeName, survey.byName.keys())
    return { intent: idleIntent(settings, [absent, ...surroundings]), sessions: [] }
  }
  const ownAsn = own.asn ?? settings.spec.asNumber
  const filters = readFilters(resources.bgpFilters)
  const vantage: Vantage = { own, ownAsn, survey, settings, resources, filters, before }
  const { peerings, problems: peeringProblems } = derivePeerings(vantage)
  const made = makeSessions(vantage, peerings)
  const attached = deriveCni(own, settings.spec)
  // Pods on the segment have other addresses: nobody is behind the pod CIDRs.
  const announcer = sitsOnSegment(settings.spec.cni) ? { ...own, podCidrs: [] } : own
  const announced = deriveAnnounced(announcer, settings.spec, resources)
  const peers = made.sessions.map(({ config }) => config.address)
  const routed = derivePeerRoutes(peerings, settings.spec.fib.install)
  const guarded = deriveGuard(survey.nodes, settings.spec, peers)
  const problems = [
    ...surroundings,
    ...peeringProblems,
    ...made.problems,
    ...announced.problems,
    ...routed.problems,
    ...guarded.problems,
    ...attached.problems,
    ...findIdlePeerFields(peerings, own.clusterId !== null),
    ...findUnusedFilters(resources),
    ...findAsLoops(vantage, made),
    ...judgeNode(own),
  ]
  const intent: Intent = {
    ...idleIntent(settings, problems),
    node: describeNode(vantage, made),
    nodeCount: survey.nodes.length,
    listen: deriveListen(own, settings, made.sessions),
    peers: made.sessions.map((session) => session.config),
    announcements: announced.announcements,
    unsteady: announced.unsteady,
    blackholes: announced.blackholes,
    casual: made.sessions
      .filter(({ peering }) => peering.workload)
      .map(({ config }) => config.name),
    hostRoutes: routed.routes,
    refuse: announced.refuse,
    guard: guarded.guard,
    cni: attached.cni,
  }
  return { intent, sessions: made.sessions }
}

/** What holds without a node: nothing to do, and the settings that would apply. */
function idleIntent(settings: Settings, problems: readonly Problem[]): Intent {
  const { spec, fib, localPreference, logLevel } = settings
  return {
    node: null,
    listen: [],
    peers: [],
    announcements: [],
    unsteady: [],
    holdDownSeconds: spec.serviceHoldDown,
    blackholes: [],
    casual: [],
    hostRoutes: [],
    refuse: [],
    guard: { prefixes: [], action: 'drop' },
    cni: null,
    fib,
    sysctls: settings.sysctls,
    nodeCount: 0,
    defaultRoute: spec.fib.defaultRoute,
    localPreference,
    asPathRelax: spec.asPathMultipathRelax,
    onStop: spec.onStop,
    readiness: { policy: spec.readiness.policy, timeoutSeconds: spec.readiness.timeout },
    logLevel,
    problems: sortProblems(problems),
  }
}

function describeNode({ own, ownAsn }: Vantage, { clusterId }: Sessions): NodeIntent {
  const addresses = [own.ipv4, own.ipv6].flatMap((known) => {
    if (known === null) return []
    return known.length === null ? known.address : `${known.address}/${known.length}`
  })
  return {
    name: own.name,
    asn: ownAsn,
    routerId: routerIdOf(own),
    clusterId,
    addresses,
    podCidrs: own.podCidrs,
  }
}

/** Listens in the families the node has an address or a peer in; IPv6 may be off on a host. */
function deriveListen(
  own: NodeFacts,
  { spec }: Settings,
  sessions: readonly Session[],
): ListenAddress[] {
  const port = spec.listenPort
  const families = ([4, 6] as const).filter(
    (family) =>
      addressOf(own, family) !== null ||
      (spec.bindMode === 'None' && sessions.some(({ peering }) => peering.family === family)),
  )
  return families.map((family) => {
    const address = spec.bindMode === 'NodeIP' ? addressOf(own, family) : null
    return { address, family, port }
  })
}

/**
 * RFC 4271 §9.1.2: a node drops every path that has its own AS in it. Where all nodes share an AS
 * and learn of each other only through eBGP, that is every remote pod CIDR.
 */
function findAsLoops({ own, ownAsn, survey, settings }: Vantage, made: Sessions): Problem[] {
  const asnOf = (node: NodeFacts) => node.asn ?? settings.spec.asNumber
  const twin = survey.nodes.find((node) => node !== own && asnOf(node) === ownAsn)
  const isInternal = ({ config }: Session) => config.asn === config.localAsn
  if (twin === undefined || made.sessions.some(isInternal)) return []
  const trapped = made.sessions.filter(
    ({ config, peering }) =>
      peering.remote === null &&
      config.localAsn === ownAsn &&
      config.allowedLocalAsns === 0 &&
      !config.asOverride,
  )
  const sources = new Set(trapped.map(({ peering }) => peering.source?.name ?? 'mesh'))
  return [...sources].map((source) => {
    const message =
      `node ${twin.name} has the same AS ${ownAsn}; its routes come back through this eBGP peer ` +
      'with that AS in their path and are dropped as loops'
    const remedy = 'set numAllowedLocalASNumbers: 1, or override the AS on the peer'
    return warn('AsLoop', `BGPPeer/${source}`, message, remedy)
  })
}

function judgeNode(own: NodeFacts): Problem[] {
  const subject = `Node/${own.name}`
  const problems: Problem[] = []
  if (own.ipv4 === null && own.ipv6 === null) {
    const remedy = 'set status.addresses (InternalIP) or the annotation routelet.io/IPv4Address'
    problems.push(fail('NoNodeAddress', subject, 'the node has no address', remedy))
  }
  if (own.podCidrs.length === 0) {
    const message = 'the node has no pod CIDR; it announces nothing'
    problems.push(inform('NoPodCidr', subject, message, 'set spec.podCIDRs on the Node'))
  }
  return problems
}

function absentNode(name: string, known: Iterable<string>): Problem {
  const near = findNearest(name, known)
  const remedy = near === null ? `add a Node called ${name}` : `did you mean ${near}?`
  return fail(
    'NodeAbsent',
    `Node/${name}`,
    'there is no such Node; nothing can be done yet',
    remedy,
  )
}

function sortProblems(problems: readonly Problem[]): Problem[] {
  return [...problems].sort(
    (a, b) =>
      compareText(a.subject, b.subject) ||
      compareText(a.reason, b.reason) ||
      compareText(a.message, b.message),
  )
}
