/**
 * Rules that span several fields of one object: what Calico's validator refuses, and what could
 * never work. They see objects whose fields are each right by themselves.
 */
import { coversPrefix, knownPrefix, parseEndpoint, parsePrefix, versionOf } from './address.ts'
import { type BgpConfigurationBody, perNodeFields } from './schema/bgp-configuration.ts'
import type { BgpFilterBody, FilterRule } from './schema/bgp-filter.ts'
import type { BgpPeerBody } from './schema/bgp-peer.ts'
import { findWellKnownCommunity } from './schema/leaf.ts'
import type { Path } from './validate.ts'

export interface RuleFault {
  readonly path: Path
  readonly message: string
  readonly remedy: string
}

/** RFC 9003 §2. */
const shutdownOctetsMax = 255

/** Ways to say who the peer is, and whether the AS must (`true`) or must not be said with it. */
export const peerForms = {
  peerIP: true,
  peerRange: true,
  peerSelector: false,
  localWorkloadSelector: true,
  interface: true,
} as const

/** Fields of a BGPPeer that say two things about the same; the first is the one complained of. */
export const excludedFields = [
  ['nodeSelector', 'node'],
  ['peerSelector', 'peerIP'],
  ['peerRange', 'peerIP'],
  ['peerRange', 'peerSelector'],
  ['localWorkloadSelector', 'peerIP'],
  ['localWorkloadSelector', 'peerSelector'],
  ['localWorkloadSelector', 'peerRange'],
  ['interface', 'peerRange'],
  ['interface', 'peerSelector'],
  ['ttlSecurity', 'ebgpMultihop'],
] as const satisfies readonly (readonly [keyof BgpPeerBody['spec'], keyof BgpPeerBody['spec']])[]

export function checkBgpPeer(_name: string, body: BgpPeerBody): readonly RuleFault[] {
  const { spec } = body
  const faults: RuleFault[] = []
  const fault = (field: string, message: string, remedy: string) =>
    faults.push({ path: ['spec', field], message, remedy })
  const exclude = (field: keyof typeof spec, other: keyof typeof spec) => {
    if (spec[field] === undefined || spec[other] === undefined) return
    fault(field, `it excludes ${other}`, 'keep one of the two')
  }
  for (const [field, other] of excludedFields) exclude(field, other)
  if (spec.keepOriginalNextHop) exclude('nextHopMode', 'keepOriginalNextHop')
  const forms = Object.entries(peerForms).filter(
    ([form]) => spec[form as keyof typeof peerForms] !== undefined,
  )
  if (forms.length === 0) {
    fault('peerIP', 'nothing says who the peer is', 'set peerIP, peerSelector or peerRange')
  }
  for (const [form, needsAsn] of forms) {
    if (needsAsn && spec.asNumber === undefined) {
      fault('asNumber', `${form} needs the AS number of the peer`, 'set asNumber')
    } else if (!needsAsn && spec.asNumber !== undefined) {
      fault('asNumber', `it excludes ${form}`, 'remove it; the AS is that of each node')
    }
  }
  if (spec.peerRange !== undefined && spec.passive === false) {
    fault('passive', 'a range is always passive', 'remove it')
  }
  const octets = Buffer.byteLength(spec.shutdownMessage ?? '')
  if (octets > shutdownOctetsMax) {
    const message = `it is ${octets} octets of UTF-8 long; a message holds ${shutdownOctetsMax}`
    fault('shutdownMessage', message, 'say it in fewer words')
  }
  checkTimers(spec, fault)
  checkReachableBy(spec, fault)
  return faults
}

type PeerSpec = BgpPeerBody['spec']
type AddFault = (field: string, message: string, remedy: string) => void

function checkTimers(spec: PeerSpec, fault: AddFault): void {
  const { holdTime, keepaliveTime } = spec
  if (keepaliveTime === undefined || holdTime === 0 || keepaliveTime < holdTime) return
  fault(
    'keepaliveTime',
    `${keepaliveTime}s is not shorter than the hold time of ${holdTime}s`,
    `use ${Math.max(1, Math.floor(holdTime / 3))}s`,
  )
}

function checkReachableBy(spec: PeerSpec, fault: AddFault): void {
  if (spec.reachableBy === undefined) return
  const peer = spec.peerIP === undefined ? null : parseEndpoint(spec.peerIP)
  if (peer === null) fault('reachableBy', 'it needs peerIP', 'set peerIP, or remove it')
  else if (peer.ok && peer.value.address.family !== versionOf(spec.reachableBy)) {
    fault('reachableBy', 'its address family is not that of peerIP', 'use one family')
  }
}

export function checkBgpConfiguration(
  name: string,
  body: BgpConfigurationBody,
  written: Readonly<Record<string, unknown>> = {},
): readonly RuleFault[] {
  const { spec } = body
  const faults: RuleFault[] = []
  const fault = (path: Path, message: string, remedy: string) =>
    faults.push({ path: ['spec', ...path], message, remedy })
  const perNode = name.startsWith('node.')
  if (name !== 'default' && !perNode) {
    faults.push({
      path: ['metadata', 'name'],
      message: `"${name}" configures nothing`,
      remedy: 'name it default, or node.NAME for one node',
    })
  }
  if (perNode) {
    const refused = Object.keys(written).filter((field) => !perNodeFields.some((f) => f === field))
    for (const field of refused) {
      fault([field], 'it has no effect on one node', 'move it to the BGPConfiguration default')
    }
  }
  if (spec.communities.length > 0 && spec.prefixAdvertisements.length === 0) {
    fault(['communities'], 'no prefixAdvertisements use them', 'add some, or remove it')
  }
  const names = new Set(spec.communities.map((community) => community.name))
  for (const [index, { communities }] of spec.prefixAdvertisements.entries()) {
    for (const [position, community] of communities.entries()) {
      if (community.includes(':') || names.has(community)) continue
      if (findWellKnownCommunity(community) !== null) continue
      const path = ['prefixAdvertisements', index, 'communities', position]
      fault(path, `no community is called "${community}"`, 'add it to spec.communities')
    }
  }
  for (const [field, version] of [['ipv4', 4] as const, ['ipv6', 6] as const]) {
    const source = spec.fib.prefSrc?.[field]
    if (source === undefined || versionOf(source) === version) continue
    fault(['fib', 'prefSrc', field], `${source} is no IPv${version} address`, 'correct it')
  }
  faults.push(...checkCniRanges(spec.cni?.ranges ?? []))
  if (!spec.nodeToNodeMeshEnabled) {
    for (const field of ['nodeMeshPassword', 'nodeMeshMaxRestartTime'] as const) {
      if (spec[field] === undefined) continue
      fault([field], 'the mesh is disabled', 'remove it, or enable the mesh')
    }
  }
  for (const [field, family] of [
    ['localWorkloadPeeringIPV4', 4],
    ['localWorkloadPeeringIPV6', 6],
  ] as const) {
    const address = spec[field]
    if (address === undefined || versionOf(address) === family) continue
    fault([field], `${address} is not IPv${family}`, 'use the other field')
  }
  return faults
}

function checkCniRanges(
  ranges: NonNullable<BgpConfigurationBody['spec']['cni']>['ranges'],
): RuleFault[] {
  return ranges.flatMap(({ cidr, subnet = cidr, gateway }, index): RuleFault[] => {
    const path = ['spec', 'cni', 'ranges', index]
    const whole = knownPrefix(subnet)
    if (!coversPrefix(whole, knownPrefix(cidr))) {
      const message = `${cidr} does not lie in ${subnet}`
      return [{ path: [...path, 'subnet'], message, remedy: 'name the subnet around it' }]
    }
    const at =
      gateway === undefined ? null : parsePrefix(`${gateway}/${gateway.includes(':') ? 128 : 32}`)
    if (at === null || (at.ok && coversPrefix(whole, at.value))) return []
    const message = `${gateway} does not lie in ${subnet}`
    return [{ path: [...path, 'gateway'], message, remedy: 'name an address of the subnet' }]
  })
}

export function checkBgpFilter(_name: string, body: BgpFilterBody): readonly RuleFault[] {
  const lists = [
    ['exportV4', 4, 'export'],
    ['importV4', 4, 'import'],
    ['exportV6', 6, 'export'],
    ['importV6', 6, 'import'],
  ] as const
  return lists.flatMap(([list, family, direction]) =>
    body.spec[list].flatMap((rule, index) =>
      [
        ...checkFilterRule(rule, family),
        ...checkPrefixes(rule, family),
        ...checkOperations(rule, family, direction),
      ].map((fault) => ({
        ...fault,
        path: ['spec', list, index, ...fault.path],
      })),
    ),
  )
}

function checkFilterRule(rule: FilterRule, family: 4 | 6): RuleFault[] {
  const faults: RuleFault[] = []
  const fault = (path: Path, message: string, remedy: string) =>
    faults.push({ path, message, remedy })
  if ((rule.cidr === undefined) !== (rule.matchOperator === undefined)) {
    const missing = rule.cidr === undefined ? 'cidr' : 'matchOperator'
    fault([missing], 'cidr and matchOperator go together', 'set both, or neither')
  }
  if (rule.cidr !== undefined && versionOf(rule.cidr) !== family) {
    fault(['cidr'], `${rule.cidr} is not IPv${family}`, 'move the rule to the other list')
  }
  const { min, max } = rule.prefixLength ?? {}
  if (rule.prefixLength !== undefined && rule.cidr === undefined) {
    fault(['prefixLength'], 'it needs cidr', 'set cidr and matchOperator')
  }
  if (min !== undefined && max !== undefined && min > max) {
    fault(['prefixLength'], `min ${min} is greater than max ${max}`, 'swap them')
  }
  if (rule.cidr !== undefined && max !== undefined && max < knownPrefix(rule.cidr).length) {
    fault(['prefixLength', 'max'], `nothing in ${rule.cidr} is that short`, 'raise it')
  }
  return faults
}

function checkPrefixes({ prefixes = [] }: FilterRule, family: 4 | 6): RuleFault[] {
  return prefixes.flatMap(({ cidr, min, max }, index): RuleFault[] => {
    const path = ['prefixes', index]
    if (versionOf(cidr) !== family) {
      const message = `${cidr} is not IPv${family}`
      return [{ path: [...path, 'cidr'], message, remedy: 'move the rule to the other list' }]
    }
    const { length } = knownPrefix(cidr)
    const low = min ?? length
    if (low >= length && low <= (max ?? low)) return []
    const message =
      low < length
        ? `min ${low} is shorter than ${cidr} itself`
        : `no prefix in ${cidr} has a length from ${low} to ${max}`
    return [{ path, message, remedy: `${length} <= min <= max is needed` }]
  })
}

function checkOperations(
  { action, operations = [] }: FilterRule,
  family: 4 | 6,
  direction: 'import' | 'export',
): RuleFault[] {
  const faults: RuleFault[] = []
  const fault = (path: Path, message: string, remedy: string) =>
    faults.push({ path: ['operations', ...path], message, remedy })
  if (operations.length > 0 && action !== 'Accept') {
    fault([], 'only an Accept rule changes a route', 'remove them')
  }
  for (const [index, operation] of operations.entries()) {
    if (Object.keys(operation).length !== 1) {
      const remedy = 'write one for each thing to change, as in - addCommunity: {value: "65001:1"}'
      fault([index], 'an operation says exactly one thing', remedy)
    }
    const nextHop = operation.setNextHop?.value
    if (nextHop === undefined) continue
    const path = [index, 'setNextHop', 'value']
    if (nextHop === 'self') {
      if (direction === 'export') continue
      const remedy = 'give the address of another router, or move the rule to the export list'
      fault(path, 'a received route whose next hop is this node leads nowhere', remedy)
    } else if (versionOf(nextHop) !== family) {
      fault(path, `${nextHop} is not IPv${family}`, 'give an address of the family')
    }
  }
  return faults
}
