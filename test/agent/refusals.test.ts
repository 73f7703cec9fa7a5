/**
 * Routes that never reach the kernel, whatever a peer says, in both families; and that `explain` says
 * why. A switch announces them all over a pipe; the kernel writer is real, over a kernel in memory.
 */
import t from 'tap'
import { createSpeaker } from '../../bgp/index.ts'
import type { FamilyName } from '../../bgp/types.ts'
import { createFib } from '../../fib/index.ts'
import { MemoryKernel } from '../../fib/memory.ts'
import { AgentAnswers } from '../../src/agent-views.ts'
import { peerConfig } from '../bgp/session/scene.ts'
import { connected, settings } from '../fib/scene.ts'
import { waitFor } from '../network/wait.ts'
import { configuration, ownAddress, type Scene, stage } from './scene.ts'

const tor = { 'ipv4-unicast': '10.0.0.2', 'ipv6-unicast': 'fd00::2' } as const
const manifests = `apiVersion: v1
kind: Node
metadata: {name: n1}
spec: {podCIDRs: [10.1.0.0/24, 'fd01::/64']}
status:
  addresses:
    - {type: InternalIP, address: ${ownAddress}}
    - {type: InternalIP, address: 'fd00::1'}
---
apiVersion: routelet.io/v1
kind: BGPPeer
metadata: {name: tor}
spec: {peerIP: 10.0.0.2, asNumber: 65002, families: [ipv4-unicast, ipv6-unicast]}
${configuration('{bindMode: NodeIP, serviceClusterIPs: [{cidr: 10.96.0.0/12}, {cidr: "fd96::/108"}]}')}`

/** What is never installed, in both families, and the words that say why. */
const refused: readonly (readonly [caption: string, v4: string, v6: string, why: RegExp])[] = [
  ['a service range', '10.96.0.0/12', 'fd96::/108', /service range \(serviceClusterIPs\)/],
  ['inside a service range', '10.97.1.0/24', 'fd96::1:0/112', /service range/],
  ['an own pod CIDR', '10.1.0.0/24', 'fd01::/64', /own pod CIDR/],
  ['the own node address', '10.0.0.1/32', 'fd00::1/128', /it is an address of this node/],
  ['another own address', '10.77.0.1/32', 'fd77::1/128', /it is an address of this node/],
  ['a default route', '0.0.0.0/0', '::/0', /fib\.defaultRoute: Install \(now Ignore\)/],
  ['link-local space', '169.254.7.0/24', 'fe80:7::/32', /martian/],
  ['loopback space', '127.0.7.0/24', '::1/128', /martian/],
  ['multicast space', '224.7.0.0/16', 'ff07::/16', /martian/],
  [
    'what holds its next hop',
    '10.0.0.2/32',
    'fd00::2/128',
    /own next hop would resolve through it/,
  ],
]
/** A rack's subnet and a remote reflector's are fine. */
const fine = ['10.50.0.0/16', '10.0.0.0/16', 'fd50::/32']

function kernel(): MemoryKernel {
  const made = new MemoryKernel()
  made.links.set(2, { index: 2, name: 'eth0', up: true, running: true })
  connected(made, '10.0.0.0/24', 2)
  connected(made, 'fd00::/64', 2)
  for (const prefix of ['10.0.0.1/32', '10.77.0.1/32', 'fd00::1/128', 'fd77::1/128']) {
    made.put({ prefix, table: 255, protocol: 2, metric: 0, type: 2, legs: [] })
  }
  return made
}

/** A switch that announces all of it. */
function startSwitch({ network, clock }: Scene): Promise<void> {
  const speaker = createSpeaker(
    {
      asn: 65002,
      routerId: tor['ipv4-unicast'],
      listen: [{ address: tor['ipv4-unicast'], family: 4, port: 179 }],
      localPreference: 100,
      maxPaths: 1,
      asPathRelax: true,
      refuse: [],
      defaultRoute: 'Install',
    },
    {
      clock,
      transport: network.host(tor['ipv4-unicast']),
      random: () => 0.5,
      tracker: { track() {}, untrack() {}, onChange() {} },
      onRoutes() {},
      onEvent() {},
      onPath() {},
      selfAddress: (family: FamilyName) => tor[family],
      subnetOf: () => null,
    },
  )
  const prefixes = [...refused.flatMap(([, v4, v6]) => [v4, v6]), ...fine]
  speaker.announce(prefixes.map((prefix) => ({ prefix, reason: 'a test', communities: [] })))
  const families = ['ipv4-unicast', 'ipv6-unicast'] as const
  const peer = {
    address: ownAddress,
    asn: 64512,
    localAsn: 65002,
    families,
    export: 'All',
  } as const
  return speaker.setPeers([peerConfig({ ...peer, name: 'node' })]).then(() => speaker.start())
}

t.test('what must never be installed is not, and explain says why', async (t) => {
  const memory = kernel()
  const fib = createFib(settings, memory)
  const scene = stage(manifests, { fib })
  const answers = new AgentAnswers(scene.agent)
  t.teardown(async () => {
    answers.close()
    await scene.agent.close()
  })
  await scene.agent.start()
  await startSwitch(scene)
  const ours = () => memory.list(179).filter((line) => !line.includes('type 6'))
  await waitFor('the routes that may be installed', () => {
    scene.clock.advance(1000)
    return ours().length >= fine.length && scene.agent.speaker.views.counts().established === 1
  })
  // All came in one session, so the others would be there by now.
  await fib.status()
  t.same(
    ours().map((line) => line.split(' ')[0]),
    [...fine].sort(),
  )
  for (const [caption, v4, v6, why] of refused) {
    for (const prefix of [v4, v6]) {
      const { words } = await answers.explain(prefix, null)
      t.match(words.join('\n'), why, `${caption}: ${prefix}`)
    }
  }
})
