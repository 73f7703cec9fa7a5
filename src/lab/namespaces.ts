/**
 * A planned network made real with `ip` (iproute2), and removed again. Every namespace of one
 * network bears its prefix (`rl-3f9a1c-n1`), so that many labs live side by side; interfaces are
 * made inside the namespaces and never show up in the host's.
 */
import { findProgram, forEachOf, run, runAnyway, runNow } from './commands.ts'
import { LabError } from './options.ts'
import type { InterfacePlan, LinkPlan, NamespacePlan, Plan } from './topology.ts'

/** `ip` processes at one time: starting one costs more than what it does. */
const PARALLEL_COMMANDS = 4

export interface Network {
  /** Builds all namespaces, links, addresses and routes of the plan, or throws a LabError. */
  build(): Promise<void>
  /** Full name of a namespace of the plan. */
  name(namespace: string): string
  /** Command line that runs `command` inside. */
  inside(namespace: string, command: readonly string[]): string[]
  /** Names of all namespaces. */
  readonly namespaces: readonly string[]
  /** Idempotent, also after a failed or unfinished build. The processes inside should have ended. */
  remove(): Promise<void>
  /** As `remove`, synchronously, for a process that is about to end. */
  removeNow(): void
}

/**
 * The network of a plan; nothing happens before `build`.
 * @param prefix unique among all networks of this machine, e.g. `rl-3f9a1c`
 * @param privileged false for root of a user namespace that left the network to the host
 */
export function createNetwork(
  plan: Pick<Plan, 'namespaces' | 'links'>,
  prefix: string,
  { privileged = true }: { privileged?: boolean } = {},
): Network {
  const name = (namespace: string) => `${prefix}-${namespace}`
  const namespaces = plan.namespaces.map((namespace) => name(namespace.name))
  const removal = namespaces.map((namespace) => `netns delete ${namespace}\n`).join('')
  // A failed build removes namespaces that never came to be: -force goes on to the next.
  const removalCommand = ['ip', '-force', '-batch', '-']
  let present = false
  let building: Promise<void> = Promise.resolve()
  const network: Network = {
    name,
    namespaces,
    inside: (namespace, command) => ['ip', 'netns', 'exec', name(namespace), ...command],
    async build() {
      if (findProgram('ip') === null) {
        throw new LabError('the program `ip` is not installed; install the package iproute2')
      }
      present = true
      building = createNamespaces(network, privileged).then(() =>
        configureNamespaces(plan, network),
      )
      await building
    },
    async remove() {
      if (!present) return
      // Removed while it is still being built, half of it would come after.
      await Promise.allSettled([building])
      await runAnyway(removalCommand, removal)
      present = false
    },
    removeNow() {
      if (!present) return
      runNow(removalCommand, removal)
      present = false
    },
  }
  return network
}

/** Settings first, so that interfaces are born with them; all links before any address. */
async function configureNamespaces(
  plan: Pick<Plan, 'namespaces' | 'links'>,
  network: Network,
): Promise<void> {
  const forEachNamespace = (work: (namespace: NamespacePlan) => Promise<unknown>) =>
    forEachOf(plan.namespaces, PARALLEL_COMMANDS, work)
  await forEachNamespace(({ name }) => run(network.inside(name, ['sh', '-c', sysctlScript()])))
  await forEachNamespace((namespace) =>
    runBatch(network.name(namespace.name), [
      ...bridgeLines(namespace),
      ...linkLines(namespace, plan.links, network),
    ]),
  )
  await forEachNamespace((namespace) =>
    runBatch(network.name(namespace.name), configurationLines(namespace)),
  )
}

async function createNamespaces(network: Network, privileged: boolean): Promise<void> {
  const lines = network.namespaces.map((namespace) => `netns add ${namespace}\n`)
  // After each one `ip` goes back to where it came from. Root of a user namespace may not enter the
  // host's network namespace, so it comes from one of its own.
  const from = privileged ? [] : ['unshare', '--net', '--']
  try {
    await run([...from, 'ip', '-batch', '-'], lines.join(''))
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error)
    throw new LabError(
      `cannot make network namespaces (${words}); run as root with CAP_SYS_ADMIN and ` +
        'CAP_NET_ADMIN, or as a user where the kernel allows user namespaces',
      { cause: error },
    )
  }
}

async function runBatch(namespace: string, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return
  await run(['ip', '-n', namespace, '-batch', '-'], `${lines.join('\n')}\n`)
}

/** Must be there: without forwarding or IPv6 there is no lab. */
const requiredSysctls: readonly (readonly [path: string, value: string])[] = [
  ['ipv4/ip_forward', '1'],
  ['ipv6/conf/all/disable_ipv6', '0'],
  ['ipv6/conf/default/disable_ipv6', '0'],
  ['ipv6/conf/all/forwarding', '1'],
]

/** Set where the kernel has them. */
const optionalSysctls: readonly (readonly [path: string, value: string])[] = [
  // Hash on ports too, so that flows spread over ECMP.
  ['ipv4/fib_multipath_hash_policy', '1'],
  ['ipv6/fib_multipath_hash_policy', '1'],
  ['ipv4/fib_multipath_use_neigh', '1'],
  // A path over a link without carrier is no path.
  ['ipv4/conf/all/ignore_routes_with_linkdown', '1'],
  ['ipv4/conf/default/ignore_routes_with_linkdown', '1'],
  ['ipv6/conf/all/ignore_routes_with_linkdown', '1'],
  ['ipv6/conf/default/ignore_routes_with_linkdown', '1'],
  // Traffic comes and goes by different links when there are two.
  ['ipv4/conf/all/rp_filter', '0'],
  ['ipv4/conf/default/rp_filter', '0'],
  ['ipv4/conf/all/send_redirects', '0'],
  ['ipv4/conf/default/send_redirects', '0'],
  // IPv6 addresses can be used at once: no duplicate address detection.
  ['ipv6/conf/all/accept_dad', '0'],
  ['ipv6/conf/default/accept_dad', '0'],
  ['ipv6/conf/all/accept_ra', '0'],
  ['ipv6/conf/default/accept_ra', '0'],
]

function sysctlScript(): string {
  const required = requiredSysctls.map(
    ([path, value]) => `echo ${value} > /proc/sys/net/${path} || exit 1`,
  )
  const optional = optionalSysctls.map(
    ([path, value]) => `[ ! -w /proc/sys/net/${path} ] || echo ${value} > /proc/sys/net/${path}`,
  )
  return [...required, ...optional, 'exit 0'].join('\n')
}

function bridgeLines(namespace: NamespacePlan): string[] {
  return namespace.interfaces
    .filter(({ kind }) => kind === 'bridge')
    .map(({ name }) => `link add ${name} type bridge stp_state 0 mcast_snooping 0`)
}

function linkLines(
  namespace: NamespacePlan,
  links: readonly LinkPlan[],
  network: Network,
): string[] {
  return links
    .filter(({ ends }) => ends[0].namespace === namespace.name)
    .map(
      ({ ends: [near, far] }) =>
        `link add ${near.interface} type veth peer name ${far.interface} ` +
        `netns ${network.name(far.namespace)}`,
    )
}

/** Interfaces up with their addresses, then the routes, which need them. */
function configurationLines(namespace: NamespacePlan): string[] {
  return [
    ...namespace.interfaces.flatMap(interfaceLines),
    ...namespace.routes.map(
      (route) =>
        `route add ${route.prefix}${route.via === null ? '' : ` via ${route.via}`} ` +
        `dev ${route.interface}`,
    ),
  ]
}

function interfaceLines(plan: InterfacePlan): string[] {
  const settings = [
    ...(plan.mac === undefined ? [] : [`address ${plan.mac}`]),
    ...(plan.bridge === undefined ? [] : [`master ${plan.bridge}`]),
    'up',
  ]
  return [
    `link set ${plan.name} ${settings.join(' ')}`,
    ...plan.addresses.map(({ prefix, scope }) =>
      prefix.includes(':')
        ? `address add ${prefix} dev ${plan.name} nodad`
        : `address add ${prefix} dev ${plan.name} scope ${scope}`,
    ),
  ]
}
