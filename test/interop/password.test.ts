/**
 * TCP-MD5 keys (RFC 2385) that differ must not let a session come up, whoever has which; and the
 * session comes up once the Secret is right. That packets were refused for their key is the kernel's
 * own count, on both sides.
 */
import t from 'tap'
import { Agent } from '../network/agent.ts'
import { missing, type Namespace } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import {
  buildSite,
  kinds,
  manifest,
  type Site,
  secret,
  secretReference,
  startSwitch,
  switchPeers,
} from './site.ts'

t.setTimeout(240_000)

const cases = [
  {
    caption: 'another key than the switch',
    ours: 'wrong',
    theirs: 'right',
    count: 'TCPMD5Failure',
  },
  { caption: 'a key, the switch none', ours: 'right', theirs: null, count: 'TCPMD5Unexpected' },
  { caption: 'no key, the switch one', ours: null, theirs: 'right', count: 'TCPMD5NotFound' },
] as const
/** So many refused packets count as having tried. */
const refusedEnough = 3

for (const { kind, name, programs } of kinds) {
  const skip = await missing(...programs)
  for (const { caption, ours, theirs, count } of cases) {
    t.test(`${name}: a node that has ${caption} stays down`, { skip }, async (t) => {
      const site = await buildSite(t)
      const [node] = site.nodes
      if (!node) throw new Error('the site has a node')
      writeKey(site, ours)
      const tor = await startSwitch(site, kind, theirs ?? undefined)
      const agent = await Agent.start(node.namespace, {
        node: node.name,
        manifests: site.manifests,
      })
      await waitUntil(
        `packets refused (${count})`,
        async () => (await tcpCount(node.namespace, count)) + (await tcpCount(site.fabric, count)),
        (refused) => refused >= refusedEnough,
      )
      for (const session of ['n1-tor4', 'n1-tor6']) {
        const { state, reason } = await waitUntil(
          `${session} to name the key as a possible cause`,
          () => agent.peer(session),
          (peer) => /MD5/.test(peer.reason ?? ''),
          60,
        )
        t.not(state, 'Established', `${session} stays down: ${reason}`)
      }
      for (const session of ['n1v4', 'n1v6']) t.not(await tor.state(session), 'Established')

      writeKey(site, theirs)
      for (const session of ['n1-tor4', 'n1-tor6']) {
        await agent.established(session, 60)
        t.pass(`${session} comes up once the keys agree, without a restart`)
      }
    })
  }
}

function writeKey(site: Site, password: string | null): void {
  const peers = site.nodes.flatMap((node) =>
    switchPeers(node, password === null ? {} : secretReference),
  )
  site.manifests.write('tor', manifest(...(password === null ? [] : [secret(password)]), ...peers))
}

/** A counter of the TCP extensions in /proc/net/netstat, whose lines come in pairs. */
async function tcpCount(namespace: Namespace, name: string): Promise<number> {
  const text = await namespace.must('cat', ['/proc/net/netstat'])
  const [names = [], values = []] = text
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '))
  return Number(values[names.indexOf(name)] ?? Number.NaN)
}
