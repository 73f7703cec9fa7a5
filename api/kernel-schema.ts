/** The shapes of what the kernel writer shows; see schema.ts for how they are used. */
import { Type } from 'typebox'
import type {
  FibDifference,
  FibLookup,
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
    reason: textOrNull(),
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
    nextHops: Type.Array(resolutionSchema),
  }),
)
