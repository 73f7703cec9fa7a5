/**
 * The conflist that an agent wrote, given to the real plugins as a container runtime would: pods in
 * namespaces of their own get addresses, and are reached.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { conflistName } from '../../src/cni/files.ts'
import { Agent, Manifests } from '../network/agent.ts'
import { attachPod, type Conflist, detachPod, pluginFolder } from '../network/cni.ts'
import { cannotBuildNetworks, Network } from '../network/namespaces.ts'
import { waitFor } from '../network/wait.ts'

const skip =
  cannotBuildNetworks ||
  (pluginFolder === undefined ? 'needs the CNI plugins (containernetworking-plugins)' : false)

const nodeManifest = `apiVersion: v1
kind: Node
metadata: {name: n1, annotations: {projectcalico.org/IPv4Address: 10.0.0.1/24}}
spec: {podCIDRs: [10.244.1.0/24]}
`
const configuration = (cni: string) => `apiVersion: routelet.io/v1
kind: BGPConfiguration
metadata: {name: default}
spec: {cni: ${cni}}
`

t.test('pods are attached by ptp, bridge and macvlan, and reached', { skip }, async (t) => {
  const network = new Network(t)
  const node = await network.namespace('node')
  const far = await network.namespace('far')
  await network.link(
    { namespace: node, interface: 'e0', addresses: ['10.0.0.1/24'] },
    { namespace: far, interface: 'e0', addresses: ['10.0.0.2/24'] },
  )
  for (const end of [node, far]) await end.ip('link', 'set', 'e0', 'mtu', '1400')
  await far.ip('route', 'add', '10.244.1.0/24', 'via', '10.0.0.1')
  const folder = path.join(network.folder, 'net.d')
  const dataDir = path.join(network.folder, 'ipam')
  mkdirSync(folder)
  const manifests = new Manifests(path.join(network.folder, 'manifests'), {
    node: nodeManifest,
    default: configuration('{type: Ptp}'),
  })
  const agent = await Agent.start(node, {
    node: 'n1',
    manifests,
    args: ['--cni-conf-dir', folder],
  })
  const written = (type: string) =>
    waitFor(`a conflist of type ${type}`, () => {
      const list: Conflist = JSON.parse(readFileSync(path.join(folder, conflistName), 'utf8'))
      return list.plugins[0]?.type === type ? list : null
    })

  for (const [type, cni] of [
    ['ptp', '{type: Ptp}'],
    ['bridge', '{type: Bridge}'],
    [
      'macvlan',
      '{type: Macvlan, ranges: [{cidr: 10.0.0.64/26, subnet: 10.0.0.0/24, gateway: 10.0.0.2}]}',
    ],
  ] as const) {
    manifests.write('default', configuration(cni))
    const list = await written(type)
    const one = await network.namespace(`${type}1`)
    const two = await network.namespace(`${type}2`)
    const [address] = await attachPod(list, { node, pod: one, dataDir })
    const [other] = await attachPod(list, { node, pod: two, dataDir })
    if (address === undefined || other === undefined) throw new Error(`${type} gave no address`)
    t.match(address, type === 'macvlan' ? /^10\.0\.0\.(6|7|8|9|1)\d/ : /^10\.244\.1\./, type)
    t.match(await one.ip('link', 'show', 'eth0'), / mtu 1400 /, `${type}: MTU of the link`)
    t.ok(await far.pings(address), `${type}: reached from outside`)
    t.ok(await one.pings(other), `${type}: reached by its neighbour`)
    t.ok(await one.pings('10.0.0.2'), `${type}: reaches the outside`)
    for (const pod of [one, two]) await detachPod(list, { node, pod, dataDir })
    t.notOk(await far.pings(address), `${type}: gone`)
    if (type === 'bridge') await node.ip('link', 'delete', 'routelet0')
  }
  t.equal((await agent.stop()).code, 0)
  t.ok(existsSync(path.join(folder, conflistName)), 'it stays when the agent stops')
})
