/**
 * BGPConfiguration: named `default` for the cluster, or `node.NAME` for what one node has its own
 * way. Defaults are filled in after the two were merged, so that a `node.NAME` overrides only what
 * it says.
 */
import Type, { type Static } from 'typebox'
import { SecretReference } from './bgp-peer.ts'
import { asn, leaf, prefix, seconds } from './leaf.ts'

const routePriority = (family: string) =>
  Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 2_147_483_646,
      description: `Calico's ${family} route priority; makes \`localPreference\` default to Calico.`,
    }),
  )

const serviceRanges = (what: string) =>
  Type.Array(Type.Object({ cidr: prefix() }), {
    default: [],
    maxItems: 500,
    description: `Ranges of ${what}: announced, and never accepted from a peer.`,
  })

export const calicoConfigurationFields = {
  logSeverityScreen: Type.Optional(leaf<string>('log-level', { description: 'Log level.' })),
  nodeToNodeMeshEnabled: Type.Boolean({
    default: true,
    description: 'Every node peers with every other one.',
  }),
  asNumber: asn({ default: 64_512, description: 'AS of the nodes that have none of their own.' }),
  serviceLoadBalancerIPs: serviceRanges('load balancer addresses'),
  serviceExternalIPs: serviceRanges('external addresses of services'),
  serviceClusterIPs: serviceRanges('cluster addresses of services'),
  serviceLoadBalancerAggregation: Type.Enum(['Enabled', 'Disabled'], {
    default: 'Enabled',
    description:
      'Announce the ranges of `serviceLoadBalancerIPs`, or each address that has endpoints.',
  }),
  communities: Type.Array(
    Type.Object({
      name: Type.String({ minLength: 1, maxLength: 253 }),
      value: leaf<string>('community', { maxLength: 40 }),
    }),
    { default: [], maxItems: 500, description: 'Names for communities.' },
  ),
  prefixAdvertisements: Type.Array(
    Type.Object({
      cidr: prefix(),
      communities: Type.Array(leaf<string>('community-or-name'), { default: [], maxItems: 50 }),
    }),
    {
      default: [],
      maxItems: 500,
      description: 'Communities for own announcements inside a prefix.',
    },
  ),
  listenPort: Type.Integer({
    default: 179,
    minimum: 1,
    maximum: 65_535,
    description: 'TCP port to listen on, and to reach other nodes at.',
  }),
  nodeMeshPassword: Type.Optional(SecretReference),
  nodeMeshMaxRestartTime: Type.Optional(
    seconds('restart-time', { description: 'Restart time in the mesh. Default: 120s.' }),
  ),
  bindMode: Type.Enum(['None', 'NodeIP'], {
    default: 'None',
    description: "Listen on every address, or on the node's only.",
  }),
  ignoredInterfaces: Type.Array(Type.String({ minLength: 1, maxLength: 15 }), {
    default: [],
    maxItems: 100,
    description: 'No effect: routes of interfaces are never learned.',
  }),
  localWorkloadPeeringIPV4: Type.Optional(
    leaf<string>('address', {
      description:
        'Address of every node that its workloads peer with, IPv4. Default: its own address.',
    }),
  ),
  localWorkloadPeeringIPV6: Type.Optional(
    leaf<string>('address', {
      description:
        'Address of every node that its workloads peer with, IPv6. Default: its own address.',
    }),
  ),
  programClusterRoutes: Type.Optional(
    Type.Enum(['Enabled', 'Disabled', 'EnabledIPIPOnly', 'EnabledNoEncapOnly'], {
      description: 'No effect: see `fib.install`.',
    }),
  ),
  ipv4NormalRoutePriority: routePriority('IPv4'),
  ipv6NormalRoutePriority: routePriority('IPv6'),
}

export const FibSpec = Type.Object(
  {
    table: Type.Integer({
      default: 254,
      minimum: 1,
      maximum: 4_294_967_295,
      description: 'Kernel routing table; 254 is main.',
    }),
    protocol: Type.Integer({
      default: 179,
      minimum: 5,
      maximum: 255,
      description: 'Routing protocol number that marks a route as ours.',
    }),
    metric: Type.Integer({
      default: 2179,
      minimum: 1,
      maximum: 4_294_967_295,
      description: 'Metric of our routes, both families.',
    }),
    maxPaths: Type.Integer({
      default: 16,
      minimum: 1,
      maximum: 256,
      description: 'Next hops a route has at most (ECMP).',
    }),
    install: Type.Enum(['All', 'None'], {
      default: 'All',
      description: 'Whether learned routes go to the kernel.',
    }),
    defaultRoute: Type.Enum(['Ignore', 'Install'], {
      default: 'Ignore',
      description: 'What happens to a learned default route.',
    }),
    nexthops: Type.Enum(['Auto', 'Off'], {
      default: 'Auto',
      description:
        'Routes name nexthop objects and groups (Linux 5.3), or carry their next hops (`Off`).',
    }),
    prefSrc: Type.Optional(
      Type.Object(
        {
          ipv4: Type.Optional(leaf<string>('address', {})),
          ipv6: Type.Optional(leaf<string>('address', {})),
        },
        {
          description:
            'Source address that routes recommend to local programs, while it is on the host.',
        },
      ),
    ),
    sysctls: Type.Enum(['Check', 'Set'], {
      default: 'Check',
      description: "Whether the host's network settings are only judged, or set where they differ.",
    }),
    scanInterval: seconds('duration', {
      default: '60s',
      description: 'Safety scan of the kernel; 0s leaves repair to events alone.',
    }),
  },
  { default: {}, description: 'The kernel routing table.' },
)

export const ReadinessSpec = Type.Object(
  {
    policy: Type.Enum(['Any', 'Quorum', 'AllToR'], {
      default: 'Quorum',
      description: 'Peers that must be up at the first start: one, most, or all that are no nodes.',
    }),
    timeout: seconds('duration', {
      default: '5m',
      description: 'After this long the first start counts as done.',
    }),
  },
  { default: {}, description: 'When the node is ready.' },
)

const ownFields = {
  fib: FibSpec,
  readiness: ReadinessSpec,
  onStop: Type.Enum(['Auto', 'KeepRoutes', 'Withdraw'], {
    default: 'Auto',
    description: 'What a stopping agent does with its routes.',
  }),
  ebgpRequiresPolicy: Type.Boolean({
    default: false,
    description: 'An eBGP peer without filters is not brought up (RFC 8212).',
  }),
  asPathMultipathRelax: Type.Boolean({
    default: true,
    description:
      'ECMP over paths of equal length through different AS (`bestpath as-path multipath-relax`).',
  }),
  localPreference: Type.Optional(
    leaf<number | 'Calico'>('local-preference', {
      description: 'LOCAL_PREF of own and eBGP-learned routes. Default: 100.',
    }),
  ),
  cni: Type.Optional(
    Type.Object(
      {
        type: Type.Enum(['None', 'Ptp', 'Bridge', 'Macvlan', 'Ipvlan', 'HostDevice', 'Sriov'], {
          default: 'Ptp',
          description: 'The plugin that attaches pods; `None` removes what was written.',
        }),
        ranges: Type.Array(
          Type.Object({
            cidr: prefix(),
            subnet: Type.Optional(prefix()),
            gateway: Type.Optional(leaf<string>('address', {})),
          }),
          {
            default: [],
            maxItems: 16,
            description:
              "Addresses of pods on the L2 segment: the node's part, the subnet around it, and the gateway there.",
          },
        ),
        interface: Type.Optional(
          Type.String({
            pattern: '^[^/\\s]{1,15}$',
            description: "The link that pods share. Default: that of the node's address.",
          }),
        ),
        mtu: Type.Optional(
          Type.Integer({
            minimum: 576,
            maximum: 65_535,
            description: 'Default: that of the link.',
          }),
        ),
        hostPorts: Type.Boolean({
          default: true,
          description: 'Chain the plugin portmap, which `hostPort` of a container needs.',
        }),
      },
      { description: 'How pods are attached: the CNI configuration that the agent writes.' },
    ),
  ),
  announceNodeAddresses: Type.Boolean({
    default: false,
    description: "Announce the node's own addresses as host routes.",
  }),
  serviceHoldDown: seconds('duration', {
    default: '10s',
    description: 'A service address that went is announced again after this long at the earliest.',
  }),
  serviceLoopPrevention: Type.Enum(['Drop', 'Reject', 'Disabled'], {
    default: 'Drop',
    description:
      'What becomes of packets that would be forwarded to a service address that nobody serves.',
  }),
}

export const BgpConfigurationSpec = Type.Object({ ...calicoConfigurationFields, ...ownFields })
export const BgpConfiguration = Type.Object({ spec: BgpConfigurationSpec })

export type BgpConfigurationSpec = Static<typeof BgpConfigurationSpec>
export type BgpConfigurationBody = Static<typeof BgpConfiguration>
/** As written: nothing filled in. */
export type WrittenConfigurationSpec = Written<BgpConfigurationSpec>

/** A value before its defaults: any field may be absent, at any depth outside of lists. */
export type Written<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: Written<T[K]> }
    : T

/** Fields a `node.NAME` object may set: Calico's three, then ours. */
export const perNodeFields: readonly (keyof BgpConfigurationSpec)[] = [
  'prefixAdvertisements',
  'communities',
  'listenPort',
  'logSeverityScreen',
  'bindMode',
  'fib',
  'asPathMultipathRelax',
  'onStop',
  'readiness',
  'cni',
]
