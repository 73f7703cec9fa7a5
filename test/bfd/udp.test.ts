/**
 * The sockets BFD stands on, in namespaces of the real kernel: what the kernel drops before us, what
 * it tells about a packet, and how our own look on the wire to tshark.
 */
import t from 'tap'
import { type Daemon, missing, type Namespace } from '../network/namespaces.ts'
import { Hopeless, waitFor, waitUntil } from '../network/wait.ts'
import { buildLink, startBfd, timers } from './scene.ts'

t.setTimeout(120_000)
const skip = await missing('tshark')

/** As sent: text that is no packet, and one that is. */
const hello = Buffer.from('hello').toString('hex')
const packet = '204003180000004d00000000000f4240000186a000000000'

const udpUrl = new URL('../../src/sys/udp.js', import.meta.url).href

t.test('a single hop hears TTL 255 alone, several hops hear any', { skip }, async (t) => {
  const { node, tor } = await buildLink(t)
  const ear = await listen(node)
  const tries = [
    ['192.0.2.1', '3784', '254'],
    ['192.0.2.1', '3784', '64'],
    ['192.0.2.1', '3784', '255'],
    ['192.0.2.1', '4784', '64'],
    ['2001:db8::1', '3784', '254'],
    ['2001:db8::1', '3784', '255'],
    ['2001:db8::1', '4784', '1'],
    ['fe80::1%eth0', '3784', '255'],
  ]
  for (const [address, port, ttl] of tries) {
    await tor.namespace.must(process.execPath, ['-e', sender, hello, address!, port!, ttl!])
  }
  const heard = await waitFor('the last of them', () => {
    const lines = ear.stdout.trim().split('\n').slice(1)
    return lines.at(-1)?.includes('fe80::1') && lines.map((line) => JSON.parse(line))
  })
  const [v4, v6] = [{ remote: '192.0.2.2' }, { remote: '2001:db8::2' }]
  const eth0 = { interface: 'eth0', text: 'hello' }
  t.same(heard, [
    { ...v4, ...eth0, local: '192.0.2.1', multihop: false, ttl: 255 },
    { ...v4, ...eth0, local: '192.0.2.1', multihop: true, ttl: 64 },
    { ...v6, ...eth0, local: '2001:db8::1', multihop: false, ttl: 255 },
    { ...v6, ...eth0, local: '2001:db8::1', multihop: true, ttl: 1 },
    { remote: heard.at(-1).remote, ...eth0, local: 'fe80::1%eth0', multihop: false, ttl: 255 },
  ])
  t.match(heard.at(-1).remote, /^fe80::.+%eth0$/, 'a link-local remote has its zone')
})

t.test('our packets are as the RFCs want them, from first to last', { skip }, async (t) => {
  const { node, tor } = await buildLink(t)
  const tshark = await dissect(tor.namespace)
  const bfd = await startBfd(t, node)
  const far = { multihop: true, localAddress: '198.51.100.1', remoteAddress: '198.51.100.2' }
  bfd.want([
    { ...timers, name: 'tor', remoteAddress: '192.0.2.2' },
    { ...timers, name: 'tor6', remoteAddress: '2001:db8::2' },
    { ...timers, name: 'far', ...far },
  ])
  await waitFor('two packets of each', () => {
    const views = bfd.bfd.views()
    return views.length === 3 && views.every((view) => view.sentPackets >= 2)
  })
  await bfd.bfd.close()
  // Address, TTL, traffic class, port, state (Down, then AdminDown at the end).
  const expected = [
    '192.0.2.1 255 0xc0 3784 AdminDown',
    '192.0.2.1 255 0xc0 3784 Down',
    '198.51.100.1 255 0xc0 4784 AdminDown',
    '198.51.100.1 255 0xc0 4784 Down',
    '2001:db8::1 255 0xc0 3784 AdminDown',
    '2001:db8::1 255 0xc0 3784 Down',
  ]
  await waitUntil(
    'tshark to have seen them',
    () => [...new Set(rowsOf(tshark).map(({ text }) => text))].sort(),
    (seen) => seen.join('\n') === expected.join('\n'),
  )
  const rows = rowsOf(tshark)
  t.same(
    rows.filter((row) => row.malformed),
    [],
  )
  t.equal(new Set(rows.map((row) => row.source)).size, 3, 'one address and port a session')
  t.ok(rows.every((row) => row.port >= 49_152))
})

/** What tshark makes of BFD packets on eth0, a line each; resolves when it looks. */
async function dissect(namespace: Namespace): Promise<Daemon> {
  const fields = [
    ...['ip.src', 'ip.ttl', 'ip.dsfield', 'ipv6.src', 'ipv6.hlim', 'ipv6.tclass'],
    ...['udp.srcport', 'udp.dstport', 'bfd.sta', '_ws.malformed'],
  ]
  const tshark = namespace.start('tshark', [
    ...['-n', '-l', '-i', 'eth0', '-f', 'udp dst port 3784 or udp dst port 4784', '-Y', 'bfd'],
    ...['-T', 'fields', ...fields.flatMap((field) => ['-e', field])],
  ])
  await waitFor('tshark to capture', () => {
    if (tshark.ending) throw new Hopeless(tshark.stderr)
    return tshark.stderr.includes('Capturing')
  })
  // It says so a moment before it is true: a packet of no session's shows when it is.
  await waitFor('tshark to show a packet', async () => {
    const args = [packet, '192.0.2.1', '3784', '255']
    await namespace.must(process.execPath, ['-e', sender, ...args])
    return tshark.stdout.includes('192.0.2.2')
  })
  return tshark
}

interface Row {
  readonly text: string
  readonly source: string
  readonly port: number
  readonly malformed: boolean
}

/** Packets of the node's, from complete lines. */
function rowsOf({ stdout }: Daemon): Row[] {
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t'))
    .filter(([source4]) => source4 !== '192.0.2.2')
    .map((columns) => {
      const [v4, ttl, dsfield, v6, hops, tclass, from, to, state, malformed] = columns
      const address = v4 || v6
      const octet = Number(dsfield || tclass).toString(16)
      const name = Number(state) === 0 ? 'AdminDown' : Number(state) === 1 ? 'Down' : state
      return {
        text: `${address} ${ttl || hops} 0x${octet} ${to} ${name}`,
        source: `${address} ${from}`,
        port: Number(from),
        malformed: Boolean(malformed),
      }
    })
}

/** Listens for every kind and prints a line for each arrival. */
async function listen(namespace: Namespace): Promise<Daemon> {
  const script = `import(${JSON.stringify(udpUrl)}).then(({ createBfdNetwork }) => {
    const network = createBfdNetwork()
    for (const family of [4, 6]) for (const multihop of [false, true]) {
      network.listen({ family, multihop }, (one) => {
        const text = Buffer.from(one.bytes.subarray(0, one.length)).toString()
        const { remoteAddress: remote, localAddress: local, ttl } = one
        console.log(JSON.stringify({ remote, local, interface: one.interface, multihop, ttl, text }))
      })
    }
    console.log('listening')
  })`
  const ear = namespace.start(process.execPath, ['-e', script])
  await waitFor('a listener', () => {
    if (ear.ending) throw new Hopeless(ear.stderr)
    return ear.stdout.includes('listening')
  })
  return ear
}

const sender = `const [hex, address, port, ttl] = process.argv.slice(1)
const socket = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4')
socket.bind(0, () => {
  socket.setTTL(Number(ttl))
  socket.send(Buffer.from(hex, 'hex'), Number(port), address, () => socket.close())
})`
