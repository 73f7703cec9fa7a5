/**
 * The few fields that are read of Kubernetes' own kinds, and of Calico's Node. Everything else in
 * them is none of our business and passes unchecked.
 */
import Type, { type Static } from 'typebox'
import { asn, leaf, prefix, textMap } from './leaf.ts'

export const Metadata = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 253, pattern: '^[A-Za-z0-9]([A-Za-z0-9._-]*)$' }),
  namespace: Type.Optional(Type.String({ minLength: 1, maxLength: 63 })),
  labels: textMap({ default: {} }),
  annotations: textMap({ default: {} }),
})

export const CoreNode = Type.Object({
  spec: Type.Object(
    { podCIDR: Type.Optional(prefix()), podCIDRs: Type.Array(prefix(), { default: [] }) },
    { default: {} },
  ),
  status: Type.Object(
    {
      addresses: Type.Array(Type.Object({ type: Type.String(), address: Type.String() }), {
        default: [],
      }),
    },
    { default: {} },
  ),
})

/** The labels by which a slice names its Service. */
export const serviceNameLabel = 'kubernetes.io/service-name'

export const CalicoNode = Type.Object({
  spec: Type.Object(
    {
      bgp: Type.Optional(
        Type.Object({
          ipv4Address: Type.Optional(leaf<string>('interface-address')),
          ipv6Address: Type.Optional(leaf<string>('interface-address')),
          asNumber: Type.Optional(asn()),
          routeReflectorClusterID: Type.Optional(leaf<string>('cluster-id')),
        }),
      ),
    },
    { default: {} },
  ),
})

export const Secret = Type.Object({
  data: textMap({ default: {} }),
  stringData: textMap({ default: {} }),
})

export const Service = Type.Object({
  spec: Type.Object(
    {
      type: Type.String({ default: 'ClusterIP' }),
      clusterIP: Type.Optional(Type.String()),
      clusterIPs: Type.Array(Type.String(), { default: [] }),
      externalIPs: Type.Array(Type.String(), { default: [] }),
      loadBalancerIP: Type.Optional(Type.String()),
      externalTrafficPolicy: Type.String({ default: 'Cluster' }),
    },
    { default: {} },
  ),
  status: Type.Object(
    {
      loadBalancer: Type.Object(
        {
          ingress: Type.Array(
            Type.Object({
              ip: Type.Optional(Type.String()),
              ipMode: Type.String({ default: 'VIP' }),
            }),
            { default: [] },
          ),
        },
        { default: {} },
      ),
    },
    { default: {} },
  ),
})

export const EndpointSlice = Type.Object({
  addressType: Type.String(),
  endpoints: Type.Array(
    Type.Object({
      nodeName: Type.Optional(Type.String()),
      conditions: Type.Object(
        {
          ready: Type.Optional(Type.Boolean()),
          serving: Type.Optional(Type.Boolean()),
          terminating: Type.Optional(Type.Boolean()),
        },
        { default: {} },
      ),
    }),
    { default: [] },
  ),
})

export const Pod = Type.Object({
  spec: Type.Object(
    {
      nodeName: Type.Optional(Type.String()),
      hostNetwork: Type.Boolean({ default: false }),
    },
    { default: {} },
  ),
  status: Type.Object(
    {
      phase: Type.Optional(Type.String()),
      podIPs: Type.Array(Type.Object({ ip: Type.Optional(Type.String()) }), { default: [] }),
    },
    { default: {} },
  ),
})

export type Metadata = Static<typeof Metadata>
export type CoreNodeBody = Static<typeof CoreNode>
export type CalicoNodeBody = Static<typeof CalicoNode>
export type SecretBody = Static<typeof Secret>
export type ServiceBody = Static<typeof Service>
export type EndpointSliceBody = Static<typeof EndpointSlice>
export type PodBody = Static<typeof Pod>
