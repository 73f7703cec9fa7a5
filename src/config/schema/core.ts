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

/** Read in full once services are announced. */
export const Service = Type.Object({})
export const EndpointSlice = Type.Object({})

export type Metadata = Static<typeof Metadata>
export type CoreNodeBody = Static<typeof CoreNode>
export type CalicoNodeBody = Static<typeof CalicoNode>
export type SecretBody = Static<typeof Secret>
