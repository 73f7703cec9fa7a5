/**
 * The daemons that are compared, one row each: how to find it, how to configure it as a route
 * reflector that accepts clients from a range, and how to start it. All import and export everything;
 * all next hops resolve.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { version } from '../../src/version.ts'
import type { Daemon } from '../network/namespaces.ts'
import { type Site, site } from './site.ts'

export interface Demand {
  /** Clients ask for ADD-PATH. */
  readonly addPath: boolean
  /** The daemon is to measure its own event loop, if it has one: load/loop-clock.ts. */
  readonly loopClock: boolean
}

export interface Kind {
  /** As shown; a daemon with several major versions has one row each. */
  readonly name: string
  /** Program files to look for, in PATH or below the root. */
  readonly programs: readonly string[]
  readonly versionArgs: readonly string[]
  /** Its first group is the version; a program that doesn't match is another daemon. */
  readonly version: RegExp
  /** Paths it sends of one prefix with ADD-PATH; null: not compared there. */
  readonly addPaths: number | null
  /** Adds ORIGINATOR_ID and CLUSTER_LIST. */
  readonly reflects: boolean
  /** Has routelet's HTTP API, and an event loop that can be looked at. */
  readonly isRoutelet: boolean
  start(site: Site, program: string, demand: Demand): Promise<Daemon>
}

export interface Contender {
  readonly kind: Kind
  readonly program: string
  readonly version: string
  readonly root: string | null
}

const built = path.resolve(import.meta.dirname, '..', '..')
const loopClock = new URL('./load/loop-clock.js', import.meta.url).href
/** "All": more than there are players. */
const everyPath = 1_000_000
const fewPaths = 16
/** Endings of the files a routelet leaves beside its manifests. */
export const routeletFiles = { api: 'api', loop: 'loop' } as const
const holdSeconds = 180

const routelet: Kind = {
  name: 'routelet',
  programs: [],
  versionArgs: [],
  version: /(.*)/,
  addPaths: fewPaths,
  reflects: true,
  isRoutelet: true,
  start: (where, program, demand) => {
    const folder = where.hostPath('manifests')
    mkdirSync(folder)
    writeFileSync(path.join(folder, 'reflector.yaml'), manifests(demand))
    const clock = [
      `ROUTELET_BENCH_LOOP=${where.file(routeletFiles.loop)}`,
      ...[process.execPath, '--import', loopClock],
    ]
    return where.start('env', [
      ...(demand.loopClock ? clock : [process.execPath]),
      ...[program, 'run', '--node', 'reflector', '--manifests', folder, '--fib', 'none'],
      ...['--api', `unix:${where.file(routeletFiles.api)}`, '--state-dir', where.file('state')],
      ...['--log-level', 'warn'],
    ])
  },
}

function manifests({ addPath }: Demand): string {
  return `apiVersion: v1
kind: Node
metadata:
  name: reflector
  annotations:
    projectcalico.org/IPv4Address: ${site.address}/24
    projectcalico.org/RouteReflectorClusterID: 244.0.0.1
status:
  addresses: [{ type: InternalIP, address: ${site.address} }]
---
apiVersion: routelet.io/v1
kind: BGPConfiguration
metadata: { name: default }
spec: { asNumber: ${site.asn}, listenPort: ${site.port}, nodeToNodeMeshEnabled: false }
---
apiVersion: routelet.io/v1
kind: BGPPeer
metadata: { name: clients }
spec:
  peerRange: ${site.range}
  asNumber: ${site.asn}
  routeReflectorClient: true
  passive: true
${addPath ? '  addPaths: { receive: true, send: Multipath }\n' : ''}`
}

/** BIRD 2 and 3 differ in their threads alone: by default 3 has one, which loses to 2. */
function bird(name: string, major: number, threads: number | null): Kind {
  return {
    name,
    programs: ['bird', '/usr/sbin/bird', '/opt/bird2/usr/sbin/bird'],
    versionArgs: ['--version'],
    version: new RegExp(`BIRD (?:version )?(${major}\\.\\S+)`),
    addPaths: everyPath,
    reflects: true,
    isRoutelet: false,
    start: (where, program, { addPath }) => {
      const config = `
router id ${site.address};
${threads === null ? '' : `threads ${threads};`}
log "${where.file('log')}" { warning, error, fatal, bug };
protocol device { }
ipv4 table igp4;
protocol static { ipv4 { table igp4; }; route ${site.range} via ${site.gateway}; }
protocol bgp clients {
  local ${site.address} port ${site.port} as ${site.asn};
  neighbor range ${site.range} as ${site.asn};
  rr client; rr cluster id ${site.address}; passive; hold time ${holdSeconds};
  ipv4 { import all; export all; igp table igp4; ${addPath ? 'add paths on;' : ''} };
}
`
      return where.start(program, [
        ...['-f', '-c', where.write('conf', config), '-s', where.file('ctl')],
        ...['-P', where.file('pid')],
      ])
    },
  }
}

/**
 * FRR with two settings of its documentation. Its coalesce time grows by 50 ms for each session, up
 * to 10 s, before a newcomer gets its table; its input queue is limited to 10,000 messages, and what
 * exceeds it waits for the peer's next message. Without them it can't finish some scenarios.
 */
const frr: Kind = {
  name: 'frr',
  programs: ['/usr/lib/frr/bgpd'],
  versionArgs: ['--version'],
  version: /bgpd version (\S+)/,
  addPaths: everyPath,
  reflects: true,
  isRoutelet: false,
  start: (where, program, { addPath }) => {
    const config = `
frr defaults traditional
log file ${where.file('log')} warnings
bgp input-queue-limit 4000000
router bgp ${site.asn}
 bgp router-id ${site.address}
 no bgp default ipv4-unicast
 coalesce-time 50
 bgp cluster-id ${site.address}
 neighbor clients peer-group
 neighbor clients remote-as ${site.asn}
 bgp listen limit 10000
 bgp listen range ${site.range} peer-group clients
 address-family ipv4 unicast
  neighbor clients activate
  neighbor clients route-reflector-client
${addPath ? '  neighbor clients addpath-tx-all-paths\n' : ''} exit-address-family
`
    const sockets = path.dirname(where.file('vty'))
    return where.start(program, [
      ...['-S', '-Z', '-n', '-f', where.write('conf', config), '-i', where.file('pid')],
      ...['-l', site.address, '-p', String(site.port), '-A', '127.0.0.1', '-P', '0'],
      ...['--vty_socket', sockets, '--limit-fds', '20000'],
    ])
  },
}

/** Its dynamic neighbours are sent nothing with `send-max`, so ADD-PATH isn't compared. */
const gobgp: Kind = {
  name: 'gobgp',
  programs: ['gobgpd', '/usr/bin/gobgpd'],
  versionArgs: ['--version'],
  version: /gobgpd version (\S+)/,
  addPaths: null,
  reflects: true,
  isRoutelet: false,
  start: (where, program) => {
    const config = `
[global.config]
as = ${site.asn}
router-id = "${site.address}"
port = ${site.port}
local-address-list = ["${site.address}"]
[[peer-groups]]
[peer-groups.config]
peer-group-name = "clients"
peer-as = ${site.asn}
[peer-groups.timers.config]
hold-time = ${holdSeconds}
keepalive-interval = 60
[peer-groups.route-reflector.config]
route-reflector-client = true
route-reflector-cluster-id = "${site.address}"
[[peer-groups.afi-safis]]
[peer-groups.afi-safis.config]
afi-safi-name = "ipv4-unicast"
[[dynamic-neighbors]]
[dynamic-neighbors.config]
prefix = "${site.range}"
peer-group = "clients"
`
    return where.start(program, [
      ...['-f', where.write('toml', config), '-l', 'warn', '--pprof-disable'],
      ...['--api-hosts', `unix://${where.file('api')}`],
    ])
  },
}

const openbgpd: Kind = {
  name: 'openbgpd',
  programs: ['bgpd', '/usr/sbin/bgpd'],
  versionArgs: ['-V'],
  version: /OpenBGPD (\S+)/,
  addPaths: fewPaths,
  reflects: true,
  isRoutelet: false,
  start: async (where, program, { addPath }) => {
    const config = `
AS ${site.asn}
router-id ${site.address}
listen on ${site.address} port ${site.port}
fib-update no
socket "${where.file('sock')}"
nexthop qualify via default
group "clients" {
 neighbor ${site.range} {
  remote-as ${site.asn}
  route-reflector ${site.address}
  passive
  holdtime ${holdSeconds}
  announce IPv4 unicast
${addPath ? `  announce add-path send ecmp max ${fewPaths}\n` : ''} }
}
allow from any
allow to any
`
    const file = where.write('conf', config)
    // It refuses a file that others may read.
    await where.must('chmod', ['600', where.hostPath('conf')])
    return where.start(program, ['-d', '-f', file])
  },
}

/** Not a daemon: the floor under all figures. */
const relay: Kind = {
  name: 'relay',
  programs: [],
  versionArgs: [],
  version: /(.*)/,
  addPaths: null,
  reflects: false,
  isRoutelet: false,
  start: (where, program) =>
    where.start(process.execPath, [program, site.address, String(site.port), String(site.asn)]),
}

/** In the order of the tables. */
export const kinds: readonly Kind[] = [
  routelet,
  bird('bird2', 2, null),
  bird('bird3', 3, 2),
  frr,
  gobgp,
  openbgpd,
  relay,
]

/** What is there to compare with: in PATH and its usual places, or below `root` when there is one. */
export async function findContenders(root: string | null): Promise<Contender[]> {
  const found: Contender[] = [
    { kind: routelet, program: path.join(built, 'src/main.js'), version, root: null },
  ]
  for (const kind of kinds.filter(({ programs }) => programs.length > 0)) {
    const contender = await find(kind, root)
    if (contender !== null) found.push(contender)
  }
  const relayFile = path.join(built, 'test/bench/load/relay.js')
  found.push({ kind: relay, program: relayFile, version, root: null })
  return found
}

async function find(kind: Kind, root: string | null): Promise<Contender | null> {
  for (const program of kind.programs) {
    const absolute = program.startsWith('/')
    if (absolute && !existsSync(path.join(root ?? '/', program))) continue
    const [command, ...before] = root === null ? [program] : ['chroot', root, program]
    const said = await outputOf(command as string, [...before, ...kind.versionArgs])
    const version = kind.version.exec(said)?.[1]
    if (version !== undefined) return { kind, program, version, root }
  }
  return null
}

/** Both streams; nothing when there is no such program. */
function outputOf(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: 10_000 }, (_error, stdout, stderr) => {
      resolve(`${stdout}${stderr}`)
    })
  })
}
