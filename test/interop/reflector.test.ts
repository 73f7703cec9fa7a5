/**
 * Route reflection (RFC 4456) between other people's routers: BIRD and FRR are clients of an agent
 * with a cluster id, and know each other's routes through it, with next hops and attributes as the
 * RFC wants them. Both families go over one IPv4 session each (RFC 4760), because `families` says so.
 */
import t from 'tap'
import { Agent, Manifests } from '../network/agent.ts'
import { Capture } from '../network/capture.ts'
import { ourRoutes } from '../network/kernel.ts'
import { missing, type Namespace, Network } from '../network/namespaces.ts'
import { type Router, startRouter } from '../network/router.ts'
import { waitFor, waitUntil } from '../network/wait.ts'
import { bgpConfiguration, bgpPeer, clusterAsn, manifest } from './site.ts'

t.setTimeout(240_000)

const clusterId = '244.0.0.1'
const clients = [
  {
    kind: 'bird',
    subnet: '1',
    announce: ['198.51.100.0/24', '2001:db8:1::/48'],
    host: '198.51.100.1',
  },
  {
    kind: 'frr',
    subnet: '2',
    announce: ['203.0.113.0/24', '2001:db8:2::/48'],
    host: '203.0.113.1',
  },
] as const
type Client = (typeof clients)[number]

const skip = await missing('bird', 'vtysh', 'tshark', 'dumpcap', 'ping')

t.test('BIRD and FRR know each other through our reflector', { skip }, async (t) => {
  const network = new Network(t)
  const reflector = await network.namespace('rr')
  const namespaces = new Map<Client, Namespace>()
  for (const client of clients) namespaces.set(client, await attach(network, reflector, client))
  const capture = await Capture.start(reflector, 'to-bird')
  const agent = await Agent.start(reflector, {
    node: 'rr',
    manifests: new Manifests(`${network.folder}/manifests`, { all: reflectorManifest() }),
  })
  const routers = new Map<Client, Router>()
  for (const [client, namespace] of namespaces) {
    routers.set(client, await startClient(namespace, client))
  }
  for (const { kind } of clients) {
    const view = await agent.established(kind)
    t.equal(view.type, 'ibgp')
    t.equal(view.routeReflectorClient, true)
  }
  for (const [client, router] of routers) {
    const other = clients.find((one) => one !== client) ?? client
    await waitUntil(
      `${client.kind} to learn from the reflector`,
      () => router.learned('reflector'),
      (seen) => other.announce.every((prefix) => seen.includes(prefix)),
    )
    const [prefix4, prefix6] = other.announce
    t.equal(await router.nextHop(prefix4), addresses(other)[0], 'the next hop is left as it was')
    t.equal(await router.nextHop(prefix6), addresses(other)[1], 'in both families')
    t.same(
      await router.reflection(prefix4),
      { originatorId: addresses(other)[0], clusterList: clusterId },
      `${client.kind} sees who announced ${prefix4} and which cluster reflected it`,
    )
  }
  await waitUntil(
    "the reflector's own kernel",
    () => ourRoutes(reflector),
    (seen) =>
      seen.join() ===
      clients
        .flatMap((one) =>
          one.announce.map((prefix, index) => `${prefix} via ${addresses(one)[index]}`),
        )
        .sort((a, b) => Number(a.includes(':')) - Number(b.includes(':')) || (a < b ? -1 : 1))
        .join(),
  )
  t.pass('the reflector routes what it reflects')
  for (const [client, namespace] of namespaces) {
    const other = clients.find((one) => one !== client) ?? client
    await waitFor(`a ping from ${client.kind} to ${other.host}`, () =>
      namespace.pings(other.host, client.host),
    )
    t.pass(`${client.host} reaches ${other.host}`)
  }
  t.same((await agent.stop()).code, 0)
  await capture.stop()
  t.same(await capture.malformed('10.99.1.1'), [], 'tshark finds no fault in what we sent')
})

/** IPv4 and IPv6 of a client on its link to the reflector. */
function addresses({ subnet }: Client): [string, string] {
  return [`10.99.${subnet}.2`, `fd99:0:0:${subnet}::2`]
}

async function attach(network: Network, reflector: Namespace, client: Client): Promise<Namespace> {
  const namespace = await network.namespace(client.kind)
  const [address4, address6] = addresses(client)
  const [gateway4, gateway6] = [`10.99.${client.subnet}.1`, `fd99:0:0:${client.subnet}::1`]
  await network.link(
    {
      namespace: reflector,
      interface: `to-${client.kind}`,
      addresses: [`${gateway4}/24`, `${gateway6}/64`],
    },
    { namespace, interface: 'eth0', addresses: [`${address4}/24`, `${address6}/64`] },
  )
  // Next hops are left as they are, so every client must know the way to the others' links.
  await namespace.ip('route', 'add', '10.99.0.0/16', 'via', gateway4)
  await namespace.ip('route', 'add', 'fd99::/48', 'via', gateway6)
  await namespace.address('lo', `${client.host}/32`)
  return namespace
}

function startClient(namespace: Namespace, client: Client): Promise<Router> {
  const [address4, address6] = addresses(client)
  return startRouter(client.kind, namespace, {
    asn: clusterAsn,
    routerId: address4,
    announce: client.announce,
    neighbours: [
      {
        name: 'reflector',
        local: address4,
        address: `10.99.${client.subnet}.1`,
        asn: clusterAsn,
        families: ['ipv4', 'ipv6'],
        nextHopIpv6: address6,
      },
    ],
  })
}

function reflectorManifest(): string {
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: 'rr',
      annotations: {
        'projectcalico.org/IPv4Address': '10.99.1.1/24',
        'projectcalico.org/IPv6Address': 'fd99:0:0:1::1/64',
        'projectcalico.org/RouteReflectorClusterID': clusterId,
      },
    },
  }
  const peers = clients.map((client) =>
    bgpPeer(client.kind, {
      peerIP: addresses(client)[0],
      asNumber: clusterAsn,
      routeReflectorClient: true,
      sourceAddress: 'None',
      families: ['ipv4-unicast', 'ipv6-unicast'],
    }),
  )
  return manifest(node, bgpConfiguration(), ...peers)
}
