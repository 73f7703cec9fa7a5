/**
 * The routing daemons that are compared as a node's agent, each told the same: two switches, eBGP,
 * ECMP over both, BFD at 50 ms × 3, and what each has to make a failover quick. BIRD drops a session
 * when its link does (`check link`), FRR too (its default), and FRR shares nexthop groups in the
 * kernel (its default as well).
 */
import { execFile } from 'node:child_process'
import { clusterAsn, podCidrs, type Rack } from '../chaos/rack.ts'
import { Agent } from '../network/agent.ts'
import { Bird } from '../network/bird.ts'
import { Frr, frrDaemons } from '../network/frr.ts'
import { missing } from '../network/namespaces.ts'

export interface NodeDaemon {
  readonly name: string
  /** As the program says it. */
  version(): Promise<string>
  /** Why it can't run here, or false. */
  cannotRun(): Promise<string | false>
  /** Starts it in the rack's node; it ends with the network. */
  start(rack: Rack, bfdMs: number): Promise<void>
}

const switchNumbers = [1, 2] as const
const peerOf = (number: number) => `10.99.${number}.1`

export const nodeDaemons: readonly NodeDaemon[] = [
  {
    name: 'routelet',
    version: async () => `Node ${process.version}`,
    cannotRun: async () => false,
    start: async (rack) => {
      await Agent.start(rack.node, { node: 'node', manifests: rack.manifests })
    },
  },
  {
    name: 'BIRD',
    version: () => firstLine('bird', '--version'),
    cannotRun: () => missing('bird', 'birdc'),
    start: async ({ node }, bfdMs) => {
      await Bird.start(node, birdConfig(bfdMs), ['-P', `${node.files}.pid`])
    },
  },
  {
    name: 'FRR',
    version: () => firstLine(`${frrDaemons}/bgpd`, '--version'),
    cannotRun: () => missing('vtysh'),
    start: async ({ node }, bfdMs) => {
      await Frr.start(node, frrConfig(bfdMs), { bfd: true })
    },
  },
]

/** What a program says first when asked for its version; BIRD does on stderr. */
export function firstLine(program: string, ...args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, args, (_error, stdout, stderr) => {
      resolve(`${stdout}${stderr}`.trim().split('\n')[0] ?? '')
    })
  })
}

function birdConfig(bfdMs: number): string {
  const sessions = switchNumbers.map(
    (number) => `protocol bgp s${number} {
  local 10.99.${number}.2 as ${clusterAsn};
  neighbor ${peerOf(number)} as ${65_000 + number};
  connect delay time 1; connect retry time 2; error wait time 1, 4;
  check link yes;
  bfd yes;
  ipv4 { import all; export where source = RTS_STATIC; };
}`,
  )
  return `router id 10.99.1.2;
protocol device { scan time 10; }
protocol kernel { merge paths yes; scan time 60; ipv4 { import none; export where source = RTS_BGP; }; }
protocol static { ipv4; route ${podCidrs[0]} unreachable; }
protocol bfd { interface "eth*" { min rx interval ${bfdMs} ms; min tx interval ${bfdMs} ms; multiplier 3; }; }
${sessions.join('\n')}
`
}

function frrConfig(bfdMs: number): string {
  const neighbours = switchNumbers.flatMap((number) => [
    ` neighbor ${peerOf(number)} remote-as ${65_000 + number}`,
    ` neighbor ${peerOf(number)} timers connect 1`,
    ` neighbor ${peerOf(number)} advertisement-interval 0`,
    ` neighbor ${peerOf(number)} bfd 3 ${bfdMs} ${bfdMs}`,
  ])
  return `${[
    `router bgp ${clusterAsn}`,
    ' bgp router-id 10.99.1.2',
    ' no bgp ebgp-requires-policy',
    ' no bgp network import-check',
    ' no bgp suppress-duplicates',
    ' bgp bestpath as-path multipath-relax',
    ...neighbours,
    ' address-family ipv4 unicast',
    `  network ${podCidrs[0]}`,
    '  maximum-paths 16',
    ' exit-address-family',
  ].join('\n')}\n`
}
