/**
 * The rules that span fields, in CEL, for the API server to refuse what our own reader would
 * (`rules.ts` says the same with remedies): a faulty object is turned away where it is written.
 * What costs the server too much to check, as names looked up in lists, the agents report.
 */
import { plain } from './kinds.ts'
import { excludedFields, peerForms } from './rules.ts'
import { perNodeFields } from './schema/bgp-configuration.ts'
import { FilterOperation } from './schema/bgp-filter.ts'

/** As `x-kubernetes-validations` takes it. */
export interface CelRule {
  readonly rule: string
  readonly message: string
}

const has = (field: string) => `has(self.${field})`
const rule = (text: string, message: string): CelRule => ({ rule: text, message })

/** On `spec` of a BGPPeer. */
export const peerRules: readonly CelRule[] = [
  ...excludedFields.map(([field, other]) =>
    rule(`!(${has(field)} && ${has(other)})`, `${field} excludes ${other}`),
  ),
  rule(
    '!(has(self.nextHopMode) && has(self.keepOriginalNextHop) && self.keepOriginalNextHop)',
    'nextHopMode excludes keepOriginalNextHop',
  ),
  rule(
    Object.keys(peerForms).map(has).join(' || '),
    'nothing says who the peer is: set peerIP, peerSelector or peerRange',
  ),
  ...Object.entries(peerForms).map(([form, needsAsn]) =>
    needsAsn
      ? rule(`!${has(form)} || ${has('asNumber')}`, `${form} needs the AS number of the peer`)
      : rule(
          `!${has(form)} || !${has('asNumber')} || self.asNumber == 0`,
          `${form} excludes asNumber: the AS is that of each node`,
        ),
  ),
  rule('!(has(self.peerRange) && has(self.passive) && !self.passive)', 'a range is always passive'),
  rule('!has(self.reachableBy) || has(self.peerIP)', 'reachableBy needs peerIP'),
  rule(
    '!has(self.keepaliveTime) || !has(self.holdTime) || ' +
      "duration(self.holdTime) == duration('0s') || " +
      'duration(self.keepaliveTime) < duration(self.holdTime)',
    'keepaliveTime must be shorter than holdTime',
  ),
  rule(
    "!has(self.holdTime) || duration(self.holdTime) == duration('0s') || " +
      "duration(self.holdTime) >= duration('3s')",
    'the hold time is 0s or at least 3s (RFC 4271 §4.2)',
  ),
]

/** On a whole BGPConfiguration: its name decides what it may say. */
export const configurationRules = (fields: readonly string[]): readonly CelRule[] => {
  const shared = fields.filter((field) => !perNodeFields.some((own) => own === field))
  const said = shared.map((field) => `has(self.spec.${field})`).join(' || ')
  return [
    rule(
      "self.metadata.name == 'default' || self.metadata.name.startsWith('node.')",
      'name it default, or node.NAME for one node',
    ),
    rule(
      `!self.metadata.name.startsWith('node.') || !has(self.spec) || !(${said})`,
      `one node may set only ${perNodeFields.join(', ')}`,
    ),
  ]
}

const meshless = '!has(self.nodeToNodeMeshEnabled) || self.nodeToNodeMeshEnabled'

/** On `spec` of a BGPConfiguration. */
export const configurationSpecRules: readonly CelRule[] = [
  rule(
    '!has(self.communities) || self.communities.size() == 0 || ' +
      '(has(self.prefixAdvertisements) && self.prefixAdvertisements.size() > 0)',
    'communities are used by prefixAdvertisements only',
  ),
  ...['nodeMeshPassword', 'nodeMeshMaxRestartTime'].map((field) =>
    rule(`${meshless} || !${has(field)}`, `${field} needs the mesh, which is disabled`),
  ),
]

/** On each rule of a BGPFilter. */
export const filterRules: readonly CelRule[] = [
  rule('has(self.cidr) == has(self.matchOperator)', 'cidr and matchOperator go together'),
  rule('!has(self.prefixLength) || has(self.cidr)', 'prefixLength needs cidr'),
  rule("!has(self.operations) || self.action == 'Accept'", 'only an Accept rule changes a route'),
]

const operations = Object.keys(plain(FilterOperation).properties ?? {})

/** On each operation. */
export const operationRules: readonly CelRule[] = [
  rule(
    `${operations.map((one) => `(has(self.${one}) ? 1 : 0)`).join(' + ')} == 1`,
    'an operation says exactly one thing',
  ),
]

/**
 * On a range of lengths. Those of `prefixes` have none: a rule for each of 10,000 entries is more
 * than the API server allows.
 */
export const lengthRules: readonly CelRule[] = [
  rule('!has(self.min) || !has(self.max) || self.min <= self.max', 'min is greater than max'),
]
