/**
 * BGPPeer: Calico's fields with Calico's meaning, then ours. A field with a `default` always has a
 * value once defaults are filled in; one that is optional here depends on its surroundings.
 */
import Type, { type Static } from 'typebox'
import { asn, leaf, prefix, seconds, selector } from './leaf.ts'

const families = ['ipv4-unicast', 'ipv6-unicast'] as const

export const SecretReference = Type.Object(
  {
    secretKeyRef: Type.Object(
      {
        name: Type.String({ minLength: 1, maxLength: 253, description: 'Name of the Secret.' }),
        key: Type.String({ minLength: 1, maxLength: 253, description: 'Key in the Secret.' }),
      },
      { description: 'The Secret that holds the key.' },
    ),
  },
  { description: 'TCP-MD5 key (RFC 2385). A missing Secret keeps the session down.' },
)

export const calicoPeerFields = {
  node: Type.Optional(
    Type.String({ maxLength: 253, description: 'The one node that has this peer.' }),
  ),
  nodeSelector: Type.Optional(
    selector({ description: 'The nodes that have this peer. Without it and `node`: all.' }),
  ),
  peerIP: Type.Optional(
    leaf<string>('endpoint', { maxLength: 64, description: 'Address of the peer, and its port.' }),
  ),
  asNumber: Type.Optional(asn({ description: 'AS of the peer. Not with `peerSelector`.' })),
  localASNumber: Type.Optional(
    asn({ description: "AS presented to this peer (RFC 7705). Default: the node's." }),
  ),
  peerSelector: Type.Optional(
    selector({ description: 'Peer with these nodes, one session a family both ends have.' }),
  ),
  keepOriginalNextHop: Type.Boolean({
    default: false,
    description: 'Deprecated form of `nextHopMode: Keep`, for eBGP only.',
  }),
  nextHopMode: Type.Optional(
    Type.Enum(['Auto', 'Self', 'Keep'], {
      description: 'NEXT_HOP sent: by the RFC (`Auto`), always this node, or as it came.',
    }),
  ),
  password: Type.Optional(SecretReference),
  sourceAddress: Type.Enum(['UseNodeIP', 'None'], {
    default: 'UseNodeIP',
    description: "TCP source address: the node's, or left to the kernel.",
  }),
  maxRestartTime: seconds('restart-time', {
    default: '120s',
    description: 'Restart time advertised (RFC 4724).',
  }),
  keepaliveTime: Type.Optional(
    seconds('retry-time', {
      description: 'Keepalive interval. Default: a third of the hold time.',
    }),
  ),
  numAllowedLocalASNumbers: Type.Integer({
    default: 0,
    minimum: 0,
    maximum: 255,
    description: 'How often the own AS may occur in a received AS_PATH.',
  }),
  ttlSecurity: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 254,
      description: 'GTSM (RFC 5082): hops to the peer at most; 1 for a peer on the same link.',
    }),
  ),
  reachableBy: Type.Optional(
    leaf<string>('address', {
      description: 'Gateway on link through which `peerIP` is reached: a host route of ours.',
    }),
  ),
  filters: Type.Array(Type.String({ minLength: 1, maxLength: 253 }), {
    default: [],
    maxItems: 100,
    description: 'BGPFilters, in this order; the first rule that matches decides.',
  }),
  localWorkloadSelector: Type.Optional(
    selector({ description: 'Peer with the matching pods of the node, by their labels.' }),
  ),
  reversePeering: Type.Enum(['Auto', 'Manual'], {
    default: 'Auto',
    description: 'Whether nodes named as peers get the mirror session by themselves.',
  }),
}

const ownFields = {
  peerRange: Type.Optional(
    prefix({ description: 'Passive, dynamic neighbours: whoever connects from this prefix.' }),
  ),
  peerRangeLimit: Type.Integer({
    default: 10_000,
    minimum: 1,
    maximum: 65_535,
    description: 'Dynamic neighbours at one time.',
  }),
  routeReflectorClient: Type.Optional(
    Type.Boolean({
      description: 'Reflect to it (RFC 4456). Default: by the cluster ids, as Calico does.',
    }),
  ),
  passive: Type.Optional(Type.Boolean({ description: 'Wait for the peer to connect.' })),
  holdTime: seconds('hold-time', { default: '90s', description: 'Hold time proposed.' }),
  connectRetryTime: seconds('retry-time', {
    default: '5s',
    description: 'First pause between connection attempts; it grows and is jittered.',
  }),
  ebgpMultihop: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 255, description: 'TTL towards an eBGP peer.' }),
  ),
  interface: Type.Optional(
    Type.String({
      pattern: '^[^/\\s]{1,15}$',
      description: 'Unnumbered: peer on this interface. Not enforced yet.',
    }),
  ),
  bfd: Type.Optional(
    Type.Object(
      {
        receiveInterval: leaf<number>('interval', { default: '300ms' }),
        transmitInterval: leaf<number>('interval', { default: '300ms' }),
        multiplier: Type.Integer({ default: 3, minimum: 1, maximum: 255 }),
      },
      {
        description:
          'Bidirectional forwarding detection (RFC 5880): how often, and how many may be missed.',
      },
    ),
  ),
  gracefulRestart: Type.Optional(
    Type.Object(
      {
        mode: Type.Enum(['Enabled', 'Helper', 'Disabled'], { default: 'Enabled' }),
        staleTime: Type.Optional(seconds('duration', {})),
      },
      {
        description:
          "Graceful restart (RFC 4724): both roles, only the helper's, or none; how long stale routes stay.",
      },
    ),
  ),
  addPaths: Type.Optional(
    Type.Object(
      {
        receive: Type.Boolean({ default: true }),
        send: Type.Enum(['None', 'Best', 'Multipath', 'All'], {
          default: 'Multipath',
          description:
            'The best path, the ECMP set (at most `fib.maxPaths`), or every usable path.',
        }),
        sendLimit: Type.Optional(
          Type.Integer({
            minimum: 1,
            maximum: 64,
            description:
              'How many at most, best first: `Best` sends as many (default: 1), others no more.',
          }),
        ),
      },
      {
        description:
          'Several paths a prefix (RFC 7911). Default: received from all, sent to nodes.',
      },
    ),
  ),
  maxPrefixes: Type.Optional(
    Type.Object(
      {
        limit: Type.Integer({ minimum: 1, maximum: 4_294_967_295 }),
        warning: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
        restartAfter: Type.Optional(seconds('duration', {})),
      },
      {
        description:
          'Ceiling on received prefixes of each family; warning level in percent; when to try again.',
      },
    ),
  ),
  families: Type.Optional(
    Type.Array(Type.Enum([...families]), {
      minItems: 1,
      maxItems: 2,
      description: "Address families. Default: that of the session's address.",
    }),
  ),
  export: Type.Enum(['Auto', 'Own', 'All'], {
    default: 'Auto',
    description: 'What may be sent: by the roles (`Auto`), own announcements, or everything.',
  }),
  asOverride: Type.Boolean({
    default: false,
    description: "Replace the peer's AS in AS_PATH by the own one.",
  }),
  enforceFirstAS: Type.Boolean({
    default: true,
    description:
      "An eBGP peer's own AS must be the first of each AS_PATH it sends. `false` for a route server.",
  }),
  role: Type.Optional(
    Type.Enum(['Provider', 'RouteServer', 'RouteServerClient', 'Customer', 'Peer'], {
      description: 'BGP role (RFC 9234). Not enforced yet.',
    }),
  ),
  description: Type.String({ default: '', maxLength: 255, description: 'For people.' }),
  shutdown: Type.Boolean({ default: false, description: 'Administratively down.' }),
  shutdownMessage: Type.Optional(
    Type.String({
      maxLength: 255,
      description:
        "What the peer's operator is told by a `shutdown` (RFC 9003): 255 octets of UTF-8.",
    }),
  ),
}

export const BgpPeerSpec = Type.Object({ ...calicoPeerFields, ...ownFields })
export const BgpPeer = Type.Object({ spec: BgpPeerSpec })

export type BgpPeerSpec = Static<typeof BgpPeerSpec>
export type BgpPeerBody = Static<typeof BgpPeer>
