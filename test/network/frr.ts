/**
 * FRR (zebra and bgpd, bfdd where it is asked for) in a namespace: started on a configuration text, asked through vtysh in JSON.
 * Neither the system's service nor its sockets are touched.
 */
import { mkdirSync } from 'node:fs'
import type { Daemon, Namespace } from './namespaces.ts'
import { Hopeless, waitFor } from './wait.ts'

/** Debian keeps the daemons outside PATH. */
export const frrDaemons = '/usr/lib/frr'

export class Frr {
  readonly #namespace: Namespace
  readonly #folder: string
  readonly #config: string
  #bgpd: Daemon | null = null

  private constructor(namespace: Namespace, config: string) {
    this.#namespace = namespace
    this.#folder = `${namespace.files}.frr`
    this.#config = config
  }

  /** Resolves when bgpd answers. `config` is bgpd's; zebra needs none, and bfdd neither. */
  static async start(
    namespace: Namespace,
    config: string,
    { bfd = false }: { readonly bfd?: boolean } = {},
  ): Promise<Frr> {
    const frr = new Frr(namespace, config)
    mkdirSync(frr.#folder)
    // The daemons give up root for the user their package made; its group opens their sockets.
    await namespace.must('chown', ['frr:frr', frr.#folder])
    // One after the other: a bgpd that has a session before it knows its interfaces withdraws IPv6
    // routes whose next hop has a link-local address.
    const zebra = frr.#start('zebra', '')
    await frr.#answers(zebra, 'show interface brief json')
    if (bfd) {
      const bfdd = frr.#start('bfdd', '', ['--bfdctl', `${frr.#folder}/bfdd.sock`])
      await frr.#answers(bfdd, 'show bfd peers json')
    }
    await frr.startBgpd()
    return frr
  }

  /** Starts bgpd beside the zebra that runs; resolves when it answers. */
  async startBgpd(): Promise<void> {
    this.#bgpd = this.#start('bgpd', this.#config)
    await this.#answers(this.#bgpd, 'show bgp summary json')
  }

  async killBgpd(): Promise<void> {
    await this.#bgpd?.stop('SIGKILL')
  }

  #start(name: string, config: string, more: readonly string[] = []): Daemon {
    const [folder, namespace] = [this.#folder, this.#namespace]
    return namespace.start(`${frrDaemons}/${name}`, [
      ...['-f', namespace.write(`${name}.conf`, config), '-i', `${folder}/${name}.pid`],
      ...['-z', `${folder}/zserv.api`, '--vty_socket', folder, '-P', '0'],
      ...['--log', `file:${folder}/${name}.log`, ...more],
    ])
  }

  async #answers(daemon: Daemon, command: string): Promise<void> {
    await waitFor('FRR to answer', () => {
      if (daemon.ending) throw new Hopeless(`FRR ended: ${daemon.stderr}`)
      return this.order(command)
    })
  }

  /** What vtysh prints for commands, one after the other in one session. */
  order(...commands: readonly string[]): Promise<string> {
    const each = commands.flatMap((command) => ['-c', command])
    return this.#namespace.must('vtysh', ['--vty_socket', this.#folder, ...each])
  }

  async ask<T = Record<string, unknown>>(command: string): Promise<T> {
    return JSON.parse(await this.order(command))
  }

  /** Several questions at once; the answers are objects that begin and end a line. */
  async askAll<T>(commands: readonly string[]): Promise<T[]> {
    const text = await this.order(...commands)
    return text
      .split(/^(?=\{)/m)
      .filter((part) => part.startsWith('{'))
      .map((part) => JSON.parse(part))
  }

  /** The state of a neighbour: `Established`, `Active`, … */
  async state(neighbour: string): Promise<string> {
    const answer = await this.ask<Record<string, { bgpState?: string }>>(
      `show bgp neighbors ${neighbour} json`,
    )
    return answer[neighbour]?.bgpState ?? 'unknown'
  }

  /** Prefixes accepted from a neighbour. */
  async prefixes(neighbour: string, family: 'ipv4' | 'ipv6'): Promise<string[]> {
    const answer = await this.ask<{ routes?: Record<string, unknown> }>(
      `show bgp ${family} unicast neighbors ${neighbour} routes json`,
    )
    return Object.keys(answer.routes ?? {}).sort()
  }
}
