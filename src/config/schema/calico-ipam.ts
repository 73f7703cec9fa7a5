/**
 * What is read of Calico's address management, so that its clusters can be migrated with their CNI
 * and addresses as they are: which blocks are whose, and which pods have addresses elsewhere.
 */
import Type, { type Static } from 'typebox'
import { prefix } from './leaf.ts'

/** A block of addresses that a node gives to its pods. */
export const BlockAffinity = Type.Object({
  spec: Type.Object({
    cidr: prefix(),
    node: Type.String(),
    /** `confirmed`; while it is `pending` another node may still get the block. */
    state: Type.String({ default: '' }),
    /** `virtual` affinities hold addresses that no node has, as those of load balancers. */
    type: Type.String({ default: 'host' }),
    /** Text in crd.projectcalico.org/v1, a boolean in projectcalico.org/v3. */
    deleted: Type.Optional(Type.Unsafe<string | boolean>({})),
  }),
})

export const IpPool = Type.Object({
  spec: Type.Object({
    cidr: prefix(),
    disabled: Type.Boolean({ default: false }),
    disableBGPExport: Type.Boolean({ default: false }),
  }),
})

/** Who has which address of a block: `allocations[i]` is a place in `attributes`. */
export const IpamBlock = Type.Object({
  spec: Type.Object({
    cidr: prefix(),
    allocations: Type.Array(Type.Unsafe<number | null>({}), { default: [], maxItems: 65_536 }),
    attributes: Type.Array(
      Type.Object({
        secondary: Type.Object(
          {
            node: Type.Optional(Type.String()),
            pod: Type.Optional(Type.String()),
            namespace: Type.Optional(Type.String()),
          },
          { default: {} },
        ),
      }),
      { default: [], maxItems: 65_536 },
    ),
  }),
})

export const WorkloadEndpoint = Type.Object({
  spec: Type.Object({
    node: Type.String(),
    ipNetworks: Type.Array(Type.String(), { default: [] }),
  }),
})

export type BlockAffinityBody = Static<typeof BlockAffinity>
export type IpPoolBody = Static<typeof IpPool>
export type IpamBlockBody = Static<typeof IpamBlock>
export type WorkloadEndpointBody = Static<typeof WorkloadEndpoint>
