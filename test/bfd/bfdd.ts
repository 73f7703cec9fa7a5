/**
 * FRR's bfdd in a namespace: started on a configuration text, asked through vtysh in JSON. Neither the
 * system's service nor its sockets are touched.
 */
import { mkdirSync } from 'node:fs'
import type { Daemon, Namespace } from '../network/namespaces.ts'
import { Hopeless, waitFor, waitUntil } from '../network/wait.ts'

/** Debian keeps the daemons outside PATH. */
const daemons = '/usr/lib/frr'

export interface BfddPeer {
  readonly peer: string
  readonly status: string
  readonly diagnostic: string
  readonly 'remote-diagnostic': string
  readonly 'remote-receive-interval': number
  readonly 'remote-transmit-interval': number
  readonly 'remote-detect-multiplier': number
  readonly uptime?: number
}

export class Bfdd {
  readonly #namespace: Namespace
  readonly #folder: string
  readonly running: readonly Daemon[]

  private constructor(namespace: Namespace, folder: string, running: readonly Daemon[]) {
    this.#namespace = namespace
    this.#folder = folder
    this.running = running
  }

  /** Resolves when it answers. zebra tells it of interfaces. */
  static async start(namespace: Namespace, config: string): Promise<Bfdd> {
    const folder = `${namespace.files}.frr`
    mkdirSync(folder)
    // The daemons give up root for the user their package made; its group opens their sockets.
    await namespace.must('chown', ['frr:frr', folder])
    const start = (name: string, text: string, more: readonly string[] = []) =>
      namespace.start(`${daemons}/${name}`, [
        ...['-f', namespace.write(`${name}.conf`, text), '-i', `${folder}/${name}.pid`],
        ...['-z', `${folder}/zserv.api`, '--vty_socket', folder, '-P', '0'],
        ...['--log', `file:${folder}/${name}.log`],
        ...more,
      ])
    const answers = (daemon: Daemon, command: string) =>
      waitFor('FRR to answer', () => {
        if (daemon.ending) throw new Hopeless(`FRR ended: ${daemon.stderr}`)
        return bfdd.ask(command)
      })
    const running: Daemon[] = []
    const bfdd = new Bfdd(namespace, folder, running)
    running.push(start('zebra', ''))
    await answers(running[0]!, 'show interface brief json')
    running.push(start('bfdd', config, ['--bfdctl', `${folder}/bfdd.sock`]))
    await answers(running[1]!, 'show bfd peers json')
    return bfdd
  }

  ask(command: string): Promise<string> {
    return this.#namespace.must('vtysh', ['--vty_socket', this.#folder, '-c', command])
  }

  /** Commands of `configure terminal`, one a line. */
  async configure(...commands: readonly string[]): Promise<void> {
    const each = ['configure terminal', ...commands].flatMap((command) => ['-c', command])
    await this.#namespace.must('vtysh', ['--vty_socket', this.#folder, ...each])
  }

  async peers(): Promise<readonly BfddPeer[]> {
    return JSON.parse(await this.ask('show bfd peers json'))
  }

  /** The only peer, when it is in that state. */
  async peer(status: string): Promise<BfddPeer> {
    const [peer] = await waitUntil(
      `bfdd's peer to be ${status}`,
      () => this.peers(),
      (seen) => seen[0]?.status === status,
    )
    return peer!
  }
}
