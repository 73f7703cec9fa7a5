/**
 * Pods as a container runtime makes them: a namespace, given to the real CNI plugins with the
 * configuration that an agent wrote (CNI 1.0, "Execution Protocol").
 */
import { existsSync } from 'node:fs'
import type { Namespace } from './namespaces.ts'

/** Where Debian and others put the plugins; undefined: they aren't installed. */
export const pluginFolder = ['/opt/cni/bin', '/usr/lib/cni'].find((one) => existsSync(`${one}/ptp`))

/** What of a conflist matters here. */
export interface Conflist {
  readonly cniVersion: string
  readonly name: string
  readonly plugins: readonly { readonly type: string; readonly ipam?: object }[]
}

export interface Attachment {
  readonly node: Namespace
  readonly pod: Namespace
  /** Where host-local keeps its leases. */
  readonly dataDir: string
}

/** @returns the addresses that the pod was given, without their lengths */
export async function attachPod(list: Conflist, attachment: Attachment): Promise<string[]> {
  const result = (await execute('ADD', list, attachment)) as { ips?: { address: string }[] } | null
  return (result?.ips ?? []).map(({ address }) => address.replace(/\/.*/, ''))
}

export async function detachPod(list: Conflist, attachment: Attachment): Promise<void> {
  await execute('DEL', list, attachment)
}

/** Runs the chain as libcni does: each plugin gets the result of the one before. */
async function execute(
  command: 'ADD' | 'DEL',
  { cniVersion, name, plugins }: Conflist,
  { node, pod, dataDir }: Attachment,
): Promise<unknown> {
  let result: unknown = null
  for (const plugin of command === 'ADD' ? plugins : [...plugins].reverse()) {
    const ipam = plugin.ipam === undefined ? {} : { ipam: { ...plugin.ipam, dataDir } }
    const prevResult = result === null ? {} : { prevResult: result }
    const given = { ...plugin, cniVersion, name, ...ipam, ...prevResult }
    const file = pod.write(`${plugin.type}.json`, JSON.stringify(given))
    const environment = [
      `CNI_COMMAND=${command}`,
      `CNI_CONTAINERID=${pod.name}`,
      `CNI_NETNS=/run/netns/${pod.name}`,
      'CNI_IFNAME=eth0',
      `CNI_PATH=${pluginFolder}`,
    ]
    const script = `${environment.join(' ')} ${pluginFolder}/${plugin.type} < ${file}`
    const text = await node.must('sh', ['-c', script])
    if (text.trim() !== '') result = JSON.parse(text)
  }
  return result
}
