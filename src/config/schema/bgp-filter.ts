/** BGPFilter: four ordered lists of rules. Read and checked here; carried out by the policy engine. */
import Type, { type Static } from 'typebox'
import { asn, leaf, prefix } from './leaf.ts'

const priority = (description: string) =>
  Type.Integer({ minimum: 1, maximum: 2_147_483_646, description })

const number = (description: string) =>
  Type.Object({ value: Type.Integer({ minimum: 0, maximum: 4_294_967_295 }) }, { description })

/** Calico's three, then ours. */
export const FilterOperation = Type.Object({
  addCommunity: Type.Optional(
    Type.Object({ value: leaf<string>('community') }, { description: 'Standard or large.' }),
  ),
  prependASPath: Type.Optional(
    Type.Object(
      { prefix: Type.Array(asn(), { minItems: 1, maxItems: 10 }) },
      { description: 'The first of them comes to stand first in the AS_PATH.' },
    ),
  ),
  setPriority: Type.Optional(
    Type.Object(
      { value: priority('Route priority.') },
      { description: 'LOCAL_PREF becomes 2147483647 minus this.' },
    ),
  ),
  removeCommunity: Type.Optional(
    Type.Object(
      { value: leaf<string>('community-pattern') },
      { description: 'Every community that fits.' },
    ),
  ),
  replaceCommunities: Type.Optional(
    Type.Object(
      { values: Type.Array(leaf<string>('community'), { maxItems: 100 }) },
      { description: 'All standard and large communities; an empty list removes them.' },
    ),
  ),
  setLocalPref: Type.Optional(number('LOCAL_PREF.')),
  setMED: Type.Optional(number('MULTI_EXIT_DISC; sent to eBGP peers too.')),
  setNextHop: Type.Optional(
    Type.Object(
      { value: leaf<string>('next-hop') },
      { description: 'An address of the family; `self`, on export, is this node.' },
    ),
  ),
})

const patterns = (description: string) =>
  Type.Array(leaf<string>('community-pattern'), { minItems: 1, maxItems: 100, description })

const filterRule = (lengthMax: number) => {
  const length = () => Type.Optional(Type.Integer({ minimum: 0, maximum: lengthMax }))
  return Type.Object({
    action: Type.Enum(['Accept', 'Reject'], { description: 'Verdict when everything matches.' }),
    cidr: Type.Optional(prefix({ description: 'Prefix the route is compared with.' })),
    matchOperator: Type.Optional(
      Type.Enum(['Equal', 'NotEqual', 'In', 'NotIn'], { description: 'How it is compared.' }),
    ),
    prefixLength: Type.Optional(
      Type.Object({ min: length(), max: length() }, { description: 'Length of the route.' }),
    ),
    source: Type.Optional(
      Type.Enum(['RemotePeers'], { description: 'Only routes learned by BGP.' }),
    ),
    interface: Type.Optional(
      Type.String({ minLength: 1, maxLength: 15, description: 'Outgoing interface; `*` is any.' }),
    ),
    peerType: Type.Optional(Type.Enum(['eBGP', 'iBGP'], { description: 'Kind of the peer.' })),
    communities: Type.Optional(
      Type.Object(
        { values: Type.Array(leaf<string>('community'), { minItems: 1, maxItems: 1 }) },
        { description: 'The route carries it.' },
      ),
    ),
    asPathPrefix: Type.Optional(
      Type.Array(asn(), { minItems: 1, maxItems: 255, description: 'AS_PATH begins with these.' }),
    ),
    priority: Type.Optional(priority('Route priority, through LOCAL_PREF.')),
    prefixes: Type.Optional(
      Type.Array(
        Type.Object({
          cidr: prefix(),
          min: length(),
          max: length(),
        }),
        {
          minItems: 1,
          maxItems: 10_000,
          description:
            'Prefix list: one of these covers the route. `cidr` alone is that prefix only; with ' +
            '`min` or `max` it stands for all inside it from and to that length.',
        },
      ),
    ),
    anyCommunity: Type.Optional(patterns('The route carries one of these.')),
    allCommunities: Type.Optional(patterns('The route carries every one of these.')),
    operations: Type.Optional(
      Type.Array(FilterOperation, { minItems: 1, maxItems: 10, description: 'Changes, in order.' }),
    ),
  })
}

const rules = (lengthMax: number, description: string) =>
  Type.Array(filterRule(lengthMax), { default: [], maxItems: 1000, description })

export const BgpFilterSpec = Type.Object({
  exportV4: rules(32, 'What is sent, IPv4.'),
  importV4: rules(32, 'What is accepted, IPv4.'),
  exportV6: rules(128, 'What is sent, IPv6.'),
  importV6: rules(128, 'What is accepted, IPv6.'),
})
export const BgpFilter = Type.Object({ spec: BgpFilterSpec })

export type BgpFilterSpec = Static<typeof BgpFilterSpec>
export type FilterRule = BgpFilterSpec['exportV4'][number]
export type BgpFilterBody = Static<typeof BgpFilter>
