/**
 * Services without kube-proxy: the API server gives the addresses, nftables rules on every node stand
 * for what kube-proxy makes of them.
 */
import type { Namespace } from '../network/namespaces.ts'
import type { ControlPlane } from './control-plane.ts'
import type { Kubelet } from './kubelet.ts'

const port = 80
const manifest = `apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {ipFamilyPolicy: RequireDualStack, ports: [{port: ${port}}]}
`

/** Answers every connection with a word. */
export function serve(pod: Namespace, word: string): void {
  const script =
    'const [word] = process.argv.slice(1);' +
    `require("node:net").createServer((socket) => socket.end(word)).listen(${port}, "::")`
  pod.start(process.execPath, ['-e', script, '--', word])
}

/** What is answered at an address; null: nothing. */
export async function connect(from: Namespace, address: string): Promise<string | null> {
  const script = `exec 3<>/dev/tcp/${address}/${port} && cat <&3`
  const done = await from.run('timeout', ['3', 'bash', '-c', script])
  return done.code === 0 && done.stdout !== '' ? done.stdout : null
}

/**
 * A Service of both families that every node hands to one pod.
 * @returns its addresses
 */
export async function makeService(
  plane: ControlPlane,
  kubelets: readonly Kubelet[],
  pod: readonly string[],
): Promise<readonly string[]> {
  await plane.apply('service', manifest)
  const { spec } = await plane.get<{ spec: { clusterIPs: string[] } }>('service', 'web')
  const rules = spec.clusterIPs.map((address, index) => {
    const family = address.includes(':') ? 'ip6' : 'ip'
    const target = pod[index] ?? ''
    const to = family === 'ip6' ? `[${target}]` : target
    return `${family} daddr ${address} tcp dport ${port} dnat ${family} to ${to}:${port}`
  })
  const table = `table inet services {
  chain in { type nat hook prerouting priority dstnat;
    ${rules.join('\n    ')}
  }
  chain out { type nat hook postrouting priority srcnat; ct status dnat masquerade; }
}
`
  for (const { namespace } of kubelets) {
    await namespace.must('nft', ['-f', namespace.write('services.nft', table)])
  }
  return spec.clusterIPs
}
