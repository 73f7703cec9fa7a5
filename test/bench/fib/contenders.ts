/**
 * Who installs routes into the kernel, and how each is told to: a C program that does nothing else,
 * with gateways and with a nexthop object, routelet's kernel writer in its thread, BIRD with static
 * routes, and `ip -batch`. All have the same routes over one gateway to install, into a network
 * namespace of their own. FRR isn't among them: its staticd reads 20,000 routes in a minute and more,
 * which says nothing of its zebra; it is measured from BGP (from-bgp.ts).
 */
import type { WantedChanges } from '../../../fib/types.ts'
import { createFibWorker } from '../../../src/workers/fib-proxy.ts'
import { firstLine } from '../../failover/node-daemons.ts'
import { settings } from '../../fib/scene.ts'
import { Bird } from '../../network/bird.ts'
import { missing, type Namespace, type Scope } from '../../network/namespaces.ts'
import { prefixTable, tableLength, wordAt } from '../../network/table.ts'

export interface Task {
  readonly node: Namespace
  readonly count: number
  readonly gateway: string
  readonly device: string
  /** The compiled install.c. */
  readonly program: string
  /** Ends with the run. */
  readonly scope: Scope
}

export interface Contender {
  readonly name: string
  /** Programs it needs. */
  readonly needs: readonly string[]
  /** As the program says it; empty for ours. */
  readonly version: () => Promise<string>
  /** Gets everything ready; what it gives begins the installation, and must not wait for its end. */
  readonly prepare: (task: Task) => Promise<() => Promise<unknown> | undefined>
}

const wantedSet = { id: 1, peers: [] } as const

export const contenders: readonly Contender[] = [
  {
    name: 'C',
    needs: ['cc'],
    version: async () => '',
    prepare: async (task) => startC(task, 'nexthop'),
  },
  {
    name: 'C with gateways',
    needs: ['cc'],
    version: async () => '',
    prepare: async (task) => startC(task, 'gateway'),
  },
  {
    name: 'routelet',
    needs: [],
    version: async () => `Node ${process.version}`,
    prepare: async ({ node, count, gateway, scope }) => {
      const fib = createFibWorker(settings, { netnsPath: `/run/netns/${node.name}` })
      await fib.start()
      scope.teardown(() => fib.close())
      const changes = wantedRoutes(count, gateway)
      return () => {
        fib.change(changes)
        return undefined
      }
    },
  },
  {
    name: 'BIRD',
    needs: ['bird', 'birdc'],
    version: () => firstLine('bird', '--version'),
    prepare: async ({ node, count, gateway }) => {
      const routes = prefixTable(count).map((prefix) => `  route ${prefix} via ${gateway};`)
      const config = `router id 10.0.0.1;
protocol device {}
protocol kernel { scan time 3600; ipv4 { import none; export all; }; }
protocol static table4 { disabled; ipv4;
${routes.join('\n')}
}
`
      const bird = await Bird.start(node, config, ['-P', `${node.files}.pid`])
      return () => bird.ask('enable table4')
    },
  },
  {
    name: 'ip -batch',
    needs: ['ip'],
    version: () => firstLine('ip', '-V'),
    prepare: async ({ node, count, gateway, device }) => {
      const lines = prefixTable(count).map(
        (prefix) => `route add ${prefix} via ${gateway} dev ${device}`,
      )
      const file = node.write('batch', lines.join('\n'))
      return () => node.must('ip', ['-batch', file])
    },
  },
]

/** Why a contender can't run here, or false. */
export function cannotRun({ needs }: Contender): Promise<string | false> {
  return missing(...needs)
}

function startC(
  { node, count, gateway, device, program }: Task,
  how: 'gateway' | 'nexthop',
): () => Promise<unknown> {
  return () => node.must(program, [how, String(count), device, gateway])
}

/** As the RIB sends them: one batch of packed columns. */
function wantedRoutes(count: number, gateway: string): WantedChanges {
  return {
    family: 'ipv4-unicast',
    count,
    addresses: Uint32Array.from({ length: count }, (_, index) => wordAt(index)),
    lengths: new Uint8Array(count).fill(tableLength),
    nextHopSets: new Uint32Array(count).fill(wantedSet.id),
    sets: [{ ...wantedSet, nextHops: [gateway] }],
  }
}
