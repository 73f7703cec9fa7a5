/**
 * BIRD 2 in a namespace: started on a configuration text, asked through birdc.
 */
import type { Daemon, Namespace } from './namespaces.ts'
import { Hopeless, waitFor } from './wait.ts'

export interface BirdRoute {
  readonly prefix: string
  readonly attributes: Readonly<Record<string, string>>
}

export class Bird {
  readonly #namespace: Namespace
  readonly #socket: string
  readonly daemon: Daemon

  private constructor(namespace: Namespace, socket: string, daemon: Daemon) {
    this.#namespace = namespace
    this.#socket = socket
    this.daemon = daemon
  }

  /** Resolves when it answers. */
  static async start(
    namespace: Namespace,
    config: string,
    args: readonly string[] = [],
  ): Promise<Bird> {
    const file = namespace.write('bird.conf', config)
    const socket = `${namespace.files}.bird.ctl`
    const daemon = namespace.start('bird', ['-f', '-c', file, '-s', socket, ...args])
    const bird = new Bird(namespace, socket, daemon)
    await waitFor('BIRD to answer', async () => {
      if (daemon.ending) throw new Hopeless(`BIRD ended: ${daemon.stderr}`)
      return (await bird.ask('show status')).includes('up and running')
    })
    return bird
  }

  /** What birdc prints for a command. */
  ask(command: string): Promise<string> {
    return this.#namespace.must('birdc', ['-s', this.#socket, ...command.split(' ')])
  }

  /** The BGP state of a protocol: `Established`, `Active`, … */
  async state(protocol: string): Promise<string> {
    const text = await this.ask(`show protocols all ${protocol}`)
    return /BGP state:\s+(\S+)/.exec(text)?.[1] ?? 'unknown'
  }

  /**
   * Routes with their attributes as birdc names them (`BGP.as_path`, …).
   *
   * @param selection the rest of `show route all`, e.g. `protocol tor` or `for 10.1.0.0/24 primary`
   */
  async routes(selection: string): Promise<BirdRoute[]> {
    const text = await this.ask(`show route all ${selection}`)
    const routes: BirdRoute[] = []
    let attributes: Record<string, string> = {}
    let prefix = ''
    for (const line of text.split('\n')) {
      // Only the first of several routes to a prefix names it.
      const route = /^(\S+\/\d+)?\s+\w+ \[/.exec(line)
      if (route) {
        prefix = route[1] ?? prefix
        attributes = {}
        routes.push({ prefix, attributes })
      }
      const [, name, value] = /^\s+((?:BGP\.)?\w+): (.*)$/.exec(line) ?? []
      if (name && value !== undefined) attributes[name] = value.trim()
    }
    return routes
  }
}
