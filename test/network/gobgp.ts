/**
 * GoBGP in a namespace: started on a configuration text (TOML), asked through `gobgp` in JSON. Every
 * namespace has a loopback of its own, so its usual gRPC port is always free.
 */
import type { Daemon, Namespace } from './namespaces.ts'
import { Hopeless, waitFor } from './wait.ts'

export class GoBgp {
  readonly #namespace: Namespace
  readonly daemon: Daemon

  private constructor(namespace: Namespace, daemon: Daemon) {
    this.#namespace = namespace
    this.daemon = daemon
  }

  /** Resolves when it answers. */
  static async start(
    namespace: Namespace,
    config: string,
    args: readonly string[] = [],
  ): Promise<GoBgp> {
    const file = namespace.write('gobgpd.toml', config)
    const daemon = namespace.start('gobgpd', ['-f', file, '--log-plain', ...args])
    const gobgp = new GoBgp(namespace, daemon)
    await waitFor('GoBGP to answer', () => {
      if (daemon.ending) throw new Hopeless(`GoBGP ended: ${daemon.stdout}${daemon.stderr}`)
      return gobgp.order('global')
    })
    return gobgp
  }

  /** What `gobgp` prints for a command. */
  order(...args: readonly string[]): Promise<string> {
    return this.#namespace.must('gobgp', args)
  }

  /** The same as JSON; an empty answer is null. */
  async ask<T>(...args: readonly string[]): Promise<T | null> {
    const text = await this.order('-j', ...args)
    return text.trim() === '' ? null : JSON.parse(text)
  }
}
