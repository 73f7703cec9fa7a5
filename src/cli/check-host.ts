/**
 * `routelet check --host`: the settings of this host's kernel that an agent here would report, with
 * the command that sets each right. Without an agent nobody knows which next hops it would use, so the
 * interfaces that have gateways stand for them.
 */
import type { ResourceSet } from '../config/resources.ts'
import { judgeHost } from '../host/prerequisites.ts'
import { createSysctls, type Sysctls } from '../host/sysctl.ts'
import { findUplinks, type Uplinks } from '../host/uplinks.ts'
import { surveyNodes } from '../intent/node.ts'
import type { Problem } from '../intent/types.ts'

const maxPathsDefault = 16

export interface Host {
  readonly sysctls: Sysctls
  readonly uplinks: Uplinks
}

export function thisHost(): Host {
  return { sysctls: createSysctls(), uplinks: findUplinks() }
}

/** With manifests, for as many nodes and the families they have; without, for both families. */
export function checkHost({ sysctls, uplinks }: Host, resources: ResourceSet | null): Problem[] {
  const nodes = resources === null ? [] : surveyNodes(resources).nodes
  const has = (family: 4 | 6) =>
    resources === null || nodes.some((node) => (family === 4 ? node.ipv4 : node.ipv6) !== null)
  const use = {
    ipv4: has(4),
    ipv6: has(6),
    uplinks: [...new Set([...uplinks.ipv4, ...uplinks.ipv6])].sort(),
    maxPaths: maxPathsDefault,
    nodeCount: nodes.length,
    objectRoutes: 0,
  }
  return judgeHost(sysctls, use).map(({ problem }) => problem)
}
