/**
 * Where one run takes place: two namespaces and a cable. The daemon has 10.0.0.1 on its end; all
 * players live behind the other end as 10.1.0.0/16 on the loopback, reached by one route, so that
 * every daemon finds a route to each next hop and no daemon is spared the way through a device.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { type Daemon, type Namespace, Network } from '../network/namespaces.ts'
import { Hopeless, waitFor } from '../network/wait.ts'

export const site = {
  address: '10.0.0.1',
  port: 179,
  asn: 64512,
  range: '10.1.0.0/16',
  gateway: '10.0.0.2',
  playerBase: '10.1.0.1',
} as const

/** Players 10.1.0.1 … 10.1.255.254. */
export const playersMax = 65_534

/** Connections that wait to be accepted: the kernel's limits must not be what is measured. */
const sysctls = ['net.ipv4.tcp_max_syn_backlog=16384', 'net.core.somaxconn=16384']

/** Binds what a program needs into a root of its own, in the mounts that `ip netns exec` makes. */
const inRoot = `
root=$1 folder=$2; shift 2
mount --bind "$folder" "$root/mnt" && mount --bind /dev "$root/dev" && mount --bind /proc "$root/proc" &&
mount -t tmpfs none "$root/run" && mkdir "$root/run/openbgpd" && exec chroot "$root" "$@"`
const inOwnRun = 'mount -t tmpfs none /run && mkdir /run/openbgpd && exec "$@"'

export class Site {
  readonly players: Namespace
  readonly #daemon: Namespace
  readonly #network: Network
  /** Of another system the daemon is taken from, or null. */
  readonly #root: string | null

  private constructor(
    network: Network,
    daemon: Namespace,
    players: Namespace,
    root: string | null,
  ) {
    this.#network = network
    this.#daemon = daemon
    this.players = players
    this.#root = root
  }

  static async open(root: string | null): Promise<Site> {
    const network = new Network({ teardown: () => {} })
    try {
      const daemon = await network.namespace('dut')
      const players = await network.namespace('load')
      for (const namespace of [daemon, players]) await namespace.must('sysctl', ['-qw', ...sysctls])
      await network.link(
        { namespace: daemon, interface: 'v0', addresses: [`${site.address}/24`] },
        { namespace: players, interface: 'v1', addresses: [`${site.gateway}/24`] },
      )
      await players.ip('route', 'add', 'local', site.range, 'dev', 'lo')
      await daemon.ip('route', 'add', site.range, 'via', site.gateway)
      return new Site(network, daemon, players, root)
    } catch (error) {
      await network.close()
      throw error
    }
  }

  /** Ends everything in it; the same happens when this process dies. */
  close(): Promise<void> {
    return this.#network.close()
  }

  /** Writes a file for the daemon; gives the path as the daemon sees it. */
  write(name: string, text: string): string {
    return this.seen(this.#daemon.write(name, text))
  }

  /** A path for a socket or a log, as the daemon sees it. */
  file(name: string): string {
    return this.seen(`${this.#daemon.files}.${name}`)
  }

  /** Runs a program to its end beside the daemon, in the same namespace. */
  async must(program: string, args: readonly string[]): Promise<string> {
    return this.#daemon.must(program, args)
  }

  /** Where the daemon sees a file of this site's folder. */
  seen(file: string): string {
    return this.#root === null ? file : path.join('/mnt', path.basename(file))
  }

  /** Where this process sees it. */
  hostPath(name: string): string {
    return `${this.#daemon.files}.${name}`
  }

  /** Starts the daemon and resolves when it listens. */
  async start(program: string, args: readonly string[]): Promise<Daemon> {
    const own = this.#root === null ? [inOwnRun] : [inRoot]
    const where = this.#root === null ? [] : [this.#root, this.#network.folder]
    const daemon = this.#daemon.start('sh', ['-c', ...own, 'sh', ...where, program, ...args])
    await waitFor(`${program} to listen on port ${site.port}`, () => {
      if (daemon.ending) {
        throw new Hopeless(`${program} ended: ${daemon.stderr}${daemon.stdout}`)
      }
      return listens(daemon.pid, site.port)
    })
    return daemon
  }
}

/** Whether a socket of the network that `pid` lives in listens on this TCP port. */
function listens(pid: number, port: number): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const listening = '0A'
  return ['tcp', 'tcp6'].some((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .some(([, local, , state]) => local?.endsWith(suffix) && state === listening),
  )
}

/** The process and those it has forked. */
export function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return [pid, ...children.split(' ').filter(Boolean).map(Number).flatMap(familyOf)]
}
