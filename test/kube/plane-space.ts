/**
 * The namespace of a control plane: a bridge that every node has a cable to.
 */
import type { Namespace, Network } from '../network/namespaces.ts'

/** Where agents reach the API server. */
export const planeAddress = '10.99.0.1'

export async function makePlaneSpace(network: Network): Promise<Namespace> {
  const space = await network.namespace('plane')
  await space.ip('link', 'add', 'br0', 'type', 'bridge')
  await space.ip('link', 'set', 'br0', 'up')
  await space.address('br0', `${planeAddress}/24`)
  return space
}
