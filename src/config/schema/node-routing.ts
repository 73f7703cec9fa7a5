/**
 * NodeRouting: what the agent of a node says of itself, in the cluster. Status only, one for each
 * node and named like it; written by that node's agent, sparsely, and by nobody else.
 */
import Type, { type Static } from 'typebox'

const text = (maxLength: number, description: string) => Type.String({ maxLength, description })
const count = (description: string) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })
const time = (description: string) => Type.String({ format: 'date-time', description })

/** Lists whose entries the API server merges by a key of theirs. */
const keyed = (key: string) => ({
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': [key],
})

const Counts = Type.Object(
  {
    received: count('Prefixes the peer has sent.'),
    accepted: count('Those that passed import.'),
    advertised: count('Prefixes it was told.'),
  },
  { description: 'Prefixes of one address family.' },
)

const PeerStatus = Type.Object({
  name: text(512, 'As `routelet peers` shows it.'),
  address: text(64, 'Address of the peer, or the range of dynamic neighbours.'),
  asNumber: Type.Integer({ minimum: 0, maximum: 4_294_967_295, description: 'AS of the peer.' }),
  state: Type.Enum(['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'], {
    description: 'State of the session (RFC 4271 §8).',
  }),
  since: Type.Optional(time('When it came into this state.')),
  reason: Type.Optional(text(1024, 'Why it is not Established.')),
  lastError: Type.Optional(text(1024, 'What ended the session before.')),
  ipv4: Type.Optional(Counts),
  ipv6: Type.Optional(Counts),
})

const Condition = Type.Object({
  type: text(316, 'What it is about: `Ready`, or a reason code of the agent.'),
  status: Type.Enum(['True', 'False', 'Unknown'], { description: 'Whether it holds.' }),
  reason: text(1024, 'CamelCase reason code.'),
  message: text(32_768, 'The same for people, with what to do.'),
  lastTransitionTime: time('When the status changed last.'),
})

/** More peers than this are told by their number alone. */
export const peersShownMax = 500

export const NodeRoutingStatus = Type.Object(
  {
    asNumber: Type.Integer({ minimum: 0, maximum: 4_294_967_295, description: 'AS of the node.' }),
    routerId: text(15, 'BGP identifier.'),
    clusterId: Type.Optional(text(15, 'Cluster id, on a route reflector.')),
    version: text(64, 'Version of the agent.'),
    observedAt: time('When this was written.'),
    peersWanted: count('Sessions there should be.'),
    peersEstablished: count('Those that are up.'),
    peers: Type.Array(PeerStatus, {
      maxItems: peersShownMax,
      description: 'The sessions; those that are down first.',
      ...keyed('name'),
    }),
    announced: count('Prefixes this node announces of itself.'),
    routesWanted: count('Routes the kernel should have.'),
    routesInstalled: count('Those it has acknowledged.'),
    conditions: Type.Array(Condition, {
      maxItems: 64,
      description: 'What is to be known about the node, `Ready` first.',
      ...keyed('type'),
    }),
  },
  { description: 'What the agent of the node sees.' },
)

export type NodeRoutingStatus = Static<typeof NodeRoutingStatus>
