/**
 * The agent as its users run it: the built command in a namespace, told by a folder of manifests,
 * asked through its API on a unix socket.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import path from 'node:path'
import type { EventView, NodeView } from '../../api/views.ts'
import type { PeerView } from '../../bgp/types.ts'
import type { Daemon, Ending, Namespace } from './namespaces.ts'
import { Hopeless, waitFor, waitUntil } from './wait.ts'

/** The command `routelet`, as built. */
export const command = path.resolve(import.meta.dirname, '../../src/main.js')

/** A folder of manifests, one file for each name. */
export class Manifests {
  readonly folder: string

  constructor(folder: string, files: Readonly<Record<string, string>> = {}) {
    this.folder = folder
    mkdirSync(folder, { recursive: true })
    for (const [name, text] of Object.entries(files)) this.write(name, text)
  }

  write(name: string, text: string): void {
    writeFileSync(this.#path(name), text)
  }

  remove(name: string): void {
    rmSync(this.#path(name))
  }

  #path(name: string): string {
    return path.join(this.folder, `${name}.yaml`)
  }
}

export interface AgentOptions {
  readonly node: string
  /** Without it, `args` say where the resources are. */
  readonly manifests?: Manifests
  /** Further arguments of `routelet run`. */
  readonly args?: readonly string[]
  /** A command that runs it with fewer rights, such as `setpriv` and its arguments. */
  readonly confined?: readonly string[]
  /** As installed: without the source maps that make a test's stack traces readable. */
  readonly bare?: boolean
}

export class Agent {
  readonly daemon: Daemon
  readonly #namespace: Namespace
  readonly #socket: string

  private constructor(namespace: Namespace, daemon: Daemon, socket: string) {
    this.#namespace = namespace
    this.daemon = daemon
    this.#socket = socket
  }

  /** Starts it and doesn't wait: for tests of starts that fail. */
  static launch(namespace: Namespace, options: AgentOptions): Agent {
    const { node, manifests, args = [], confined = [], bare = false } = options
    const socket = `${namespace.files}.sock`
    const [program = process.execPath, ...before] = [...confined, process.execPath]
    const daemon = namespace.start(program, [
      ...before,
      ...(bare ? [] : ['--enable-source-maps']),
      ...[command, 'run', '--node', node],
      ...(manifests === undefined ? [] : ['--manifests', manifests.folder]),
      ...['--api', `unix:${socket}`],
      ...['--state-dir', `${namespace.files}.state`, ...args],
    ])
    return new Agent(namespace, daemon, socket)
  }

  /** Starts it and resolves when the API answers. */
  static async start(namespace: Namespace, options: AgentOptions): Promise<Agent> {
    const agent = Agent.launch(namespace, options)
    await waitFor(`the agent of ${options.node} to answer`, () => {
      if (agent.daemon.ending) throw new Hopeless(`it ended: ${agent.output}`)
      return agent.get<NodeView>('/v1/node')
    })
    return agent
  }

  /** Both streams, for the words of an error. */
  get output(): string {
    return `${this.daemon.stdout}${this.daemon.stderr}`.trim()
  }

  /** A GET of the API; throws for anything but 200. */
  get<T>(url: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const headers = { accept: 'application/json' }
      const call = request({ socketPath: this.#socket, path: url, headers }, (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk) => {
          body += chunk
        })
        response.on('error', reject)
        response.on('end', () => {
          if (response.statusCode === 200) resolve(JSON.parse(body))
          else reject(new Error(`${url}: ${response.statusCode} ${body}`))
        })
      })
      call.on('error', reject)
      call.end()
    })
  }

  /** A client command against this agent. */
  async cli(...args: readonly string[]): Promise<string> {
    const api = ['--api', `unix:${this.#socket}`]
    return this.#namespace.must(process.execPath, [command, ...args, ...api])
  }

  async peers(): Promise<readonly PeerView[]> {
    return (await this.get<{ items: readonly PeerView[] }>('/v1/peers')).items
  }

  async peer(name: string): Promise<PeerView> {
    const peers = await this.peers()
    const peer = peers.find((one) => one.name === name)
    if (!peer) throw new Error(`no peer ${name} among ${peers.map((one) => one.name).join(', ')}`)
    return peer
  }

  /** The newest of what happened, oldest first. */
  async events(): Promise<readonly EventView[]> {
    return (await this.get<{ items: readonly EventView[] }>('/v1/events?limit=1000')).items
  }

  established(name: string, seconds = 30): Promise<PeerView> {
    return waitUntil(
      `peer ${name} to be Established`,
      () => this.peer(name),
      ({ state }) => state === 'Established',
      seconds,
    )
  }

  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ending> {
    return this.daemon.stop(signal)
  }
}
