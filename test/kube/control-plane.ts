/**
 * A real etcd and kube-apiserver in a namespace of their own, with RBAC on; what is asked of them
 * goes through kubectl. Between agents and server stands a gateway (gateway.ts) that counts, and
 * refuses on order.
 */
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Daemon, Namespace } from '../network/namespaces.ts'
import { Hopeless, waitFor } from '../network/wait.ts'
import type { Binaries } from './binaries.ts'
import type { Order, Tally } from './gateway.ts'

const adminToken = 'admin-of-the-test'
const apiPort = 6443
const gatewayPort = 8001
const orderPort = 8002
const gatewayProgram = path.resolve(import.meta.dirname, 'gateway.js')
const crowdProgram = path.resolve(import.meta.dirname, 'crowd.js')

export class ControlPlane {
  readonly #namespace: Namespace
  readonly #binaries: Binaries
  readonly #address: string
  readonly #folder: string
  #etcd: Daemon | null = null
  #server: Daemon | null = null

  private constructor(namespace: Namespace, binaries: Binaries, address: string) {
    this.#namespace = namespace
    this.#binaries = binaries
    this.#address = address
    this.#folder = `${namespace.files}.control-plane`
  }

  /** @param address of the namespace, by which agents reach the server */
  static async start(
    namespace: Namespace,
    binaries: Binaries,
    address: string,
  ): Promise<ControlPlane> {
    const plane = new ControlPlane(namespace, binaries, address)
    plane.#prepare()
    plane.#startEtcd()
    plane.#gateway()
    await plane.startServer()
    return plane
  }

  #prepare(): void {
    mkdirSync(this.#folder, { recursive: true })
    const { privateKey, publicKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    })
    writeFileSync(this.#file('sa.key'), privateKey)
    writeFileSync(this.#file('sa.pub'), publicKey)
    writeFileSync(this.#file('tokens.csv'), `${adminToken},admin,admin,system:masters\n`)
  }

  #startEtcd(): void {
    const client = 'http://127.0.0.1:2379'
    this.#etcd = this.#namespace.start(this.#binaries.etcd, [
      ...['--data-dir', this.#file('etcd'), '--unsafe-no-fsync', '--log-level', 'error'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', 'http://127.0.0.1:2380'],
    ])
  }

  #gateway(): void {
    const target = `https://${this.#address}:${apiPort}`
    const listen = [this.#address, String(gatewayPort), String(orderPort)]
    this.#namespace.start(process.execPath, [gatewayProgram, target, ...listen])
  }

  /** Resolves when it answers. */
  async startServer(): Promise<void> {
    const server = this.#namespace.start(this.#binaries.apiServer, [
      ...['--etcd-servers', 'http://127.0.0.1:2379', '--authorization-mode', 'RBAC'],
      ...['--bind-address', this.#address, '--advertise-address', this.#address],
      ...['--secure-port', String(apiPort), '--cert-dir', this.#file('certs')],
      ...['--token-auth-file', this.#file('tokens.csv')],
      ...['--service-cluster-ip-range', '10.96.0.0/16,fd00:10:96::/112'],
      ...['--service-account-issuer', 'https://routelet.test'],
      ...['--service-account-key-file', this.#file('sa.pub')],
      ...['--service-account-signing-key-file', this.#file('sa.key')],
      ...['--disable-admission-plugins', 'ServiceAccount', '--profiling=false'],
      ...['--etcd-compaction-interval', '0', '-v', '0'],
    ])
    this.#server = server
    await waitFor(
      'the API server to be ready',
      async () => {
        for (const daemon of [server, this.#etcd]) {
          if (daemon?.ending) throw new Hopeless(`it ended: ${daemon.stderr.slice(-2000)}`)
        }
        const done = await this.#kubectl('get', '--raw', '/readyz')
        return done.code === 0
      },
      90,
    )
  }

  async stopServer(): Promise<void> {
    await this.#server?.stop('SIGKILL')
  }

  /** Throws with what it said when it fails. */
  async kubectl(...args: readonly string[]): Promise<string> {
    const done = await this.#kubectl(...args)
    if (done.code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${done.stderr}`)
    return done.stdout
  }

  /** Creates an object with the rights of an agent. Throws with what was said when it fails. */
  createAs(kubeconfig: string, manifest: string): Promise<string> {
    const file = this.#namespace.write('of-an-agent.yaml', manifest)
    const cache = ['--cache-dir', this.#file('cache')]
    const args = ['--kubeconfig', kubeconfig, ...cache, 'create', '-f', file]
    return this.#namespace.must(this.#binaries.kubectl, args)
  }

  async get<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.kubectl('get', ...args, '-o', 'json'))
  }

  /** Objects as text, created or changed. */
  async apply(name: string, manifests: string): Promise<void> {
    const file = this.#namespace.write(`${name}.yaml`, manifests)
    await this.kubectl('apply', '--server-side', '--force-conflicts', '-f', file)
  }

  /** Our kinds, so that objects of them can follow. */
  async installKinds(): Promise<void> {
    await this.kubectl('apply', '--server-side', '-k', path.resolve('deploy/crds'))
    await this.untilKindsServed()
  }

  async untilKindsServed(): Promise<void> {
    const established = ['--for=condition=Established', 'crd', '--all', '--timeout=60s']
    await this.kubectl('wait', ...established)
  }

  /** Removes every object that makes a cluster what it is; kinds and rights stay. */
  async clear(): Promise<void> {
    const kinds =
      'nodes,bgpconfigurations.routelet.io,bgppeers.routelet.io,noderoutings.routelet.io'
    await this.kubectl('delete', kinds, '--all')
    await this.kubectl('delete', 'service', 'web', '--ignore-not-found')
    const pods = ['pods', '--all', '-n', 'routelet-system', '--grace-period=0', '--force']
    await this.kubectl('delete', ...pods)
  }

  /**
   * A kubeconfig with the rights of the agent's pod on a node, whose token names the node as one of
   * the kubelet would: through the gateway, or over TLS.
   */
  async kubeconfigFor(node: string, way: 'gateway' | 'tls'): Promise<string> {
    const pod = `routelet-${node}`
    await this.apply(pod, podOf(pod, node))
    const bound = ['--bound-object-kind', 'Pod', '--bound-object-name', pod]
    const args = ['create', 'token', 'routelet', '-n', 'routelet-system', ...bound]
    const token = (await this.kubectl(...args)).trim()
    const ca = readFileSync(this.#file('certs/apiserver.crt')).toString('base64')
    const cluster =
      way === 'tls'
        ? {
            server: `https://${this.#address}:${apiPort}`,
            'certificate-authority-data': ca,
          }
        : {
            server: `http://${this.#address}:${gatewayPort}`,
            'insecure-skip-tls-verify': true,
          }
    const context = { cluster: 'test', user: 'agent', namespace: 'routelet-system' }
    const kubeconfig = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'test', cluster }],
      users: [{ name: 'agent', user: { token } }],
      contexts: [{ name: 'test', context }],
      'current-context': 'test',
    }
    return this.#namespace.write(`${node}.kubeconfig`, JSON.stringify(kubeconfig))
  }

  /** Discards the history of etcd: whoever watches from before is told 410. */
  async compact(): Promise<void> {
    const ask = (call: string, body: object) =>
      this.#curl(`http://127.0.0.1:2379/v3/${call}`, JSON.stringify(body))
    const head = JSON.parse(await ask('kv/range', { key: 'AA==' }))
    await ask('kv/compaction', { revision: head.header.revision, physical: true })
  }

  async order(order: Order): Promise<void> {
    await this.#curl(`http://${this.#address}:${orderPort}/order`, JSON.stringify(order))
  }

  /** What agents asked of the gateway so far, and were sent. */
  async tally(): Promise<Tally> {
    return JSON.parse(await this.#curl(`http://${this.#address}:${orderPort}/tally`, null))
  }

  /** Makes Nodes, or lets them tell that they are alive (crowd.ts); resolves when it is done. */
  async crowd(order: 'make' | 'beat', ...numbers: readonly number[]): Promise<void> {
    const server = [`https://${this.#address}:${apiPort}`, adminToken]
    const args = [crowdProgram, ...server, order, ...numbers.map(String)]
    const crowd = this.#namespace.start(process.execPath, args)
    const { code } = await crowd.ended
    if (code !== 0) throw new Error(`the crowd ended with ${code}: ${crowd.stderr}`)
  }

  #curl(url: string, body: string | null): Promise<string> {
    const script =
      'const [url, body] = process.argv.slice(1);' +
      "const options = body === undefined ? {} : { method: 'POST', body };" +
      'fetch(url, options).then((answer) => answer.text()).then(console.log)'
    const rest = body === null ? [] : [body]
    return this.#namespace.must(process.execPath, ['-e', script, '--', url, ...rest])
  }

  #kubectl(...args: readonly string[]) {
    return this.#namespace.run(this.#binaries.kubectl, [
      ...['--server', `https://${this.#address}:${apiPort}`, '--insecure-skip-tls-verify'],
      ...['--token', adminToken, '--cache-dir', this.#file('cache'), ...args],
    ])
  }

  #file(name: string): string {
    return path.join(this.#folder, name)
  }
}

/** No kubelet runs it: it is there for its token. */
function podOf(name: string, node: string): string {
  const spec = `{nodeName: ${node}, serviceAccountName: routelet, containers: [{name: a, image: a}]}`
  const metadata = `{name: ${name}, namespace: routelet-system}`
  return `apiVersion: v1\nkind: Pod\nmetadata: ${metadata}\nspec: ${spec}\n`
}
