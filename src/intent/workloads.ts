/**
 * Workloads of the node that a BGPPeer peers with (`localWorkloadSelector`), as Calico has them: a
 * nested cluster in virtual machines, say, whose nodes announce their own pods. Found by Pods and by
 * Calico's workload endpoints; a pod has Calico's labels beside its own.
 */
import { type IpVersion, parseAddress } from '../config/address.ts'
import { compareText } from '../config/problem.ts'
import type { PodResource, ResourceSet, WorkloadEndpointResource } from '../config/resources.ts'
import type { Labels, Selector } from './selector.ts'

export interface WorkloadAddress {
  /** Canonical. */
  readonly address: string
  readonly family: IpVersion
}

/** Addresses of matching workloads on the node, sorted; addresses that can't be read are left out. */
export function findWorkloads(
  { pods, workloadEndpoints }: ResourceSet,
  node: string,
  selector: Selector,
): readonly WorkloadAddress[] {
  const texts = [
    ...pods
      .filter((pod) => runsOn(pod, node) && selector.matches(labelsOf(pod, 'k8s')))
      .flatMap(({ body }) => body.status.podIPs.map(({ ip }) => ip ?? '')),
    ...workloadEndpoints
      .filter(({ body }) => body.spec.node === node)
      .filter((endpoint) => selector.matches(labelsOf(endpoint, null)))
      .flatMap(({ body }) => body.spec.ipNetworks.map((text) => text.replace(/\/(32|128)$/, ''))),
  ]
  const found = new Map<string, WorkloadAddress>()
  for (const text of texts) {
    const read = parseAddress(text)
    if (read.ok) found.set(read.value.text, { address: read.value.text, family: read.value.family })
  }
  return [...found.values()].sort((a, b) => compareText(a.address, b.address))
}

/** A pod in the host's network has no address of its own: it would be the node itself. */
export function runsOn({ body: { spec, status } }: PodResource, node: string): boolean {
  const ended = status.phase === 'Succeeded' || status.phase === 'Failed'
  return spec.nodeName === node && !spec.hostNetwork && !ended
}

function labelsOf(
  { labels, namespace }: PodResource | WorkloadEndpointResource,
  orchestrator: string | null,
): Labels {
  return {
    ...labels,
    ...(namespace === null ? {} : { 'projectcalico.org/namespace': namespace }),
    ...(orchestrator === null ? {} : { 'projectcalico.org/orchestrator': orchestrator }),
  }
}
