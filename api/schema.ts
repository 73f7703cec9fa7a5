/**
 * The shapes of requests and replies, as TypeBox values, which are JSON Schema: fastify validates and
 * serialises with them, `openapi.ts` publishes them, and the compiler compares each with the view it
 * describes, so that neither can drift from the other.
 */
import { type TSchema, Type } from 'typebox'
import type { AdvertisementView, AttributesView, PathView, PeerView } from '../bgp/types.ts'
import type { FibDifference, FibNexthop, FibRouteView } from '../fib/types.ts'
import {
  fibDifferenceSchema,
  fibLookupSchema,
  fibNexthopSchema,
  fibRouteSchema,
  fibStatusSchema,
} from './kernel-schema.ts'
import type { ProblemView } from './problem.ts'
import {
  count,
  data,
  families,
  instant,
  levels,
  nullable,
  prefixText,
  shape,
  text,
  textOrNull,
} from './shape.ts'
import type {
  ConditionView,
  EventView,
  ExplainView,
  NodeView,
  OrderResult,
  Page,
  PeerExplanation,
  PlanView,
} from './views.ts'

export const problemSchema = shape<ProblemView>()(
  'Problem',
  Type.Object({
    type: text('A URN that names the kind of problem'),
    title: text(),
    status: Type.Integer(),
    detail: text('What was wrong with this request'),
    instance: text('The path asked for'),
    remedy: text('What to do about it'),
  }),
)

const conditionSchema = shape<ConditionView>()(
  'Condition',
  Type.Object({
    reason: text('CamelCase reason code'),
    severity: Type.Union([Type.Literal('info'), Type.Literal('warning'), Type.Literal('error')]),
    subject: text(),
    message: text(),
    remedy: textOrNull(),
  }),
)

export const nodeSchema = shape<NodeView>()(
  'Node',
  Type.Object({
    name: text(),
    version: text(),
    asn: Type.Integer(),
    routerId: text(),
    clusterId: textOrNull(),
    addresses: Type.Array(text()),
    podCidrs: Type.Array(prefixText()),
    startedAt: instant(),
    healthy: Type.Boolean(),
    ready: Type.Boolean(),
    readyReason: textOrNull('Why it is not ready'),
    peers: Type.Object({ wanted: count(), established: count() }),
    routes: Type.Record(Type.String(), Type.Object({ prefixes: count(), paths: count() })),
    fib: fibStatusSchema,
    announcements: Type.Array(
      Type.Object({ prefix: prefixText(), reason: text(), communities: Type.Array(text()) }),
    ),
    conditions: Type.Array(conditionSchema),
    loopDelay: Type.Object(
      { p50: Type.Number(), p99: Type.Number(), max: Type.Number() },
      { description: 'Delay of the event loop over the last minute, milliseconds' },
    ),
  }),
)

export const planSchema = shape<PlanView>()(
  'Plan',
  Type.Object({
    node: text(),
    peers: Type.Array(data()),
    filters: Type.Array(data()),
    announcements: Type.Array(
      Type.Object({ prefix: prefixText(), reason: text(), communities: Type.Array(text()) }),
    ),
    settings: data(),
  }),
)

const messageCounts = () =>
  Type.Object({
    open: count(),
    update: count(),
    notification: count(),
    keepalive: count(),
    refresh: count(),
  })

const updateGroupSchema = Type.Object(
  {
    number: Type.Integer(),
    members: count(),
    apart: textOrNull('Why it is not one with the group most like it'),
  },
  { description: 'Peers that are told the same bytes' },
)

const stateSchema = Type.Union([
  Type.Literal('Idle'),
  Type.Literal('Connect'),
  Type.Literal('Active'),
  Type.Literal('OpenSent'),
  Type.Literal('OpenConfirm'),
  Type.Literal('Established'),
])

export const peerSchema = shape<PeerView>()(
  'Peer',
  Type.Object({
    name: text(),
    origin: text('What made this peer: `mesh`, `BGPPeer rack-a`'),
    description: text(),
    address: text(),
    port: Type.Integer(),
    asn: Type.Integer(),
    localAsn: Type.Integer(),
    localAddress: textOrNull(),
    type: Type.Union([Type.Literal('ebgp'), Type.Literal('ibgp')]),
    routeReflectorClient: Type.Boolean(),
    dynamic: Type.Boolean(),
    state: stateSchema,
    reason: textOrNull(
      'Why it is not Established, or will not be for long, with the remedy if any',
    ),
    since: nullable(instant()),
    remoteRouterId: textOrNull(),
    holdSeconds: nullable(Type.Number()),
    keepaliveSeconds: nullable(Type.Number()),
    password: Type.Boolean({ description: 'Whether one is set; never the key itself' }),
    capabilities: Type.Object({ local: Type.Array(text()), remote: Type.Array(text()) }),
    families: Type.Array(
      Type.Object({
        family: families(),
        negotiated: Type.Boolean(),
        received: count(),
        accepted: count(),
        best: count(),
        advertised: count(),
        endOfRibReceived: Type.Boolean(),
        endOfRibSent: Type.Boolean(),
        group: nullable(updateGroupSchema),
      }),
    ),
    messages: Type.Object({ received: messageCounts(), sent: messageCounts() }),
    flaps: count(),
    lastError: nullable(
      Type.Object({
        at: instant(),
        direction: Type.Union([
          Type.Literal('sent'),
          Type.Literal('received'),
          Type.Literal('local'),
        ]),
        text: text(),
      }),
    ),
    queuedBytes: count(),
  }),
)

export const peerExplanationSchema = shape<PeerExplanation>()(
  'PeerExplanation',
  Type.Object({
    name: text(),
    state: stateSchema,
    words: Type.Array(text(), { description: 'The whole answer in sentences' }),
    tried: Type.Array(Type.Object({ at: instant(), level: levels(), text: text() }), {
      description: 'What happened to it lately, oldest first',
    }),
    heard: textOrNull('The last thing the other side said of an error'),
    check: Type.Array(text(), { description: 'What to look at; empty when it is up' }),
  }),
)

const attributesSchema = shape<AttributesView>()(
  'Attributes',
  Type.Object({
    origin: Type.Optional(
      Type.Union([Type.Literal('igp'), Type.Literal('egp'), Type.Literal('incomplete')]),
    ),
    asPath: Type.Optional(
      Type.Array(
        Type.Object({
          type: Type.Union([
            Type.Literal('sequence'),
            Type.Literal('set'),
            Type.Literal('confed-sequence'),
            Type.Literal('confed-set'),
          ]),
          asns: Type.Array(Type.Integer()),
        }),
      ),
    ),
    nextHop: Type.Optional(text()),
    med: Type.Optional(Type.Integer()),
    localPref: Type.Optional(Type.Integer()),
    atomicAggregate: Type.Optional(Type.Boolean()),
    aggregator: Type.Optional(Type.Object({ asn: Type.Integer(), address: text() })),
    communities: Type.Optional(Type.Array(text())),
    originatorId: Type.Optional(text()),
    clusterList: Type.Optional(Type.Array(text())),
    extendedCommunities: Type.Optional(Type.Array(text())),
    largeCommunities: Type.Optional(Type.Array(text())),
    otc: Type.Optional(Type.Integer()),
    unknown: Type.Optional(
      Type.Array(Type.Object({ code: Type.Integer(), flags: Type.Integer(), value: text() })),
    ),
  }),
)

export const pathSchema = shape<PathView>()(
  'Path',
  Type.Object({
    prefix: prefixText(),
    peer: text('Peer name, or `local` for an own announcement'),
    peerAddress: textOrNull(),
    pathId: Type.Integer(),
    nextHops: Type.Array(text()),
    nextHopReachable: Type.Boolean(),
    igpMetric: Type.Number(),
    best: Type.Boolean(),
    multipath: Type.Boolean(),
    stale: Type.Boolean(),
    eligible: Type.Boolean(),
    reason: textOrNull('Why it is not eligible, or the decision rule by which it lost'),
    filterSteps: Type.Array(text(), { description: 'What each filter rule said on import' }),
    attributes: attributesSchema,
  }),
)

const advertisementSchema = shape<AdvertisementView>()(
  'Advertisement',
  Type.Object({
    peer: text(),
    advertised: Type.Boolean(),
    reason: text('In words: why, or why not'),
    filterSteps: Type.Array(text(), { description: 'What each filter rule said on export' }),
    attributes: nullable(attributesSchema),
    paths: Type.Array(
      Type.Object({
        peer: text('Where the path came from: a peer, or `local`'),
        pathId: Type.Integer(),
        rank: nullable(Type.Integer({ description: 'Its place in the decision; 1 is the best' })),
        sentAs: nullable(Type.Integer({ description: 'Path id it is sent under' })),
        reason: text('In words: why, or why not'),
      }),
      { description: 'Where several paths are sent (RFC 7911): each, and whether it is' },
    ),
  }),
)

export const explainSchema = shape<ExplainView>()(
  'Explanation',
  Type.Object({
    prefix: prefixText(),
    matched: Type.Union([Type.Literal('exact'), Type.Literal('longest'), Type.Literal('none')]),
    bgp: Type.Object({
      prefix: prefixText(),
      paths: Type.Array(pathSchema),
      best: nullable(pathSchema),
      decidedBy: textOrNull('The rule that decided between the best and the runner-up'),
      advertisements: Type.Array(advertisementSchema),
    }),
    fib: nullable(fibLookupSchema),
    words: Type.Array(text(), { description: 'The whole answer in sentences' }),
  }),
)

export const eventSchema = shape<EventView>()(
  'Event',
  Type.Object({
    id: Type.Integer(),
    at: instant(),
    kind: text(),
    level: levels(),
    peer: textOrNull(),
    text: text(),
    data: nullable(data()),
  }),
)

export const orderSchema = shape<OrderResult>()(
  'OrderResult',
  Type.Object({ accepted: Type.Boolean(), message: text() }),
)

export interface Verdict {
  readonly ok: boolean
  readonly reason: string | null
}

export const verdictSchema = shape<Verdict>()(
  'Verdict',
  Type.Object({ ok: Type.Boolean(), reason: textOrNull() }),
)

const pageShape = <Item extends TSchema>(item: Item) =>
  Type.Object({
    items: Type.Array(item),
    continue: textOrNull('Ask again with `continue=` this to read on; null: that was all'),
  })

/** A page of paths, prefixes in ascending order. */
export const pathPageSchema = shape<Page<PathView>>()('PathPage', pageShape(pathSchema))
export const fibPageSchema = shape<Page<FibRouteView>>()('FibPage', pageShape(fibRouteSchema))

/** A whole list, as an object so that it can grow members. */
export interface List<Item> {
  readonly items: readonly Item[]
}

const listShape = <Item extends TSchema>(item: Item) => Type.Object({ items: Type.Array(item) })

export const peerListSchema = shape<List<PeerView>>()('PeerList', listShape(peerSchema))
export const eventListSchema = shape<List<EventView>>()('EventList', listShape(eventSchema))
export const fibNexthopListSchema = shape<List<FibNexthop>>()(
  'FibNexthopList',
  listShape(fibNexthopSchema),
)
export const fibDifferenceListSchema = shape<List<FibDifference>>()(
  'FibDifferenceList',
  listShape(fibDifferenceSchema),
)
