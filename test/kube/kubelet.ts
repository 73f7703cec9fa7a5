/**
 * Stands for the kubelet of one node: runs the container of the DaemonSet that was applied as a
 * process in the node's namespace, with the container's arguments, capabilities and service account
 * and nothing more; attaches pods by the first CNI configuration that it finds, as runtimes do.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Agent, type AgentOptions } from '../network/agent.ts'
import { attachPod, type Conflist } from '../network/cni.ts'
import type { Namespace } from '../network/namespaces.ts'
import { waitFor } from '../network/wait.ts'
import type { ControlPlane } from './control-plane.ts'

interface DaemonSet {
  readonly spec: { readonly template: { readonly spec: PodSpec } }
}

interface PodSpec {
  readonly nodeSelector: Readonly<Record<string, string>>
  readonly containers: readonly [Container]
  readonly volumes: readonly { readonly name: string; readonly hostPath: { path: string } }[]
}

interface Container {
  readonly args: readonly string[]
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
  readonly securityContext: { readonly capabilities: { readonly add: readonly string[] } }
}

const netD = '/etc/cni/net.d'

export class Kubelet {
  readonly name: string
  readonly namespace: Namespace
  readonly #plane: ControlPlane

  constructor(plane: ControlPlane, name: string, namespace: Namespace) {
    this.#plane = plane
    this.name = name
    this.namespace = namespace
    mkdirSync(this.hostPath(netD), { recursive: true })
  }

  /** Where a folder of the node's host is kept. */
  hostPath(folder: string): string {
    return `${this.namespace.files}.host${folder}`
  }

  /** Files of the node's CNI folder, in the order in which runtimes look. */
  cniFiles(): readonly string[] {
    return readdirSync(this.hostPath(netD))
      .filter((file) => file.endsWith('.conflist'))
      .sort()
  }

  /** Whether the DaemonSet has a pod for the node. */
  async isChosen(): Promise<boolean> {
    const { nodeSelector } = await this.#podSpec()
    const node = await this.#plane.get<{ metadata: { labels?: object } }>('node', this.name)
    // Every kubelet sets this one.
    const labels = new Map(Object.entries({ 'kubernetes.io/os': 'linux', ...node.metadata.labels }))
    return Object.entries(nodeSelector).every(([key, value]) => labels.get(key) === value)
  }

  /** Starts the agent of the node; resolves when its API answers. */
  async run(options: Pick<AgentOptions, 'bare'> = {}): Promise<Agent> {
    const { containers, volumes } = await this.#podSpec()
    const [{ args, volumeMounts, securityContext }] = containers
    const mounts = volumeMounts.map(({ name, mountPath }) => {
      const volume = volumes.find((one) => one.name === name)
      if (volume === undefined) throw new Error(`the DaemonSet has no volume ${name}`)
      const folder = this.hostPath(volume.hostPath.path)
      mkdirSync(folder, { recursive: true })
      return [mountPath, folder] as const
    })
    const inside = (argument: string) =>
      mounts.reduce((text, [at, folder]) => text.replace(`=${at}`, `=${folder}`), argument)
    const capabilities = securityContext.capabilities.add.map((name) => `+${name.toLowerCase()}`)
    return Agent.start(this.namespace, {
      ...options,
      node: this.name,
      args: [
        ...args.filter((argument) => argument !== 'run' && !argument.startsWith('--node=')),
        ...['--kubeconfig', await this.#plane.kubeconfigFor(this.name, 'gateway')],
      ].map(inside),
      confined: [
        ...['setpriv', '--no-new-privs', '--inh-caps=-all'],
        `--bounding-set=-all,${capabilities.join(',')}`,
      ],
    })
  }

  /** @returns the pod's addresses */
  async attach(pod: Namespace): Promise<readonly string[]> {
    const file = await waitFor(`a CNI configuration on ${this.name}`, () => this.cniFiles()[0])
    const list: Conflist = JSON.parse(readFileSync(path.join(this.hostPath(netD), file), 'utf8'))
    const dataDir = this.hostPath('/var/lib/cni/networks')
    return attachPod(list, { node: this.namespace, pod, dataDir })
  }

  async #podSpec(): Promise<PodSpec> {
    const name = ['daemonset', 'routelet', '-n', 'routelet-system']
    return (await this.#plane.get<DaemonSet>(...name)).spec.template.spec
  }
}
