/**
 * OpenBGPD in a namespace: started on a configuration text, asked through bgpctl in JSON. Its
 * portable version for Linux keeps no kernel routes.
 */
import type { Daemon, Namespace } from './namespaces.ts'
import { Hopeless, waitFor } from './wait.ts'

/**
 * It locks itself into the home of its user below /run, which only its service makes. What `ip netns
 * exec` runs has mounts of its own, so a /run of its own is nobody else's business.
 */
const inOwnRun = 'mount -t tmpfs none /run && mkdir /run/openbgpd && exec bgpd "$@"'

export class OpenBgpd {
  readonly #namespace: Namespace
  readonly #socket: string
  readonly daemon: Daemon

  private constructor(namespace: Namespace, socket: string, daemon: Daemon) {
    this.#namespace = namespace
    this.#socket = socket
    this.daemon = daemon
  }

  /** Resolves when it answers. `config` without a `socket` line. */
  static async start(namespace: Namespace, config: string): Promise<OpenBgpd> {
    const socket = `${namespace.files}.bgpd.sock`
    const file = namespace.write('bgpd.conf', `socket "${socket}"\n${config}`)
    // It refuses a file that others may read.
    await namespace.must('chmod', ['600', file])
    const daemon = namespace.start('sh', ['-c', inOwnRun, 'bgpd', '-d', '-f', file])
    const bgpd = new OpenBgpd(namespace, socket, daemon)
    await waitFor('OpenBGPD to answer', () => {
      if (daemon.ending) throw new Hopeless(`OpenBGPD ended: ${daemon.stderr}`)
      return bgpd.order('show', 'summary')
    })
    return bgpd
  }

  /** What bgpctl prints for a command. */
  order(...args: readonly string[]): Promise<string> {
    return this.#namespace.must('bgpctl', ['-s', this.#socket, ...args])
  }

  async ask<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.order('-j', ...args))
  }
}
