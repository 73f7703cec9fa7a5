/**
 * FRR (zebra and bgpd) in a namespace: started on a configuration text, asked through vtysh in JSON.
 * Neither the system's service nor its sockets are touched.
 */
import { mkdirSync } from 'node:fs'
import type { Daemon, Namespace } from './namespaces.ts'
import { Hopeless, waitFor } from './wait.ts'

/** Debian keeps the daemons outside PATH. */
const daemons = '/usr/lib/frr'

export class Frr {
  readonly #namespace: Namespace
  readonly #folder: string
  readonly daemons: readonly Daemon[]

  private constructor(namespace: Namespace, folder: string, running: readonly Daemon[]) {
    this.#namespace = namespace
    this.#folder = folder
    this.daemons = running
  }

  /** Resolves when bgpd answers. `config` is bgpd's; zebra needs none. */
  static async start(namespace: Namespace, config: string): Promise<Frr> {
    const folder = `${namespace.files}.frr`
    mkdirSync(folder)
    // The daemons give up root for the user their package made; its group opens their sockets.
    await namespace.must('chown', ['frr:frr', folder])
    const start = (name: string, text: string) =>
      namespace.start(`${daemons}/${name}`, [
        ...['-f', namespace.write(`${name}.conf`, text), '-i', `${folder}/${name}.pid`],
        ...['-z', `${folder}/zserv.api`, '--vty_socket', folder, '-P', '0'],
        ...['--log', `file:${folder}/${name}.log`],
      ])
    const vtysh = (command: string) =>
      namespace.must('vtysh', ['--vty_socket', folder, '-c', command])
    const answers = (daemon: Daemon, command: string) =>
      waitFor('FRR to answer', () => {
        if (daemon.ending) throw new Hopeless(`FRR ended: ${daemon.stderr}`)
        return vtysh(command)
      })
    // One after the other: a bgpd that has a session before it knows its interfaces withdraws IPv6
    // routes whose next hop has a link-local address.
    const zebra = start('zebra', '')
    await answers(zebra, 'show interface brief json')
    const bgpd = start('bgpd', config)
    await answers(bgpd, 'show bgp summary json')
    return new Frr(namespace, folder, [zebra, bgpd])
  }

  ask<T = Record<string, unknown>>(command: string): Promise<T> {
    return this.#namespace
      .must('vtysh', ['--vty_socket', this.#folder, '-c', command])
      .then((text) => JSON.parse(text))
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
