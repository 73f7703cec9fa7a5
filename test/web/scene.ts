/**
 * What a person looks at in the tests of the page: a node whose agent writes its kernel's routes, one of
 * which another program holds already, and over a link a switch that is up, a reflector that is up, and a
 * host where nothing listens. All are the built command, in processes of their own and two network
 * namespaces; a port on loopback leads to the API.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { NodeView } from '../../api/views.ts'
import { openProxy, type PortProxy } from '../../src/lab/proxy.ts'

const command = path.resolve(import.meta.dirname, '../../src/main.js')
const readyMsMax = 20_000
const lookMs = 50

const bgpPort = 1790
const addresses = {
  node: '10.79.0.1',
  up: '10.79.0.2',
  reflector: '10.79.0.3',
  gone: '10.79.0.9',
}

const node = (name: string, asn: number, podCidr: string) => `apiVersion: v1
kind: Node
metadata: {name: ${name}, annotations: {routelet.io/ASNumber: "${asn}"}}
spec: {podCIDRs: [${podCidr}]}
status: {addresses: [{type: InternalIP, address: ${addressOf(name)}}]}
---
`
const configuration = () => `apiVersion: routelet.io/v1
kind: BGPConfiguration
metadata: {name: default}
spec: {nodeToNodeMeshEnabled: false, listenPort: ${bgpPort}, bindMode: NodeIP, asNumber: 64512}
---
`
const peer = (name: string, address: string, asn: number, more = '') =>
  `apiVersion: routelet.io/v1
kind: BGPPeer
metadata: {name: ${name}}
spec: {peerIP: "${address}:${bgpPort}", asNumber: ${asn}${more}}
---
`

const ip = (...words: string[]) => execFileSync('ip', words, { stdio: 'pipe' })

function addressOf(name: string): string {
  const address = { n1: addresses.node, 'tor-a': addresses.up, 'rr-1': addresses.reflector }[name]
  if (address === undefined) throw new Error(`nobody is called ${name}`)
  return address
}

export class WebScene {
  readonly url: string
  readonly #node: string
  readonly #peers: string
  readonly #folder: string
  readonly #proxy: PortProxy
  readonly #children = new Map<string, ChildProcess>()

  private constructor(folder: string, proxy: PortProxy) {
    this.url = `http://127.0.0.1:${proxy.port}`
    this.#node = `rl${process.pid}-web`
    this.#peers = `rl${process.pid}-web-peers`
    this.#folder = folder
    this.#proxy = proxy
  }

  /** Resolves when both sessions that can come up are up. */
  static async start(): Promise<WebScene> {
    const folder = mkdtempSync(path.join(tmpdir(), 'routelet-web-'))
    const proxy = await openProxy(path.join(folder, 'n1.sock'), 0)
    const scene = new WebScene(folder, proxy)
    try {
      scene.#build()
      await scene.#until(2)
    } catch (error) {
      await scene.close()
      throw error
    }
    return scene
  }

  async close(): Promise<void> {
    await Promise.all([...this.#children.values()].map(end))
    await this.#proxy.close()
    for (const name of [this.#node, this.#peers]) spawnSync('ip', ['netns', 'delete', name])
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Ends one of them in good order: it says goodbye to the agent. */
  async stop(name: string): Promise<void> {
    const child = this.#children.get(name)
    if (child === undefined) throw new Error(`nobody is called ${name}`)
    child.kill('SIGTERM')
    await once(child, 'exit')
  }

  /** The node's link loses its carrier. */
  unplug(): void {
    ip('-n', this.#peers, 'link', 'set', 'eth0', 'down')
  }

  #build(): void {
    const { gone, node: own, reflector, up } = addresses
    for (const name of [this.#node, this.#peers]) {
      ip('netns', 'add', name)
      ip('-n', name, 'link', 'set', 'lo', 'up')
    }
    const veth = ['eth0', 'netns', this.#node, 'type', 'veth', 'peer', 'name', 'eth0']
    ip('link', 'add', ...veth, 'netns', this.#peers)
    for (const [name, list] of [
      [this.#node, [own]],
      [this.#peers, [gone, reflector, up]],
    ] as const) {
      for (const address of list) ip('-n', name, 'address', 'add', `${address}/24`, 'dev', 'eth0')
      ip('-n', name, 'link', 'set', 'eth0', 'up')
    }
    const held = ['10.80.3.0/24', 'via', gone, 'proto', 'static', 'metric', '2179']
    ip('-n', this.#node, 'route', 'add', ...held)
    this.#run('tor-a', [
      node('tor-a', 65001, '10.80.2.0/24'),
      configuration(),
      peer('n1', own, 64512, ', export: All'),
    ])
    this.#run('rr-1', [
      node('rr-1', 64512, '10.80.3.0/24'),
      configuration(),
      peer('n1', own, 64512),
    ])
    this.#run('n1', [
      node('n1', 64512, '10.80.1.0/24'),
      configuration(),
      // Without graceful restart its routes go with it, and not two minutes later.
      peer('tor-a', up, 65001, ', gracefulRestart: {mode: Disabled}'),
      peer('tor-b', gone, 65001),
      peer('reflector', reflector, 64512),
    ])
  }

  #run(name: string, manifests: readonly string[]): void {
    const folder = path.join(this.#folder, name)
    mkdirSync(folder)
    writeFileSync(path.join(folder, 'all.yaml'), manifests.join(''))
    const api = `unix:${path.join(this.#folder, `${name}.sock`)}`
    const own = name === 'n1'
    const fib = own ? 'kernel' : 'none'
    const run = ['run', '--node', name, '--manifests', folder, '--api', api, '--fib', fib]
    const quiet = ['--log-level', 'error']
    const namespace = own ? this.#node : this.#peers
    const inside = ['netns', 'exec', namespace, process.execPath, command, ...run, ...quiet]
    // `ip` becomes the agent: signals reach it.
    const child = spawn('ip', inside, { stdio: ['ignore', 'ignore', 'inherit'] })
    this.#children.set(name, child)
  }

  /** @throws Error when the sessions don't come up in time */
  async #until(established: number): Promise<void> {
    const deadline = Date.now() + readyMsMax
    let last: unknown = 'no answer'
    while (Date.now() < deadline) {
      const reply = await fetch(`${this.url}/v1/node`, { signal: AbortSignal.timeout(1000) }).catch(
        () => null,
      )
      const view = reply?.ok === true ? ((await reply.json()) as NodeView) : null
      if (view !== null && view.peers.established >= established) return
      last = view?.peers ?? last
      await wait(lookMs)
    }
    throw new Error(`the scene isn't ready: ${JSON.stringify(last)}`)
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  // An agent that keeps routes of a restarting peer takes its time to stop in good order.
  child.kill('SIGKILL')
  await once(child, 'exit')
}
