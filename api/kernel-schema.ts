/** The shapes of what the kernel writer shows; see schema.ts for how they are used. */
import { Type } from 'typebox'
import type {
  FibDifference,
  FibLookup,
  FibNexthop,
  FibRouteError,
  FibRouteView,
  FibStatus,
  Gateway,
  KernelRouteView,
  Resolution,
} from '../fib/types.ts'
import { count, families, nullable, prefixText, shape, text, textOrNull } from './shape.ts'

const gatewaySchema = shape<Gateway>()(
  'Gateway',
  Type.Object({ interface: text(), gateway: textOrNull('null: directly connected') }),
)

const resolutionSchema = shape<Resolution>()(
  'Resolution',
  Type.Object({
    nextHop: text(),
    reachable: Type.Boolean(),
    metric: Type.Number(),
    onLink: Type.Boolean(),
    gateways: Type.Array(gatewaySchema),
    reason: text(),
  }),
)

const routeErrorSchema = shape<FibRouteError>()(
  'FibRouteError',
  Type.Object({
    errno: textOrNull('null: nothing was refused, another program keeps changing the route'),
    attempts: count(),
    forSeconds: Type.Number(),
    retryInSeconds: Type.Number(),
  }),
)

export const fibRouteSchema = shape<FibRouteView>()(
  'FibRoute',
  Type.Object({
    prefix: prefixText(),
    kind: Type.Union([Type.Literal('unicast'), Type.Literal('blackhole')]),
    status: Type.Union([
      Type.Literal('installed'),
      Type.Literal('pending'),
      Type.Literal('unresolved'),
      Type.Literal('failed'),
      Type.Literal('conflict'),
      Type.Literal('stale'),
    ]),
    nextHops: Type.Array(text(), { description: 'BGP next hops wanted' }),
    gateways: Type.Array(gatewaySchema, { description: 'What the kernel holds' }),
    nexthop: nullable(Type.Integer({ description: 'Nexthop object that the kernel names' })),
    reason: textOrNull(),
    error: nullable(routeErrorSchema),
  }),
)

const kernelRouteSchema = shape<KernelRouteView>()(
  'KernelRoute',
  Type.Object({
    prefix: prefixText(),
    table: Type.Integer(),
    protocol: text('Number and name, e.g. `bird (12)`'),
    ours: Type.Boolean(),
    metric: Type.Integer(),
    kind: text(),
    gateways: Type.Array(gatewaySchema),
  }),
)

export const fibLookupSchema = shape<FibLookup>()(
  'FibLookup',
  Type.Object({
    prefix: prefixText(),
    wanted: nullable(fibRouteSchema),
    kernel: Type.Array(kernelRouteSchema),
    resolutions: Type.Array(resolutionSchema),
  }),
)

export const fibDifferenceSchema = shape<FibDifference>()(
  'FibDifference',
  Type.Object({
    prefix: prefixText(),
    problem: Type.Union([
      Type.Literal('missing'),
      Type.Literal('unexpected'),
      Type.Literal('different'),
      Type.Literal('conflict'),
    ]),
    wanted: textOrNull(),
    installed: textOrNull(),
    reason: textOrNull(),
    error: nullable(routeErrorSchema),
  }),
)

export const fibNexthopSchema = shape<FibNexthop>()(
  'FibNexthop',
  Type.Object({
    id: Type.Integer(),
    kind: Type.Union([Type.Literal('hop'), Type.Literal('group')]),
    members: Type.Array(Type.Integer(), { description: "Ids of a group's members" }),
    gateways: Type.Array(gatewaySchema),
    routes: Type.Integer({ minimum: 0, description: 'Routes of ours that name it' }),
  }),
)

export const fibStatusSchema = shape<FibStatus>()(
  'FibStatus',
  Type.Object({
    mode: Type.Union([Type.Literal('kernel'), Type.Literal('none')]),
    settings: Type.Object({
      table: Type.Integer(),
      protocol: Type.Integer(),
      metric: Type.Integer(),
      maxPaths: Type.Integer(),
      install: Type.Union([Type.Literal('All'), Type.Literal('None')]),
      scanSeconds: nullable(Type.Number()),
      nexthops: Type.Optional(Type.Union([Type.Literal('Auto'), Type.Literal('Off')])),
      preferredSources: Type.Optional(Type.Object({ ipv4: textOrNull(), ipv6: textOrNull() })),
    }),
    wanted: count(),
    installed: count(),
    pending: count(),
    unresolved: count(),
    failed: count(),
    conflicts: count(),
    stale: count(),
    blackholes: count(),
    adopted: count(),
    adoptedFamilies: Type.Array(families()),
    counters: Type.Object({
      added: count(),
      replaced: count(),
      deleted: count(),
      errors: count(),
      repairs: count(),
      scans: count(),
      overflows: count(),
      swept: count(),
      objectsWritten: count(),
      objectsRemoved: count(),
    }),
    objects: Type.Optional(
      Type.Object(
        {
          mode: Type.Union([Type.Literal('objects'), Type.Literal('plain')]),
          hops: count(),
          groups: count(),
        },
        { description: 'Nexthop objects of ours in the kernel' },
      ),
    ),
    rules: Type.Optional(
      Type.Object(
        {
          wanted: count(),
          installed: count(),
          missing: Type.Array(text('As `ip rule` prints it'), { description: 'At most 20' }),
          reason: textOrNull('What the kernel refuses one of them for'),
        },
        { description: 'Policy rules of ours that guard service ranges' },
      ),
    ),
    nextHops: Type.Array(resolutionSchema),
    errors: Type.Record(Type.String(), count(), {
      description: 'Refusals so far by the name of the errno',
    }),
    retrying: count(),
    sources: Type.Array(Type.Object({ address: text(), own: Type.Boolean() }), {
      description: 'Preferred source addresses wanted; `own` while they are on this host',
    }),
    rivals: Type.Array(
      Type.Object({
        protocol: Type.Integer(),
        name: text('Number and name, e.g. `bird (12)`'),
        holding: count(),
        winning: count(),
        resting: count(),
        prefixes: Type.Array(prefixText()),
        interfaces: Type.Array(text()),
      }),
      { description: 'Other programs with routes for prefixes that are wanted here' },
    ),
    intruders: Type.Array(
      Type.Object({ port: Type.Integer(), changes: count(), prefix: prefixText() }),
      { description: 'Programs that lately changed routes with our very mark' },
    ),
  }),
)
