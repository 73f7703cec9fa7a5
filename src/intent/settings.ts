/**
 * The BGPConfiguration in force on a node: `default`, overridden by `node.NAME` where that says
 * something, defaults filled in last.
 */

import type { FibSettings } from '../../fib/types.ts'
import { plain } from '../config/kinds.ts'
import type { ResourceSet } from '../config/resources.ts'
import {
  BgpConfigurationSpec,
  perNodeFields,
  type WrittenConfigurationSpec,
} from '../config/schema/bgp-configuration.ts'
import { fillDefaults, isRecord } from '../config/validate.ts'
import { warn } from './problem.ts'
import type { Problem } from './types.ts'

export interface Settings {
  readonly spec: BgpConfigurationSpec
  readonly fib: FibSettings
  readonly sysctls: 'Check' | 'Set'
  readonly localPreference: number
  /** As pino names it; null when no resource says. */
  readonly logLevel: string | null
  readonly problems: readonly Problem[]
}

const schema = plain(BgpConfigurationSpec)

/** Calico sends LOCAL_PREF = 2147483647 − route priority (v3.32 and later); 1024 is its normal. */
const calicoPreferenceBase = 2_147_483_647
const calicoPriority = 1024
const defaultPreference = 100

/** Calico's levels in pino's words. */
const logLevels: Readonly<Record<string, string>> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  error: 'error',
  fatal: 'fatal',
}

/** Routing protocols that other programs mark their routes with. */
const foreignProtocols: Readonly<Record<number, string>> = {
  9: 'routing advertisements',
  11: 'Zebra',
  12: 'BIRD and Calico',
  16: 'DHCP',
  17: 'kube-router',
  80: 'Felix',
  186: 'FRR (BGP)',
  188: 'FRR (OSPF)',
  196: 'FRR (static)',
}

export function settleConfiguration(resources: ResourceSet, nodeName: string): Settings {
  const find = (name: string) => resources.bgpConfigurations.find((found) => found.name === name)
  const cluster = find('default')
  const own = find(`node.${nodeName}`)
  const written = mergeWritten(cluster?.written ?? {}, own?.written ?? {})
  const spec = fillDefaults(schema, written) as BgpConfigurationSpec
  const problems: Problem[] = []
  const subject = own === undefined ? 'BGPConfiguration/default' : `BGPConfiguration/${own.name}`
  const { table, protocol, metric, maxPaths, install, nexthops, prefSrc, scanInterval } = spec.fib
  const foreign = foreignProtocols[protocol]
  if (foreign !== undefined) {
    const message = `fib.protocol ${protocol} marks routes of ${foreign}; they would pass for ours`
    problems.push(warn('ForeignProtocol', subject, message, 'use a number of its own, such as 179'))
  }
  const preference = settlePreference(spec)
  problems.push(...preference.problems)
  return {
    spec,
    fib: {
      table,
      protocol,
      metric,
      maxPaths,
      install,
      scanSeconds: scanInterval === 0 ? null : scanInterval,
      nexthops,
      preferredSources: { ipv4: prefSrc?.ipv4 ?? null, ipv6: prefSrc?.ipv6 ?? null },
    },
    sysctls: spec.fib.sysctls,
    localPreference: preference.value,
    logLevel: logLevels[spec.logSeverityScreen ?? ''] ?? null,
    problems,
  }
}

/** The port each node listens on, by name. */
export function listenPorts(resources: ResourceSet): (nodeName: string) => number {
  const ports = new Map<string, number | undefined>()
  for (const { name, written } of resources.bgpConfigurations) ports.set(name, written.listenPort)
  const { listenPort } = fillDefaults(schema, {
    listenPort: ports.get('default'),
  }) as BgpConfigurationSpec
  return (nodeName) => ports.get(`node.${nodeName}`) ?? listenPort
}

/** Own fields win, one by one also inside `fib` and `readiness`; lists are taken whole. */
function mergeWritten(
  cluster: WrittenConfigurationSpec,
  own: WrittenConfigurationSpec,
): WrittenConfigurationSpec {
  const merged: Record<string, unknown> = { ...cluster }
  for (const field of perNodeFields) {
    const value = own[field]
    if (value === undefined) continue
    const below = merged[field]
    merged[field] = isRecord(value) && isRecord(below) ? { ...below, ...value } : value
  }
  return merged
}

function settlePreference(spec: BgpConfigurationSpec): { value: number; problems: Problem[] } {
  const { localPreference, ipv4NormalRoutePriority, ipv6NormalRoutePriority } = spec
  if (typeof localPreference === 'number') return { value: localPreference, problems: [] }
  const priority = ipv4NormalRoutePriority ?? ipv6NormalRoutePriority
  if (localPreference === undefined && priority === undefined) {
    return { value: defaultPreference, problems: [] }
  }
  const value = calicoPreferenceBase - (priority ?? calicoPriority)
  const differs = (ipv6NormalRoutePriority ?? priority) !== priority
  if (!differs) return { value, problems: [] }
  const message = `one LOCAL_PREF serves both families; it follows IPv4 (${value})`
  const remedy = 'give both families the same route priority'
  return {
    value,
    problems: [warn('RoutePriorityMismatch', 'BGPConfiguration/default', message, remedy)],
  }
}
