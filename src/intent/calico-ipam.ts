/**
 * What a node announces where Calico gives the pods their addresses: its confirmed blocks as
 * aggregates, and addresses of its pods that lie in nobody's or another node's block ("borrowed") as
 * host routes. Calico's rules, so that its nodes and ours can serve one cluster during a migration.
 */
import {
  coversPrefix,
  formatNumber,
  knownPrefix,
  type Prefix,
  parseAddress,
} from '../config/address.ts'
import { compareText } from '../config/problem.ts'
import type { IpamBlockResource, ResourceSet } from '../config/resources.ts'
import type { NodeFacts } from './node.ts'
import { inform, warn } from './problem.ts'
import type { Problem } from './types.ts'
import { runsOn } from './workloads.ts'

export interface CalicoRoute {
  readonly prefix: string
  readonly reason: string
}

export interface CalicoRoutes {
  /** Whether Calico gives addresses in this cluster at all. */
  readonly inUse: boolean
  /** Confirmed blocks of the node. */
  readonly blocks: readonly CalicoRoute[]
  /** Addresses of the node's pods outside its blocks and pod CIDRs. */
  readonly hosts: readonly CalicoRoute[]
  readonly problems: readonly Problem[]
}

const nothing: CalicoRoutes = { inUse: false, blocks: [], hosts: [], problems: [] }

export function deriveCalicoRoutes(own: NodeFacts, resources: ResourceSet): CalicoRoutes {
  const { blockAffinities, ipPools } = resources
  if (blockAffinities.length === 0 && ipPools.length === 0) return nothing
  const pools = readPools(resources)
  const affinities = blockAffinities.filter(
    ({ body: { spec } }) => spec.node === own.name && spec.type === 'host' && !isDeleted(spec),
  )
  const problems: Problem[] = []
  const blocks: CalicoRoute[] = []
  for (const { name, body } of affinities) {
    const { cidr, state } = body.spec
    const subject = `BlockAffinity/${name}`
    const silent = poolOf(cidr, pools)?.exported === false
    if (state !== 'confirmed') {
      const message = `block ${cidr} is ${state || 'not confirmed'}; it isn't announced yet`
      problems.push(inform('BlockNotConfirmed', subject, message))
    } else if (silent) {
      problems.push(
        inform('PoolNotExported', subject, `${cidr} lies in a pool with disableBGPExport`),
      )
    } else {
      blocks.push({ prefix: cidr, reason: `Calico block of node ${own.name}` })
    }
  }
  const inside = [...blocks.map(({ prefix }) => prefix), ...own.podCidrs].map(knownPrefix)
  const hosts: CalicoRoute[] = []
  for (const { address, who } of podAddressesOf(own.name, resources, problems)) {
    const pool = poolOf(address, pools)
    const known = knownPrefix(address)
    if (inside.some((block) => coversPrefix(block, known))) continue
    // Without a pool it is an address that Calico didn't give: another network's business.
    if (pools.length > 0 && (pool === null || !pool.enabled || !pool.exported)) continue
    hosts.push({ prefix: address, reason: `address of ${who} outside the blocks of its node` })
  }
  return { inUse: true, blocks: sortRoutes(blocks), hosts: sortRoutes(hosts), problems }
}

interface Pool {
  readonly prefix: Prefix
  readonly enabled: boolean
  readonly exported: boolean
}

function readPools({ ipPools }: ResourceSet): readonly Pool[] {
  return ipPools.map(({ body: { spec } }) => ({
    prefix: knownPrefix(spec.cidr),
    enabled: !spec.disabled,
    exported: !spec.disableBGPExport,
  }))
}

function poolOf(prefix: string, pools: readonly Pool[]): Pool | null {
  const known = knownPrefix(prefix)
  return pools.find((pool) => coversPrefix(pool.prefix, known)) ?? null
}

function isDeleted({ deleted }: { deleted?: string | boolean }): boolean {
  return deleted === true || deleted === 'true'
}

interface PodAddress {
  /** As a host prefix. */
  readonly address: string
  readonly who: string
}

/** By Pods, Calico's workload endpoints and its blocks, whichever are there. */
function podAddressesOf(
  node: string,
  { pods, workloadEndpoints, ipamBlocks }: ResourceSet,
  problems: Problem[],
): readonly PodAddress[] {
  const found = new Map<string, string>()
  const add = (text: string, who: string) => {
    const read = parseAddress(text.replace(/\/(32|128)$/, ''))
    if (!read.ok) {
      const message = `"${text}" is not an address: ${read.error}`
      problems.push(warn('BadPodAddress', who, message, 'correct it'))
      return
    }
    const { text: address, family } = read.value
    const host = `${address}/${family === 4 ? 32 : 128}`
    if (!found.has(host)) found.set(host, who)
  }
  for (const pod of pods) {
    if (!runsOn(pod, node)) continue
    const { namespace, name, body } = pod
    for (const { ip } of body.status.podIPs) {
      if (ip !== undefined) add(ip, `Pod/${namespace}/${name}`)
    }
  }
  for (const { namespace, name, body } of workloadEndpoints) {
    if (body.spec.node !== node) continue
    for (const ip of body.spec.ipNetworks) add(ip, `WorkloadEndpoint/${namespace}/${name}`)
  }
  for (const block of ipamBlocks) {
    for (const { address, who } of allocationsOf(node, block)) add(address, who)
  }
  return [...found].map(([address, who]) => ({ address, who }))
}

/** Addresses of a block that pods of the node have; tunnel addresses have no pod. */
function allocationsOf(node: string, { body }: IpamBlockResource): readonly PodAddress[] {
  const { cidr, allocations, attributes } = body.spec
  const { first, family } = knownPrefix(cidr)
  return allocations.flatMap((place, ordinal) => {
    const owner = typeof place === 'number' ? attributes[place]?.secondary : undefined
    if (owner?.node !== node || owner.pod === undefined) return []
    const address = formatNumber(first + BigInt(ordinal), family)
    return { address, who: `Pod/${owner.namespace ?? 'default'}/${owner.pod}` }
  })
}

function sortRoutes(routes: readonly CalicoRoute[]): CalicoRoute[] {
  return [...routes].sort((a, b) => compareText(a.prefix, b.prefix))
}
