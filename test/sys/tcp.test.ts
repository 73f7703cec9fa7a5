/**
 * The transport on the loopback interface of a real kernel: bytes both ways, MD5 keys with the right
 * key, a wrong one and none, GTSM, errors by name. What needs a privilege is skipped without it, with
 * the reason.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import t, { type Test } from 'tap'
import type {
  Connection,
  ConnectionError,
  ConnectionEvents,
  DialOptions,
  Incoming,
  Listener,
  ListenOptions,
} from '../../bgp/types.ts'
import { createTransport } from '../../src/sys/tcp.ts'

/** A generous deadline for what should take milliseconds. */
const deadlineMs = 20_000

const transport = createTransport()

/** One side of a connection, and what happened to it. */
class Side implements ConnectionEvents {
  connection: Connection | null = null
  incoming: Incoming | null = null
  isConnected = false
  heard = ''
  drains = 0
  error: ConnectionError | null | 'none' = 'none'

  connected(): void {
    this.isConnected = true
  }

  data(bytes: Uint8Array): void {
    this.heard += Buffer.from(bytes).toString('latin1')
  }

  drained(): void {
    this.drains += 1
  }

  closed(error: ConnectionError | null): void {
    this.error = error
  }
}

/** Waits for a state, looking again at every turn of the loop. */
async function until(what: string, reached: () => boolean): Promise<void> {
  const end = performance.now() + deadlineMs
  while (!reached()) {
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

interface Door {
  readonly listener: Listener
  readonly accepted: Side[]
}

async function door(
  t: Test,
  options: Partial<ListenOptions> = {},
  prepare: (incoming: Incoming) => void = () => {},
): Promise<Door> {
  const accepted: Side[] = []
  const listener = await transport.listen(
    { address: '127.0.0.1', family: 4, port: 0, backlog: 16, ...options },
    (incoming) => {
      prepare(incoming)
      const side = new Side()
      side.incoming = incoming
      side.connection = incoming.accept(side)
      accepted.push(side)
    },
  )
  t.teardown(() => {
    listener.close()
    for (const side of accepted) side.connection?.destroy()
  })
  return { listener, accepted }
}

function dial(t: Test, options: Partial<DialOptions> & { readonly port: number }): Side {
  const side = new Side()
  side.connection = transport.dial(
    {
      address: '127.0.0.1',
      localAddress: null,
      password: null,
      ttl: null,
      minTtl: null,
      ...options,
    },
    side,
  )
  t.teardown(() => side.connection?.destroy())
  return side
}

/** Counters of the kernel's MD5 and TTL checks, for this network namespace. */
function counter(name: string): number {
  const lines = fs.readFileSync('/proc/net/netstat', 'latin1').split('\n')
  const names = lines[0]?.split(' ') ?? []
  return Number(lines[1]?.split(' ')[names.indexOf(name)])
}

/** Why MD5 keys cannot be tried here, or false. */
async function withoutMd5(): Promise<string | false> {
  try {
    const keys = [{ prefix: '127.77.0.2', password: 'k' }]
    const options = { address: '127.77.0.1', family: 4, port: 0, backlog: 1, keys } as const
    const listener = await transport.listen(options, (incoming) => incoming.reject())
    listener.close()
    return false
  } catch (cause) {
    return `this kernel or user cannot set MD5 keys: ${String(cause)}`
  }
}

const families = [
  { family: 4, server: '127.77.0.1', client: '127.77.0.2', net: '127.77.0.0/24' },
  { family: 6, server: '::1', client: '::1', net: '::/64' },
] as const

for (const { family, server, client } of families) {
  t.test(`IPv${family}: bytes go both ways, and both ends know each other`, async (t) => {
    const { listener, accepted } = await door(t, { family, address: server })
    const side = dial(t, { address: server, port: listener.port, localAddress: client })
    await until('both are connected', () => side.isConnected && accepted.length === 1)
    const other = accepted[0] as Side
    t.equal(other.incoming?.remoteAddress, client)
    t.equal(other.incoming?.localAddress, server)
    t.equal(other.incoming?.remotePort, side.connection?.localPort)
    t.equal(side.connection?.localAddress, client)
    t.notOk(other.isConnected, 'connected is not called for an accepted connection')
    side.connection?.writeAll([Buffer.from('hello '), Buffer.from('there')])
    other.connection?.write(Buffer.from('and back'))
    await until('all is heard', () => side.heard === 'and back' && other.heard === 'hello there')
    side.connection?.end()
    await until('both are closed', () => side.error !== 'none' && other.error !== 'none')
    t.same([side.error, other.error], [null, null], 'in good order')
  })
}

t.test('nothing is read from a connection before it was accepted', async (t) => {
  let held: Incoming | null = null
  const options = { address: '127.0.0.1', family: 4, port: 0, backlog: 1 } as const
  const listener = await transport.listen(options, (incoming) => {
    held = incoming
  })
  t.teardown(() => listener.close())
  const side = dial(t, { port: listener.port })
  side.connection?.write(Buffer.from('early'))
  await until('somebody knocks', () => held !== null)
  await until('the bytes have left', () => side.isConnected && side.connection?.queuedBytes === 0)
  const other = new Side()
  other.connection = (held as unknown as Incoming).accept(other)
  await until('they arrive', () => other.heard === 'early')
  other.connection.destroy()
})

t.test('a rejected connection is reset', async (t) => {
  const options = { address: '127.0.0.1', family: 4, port: 0, backlog: 1 } as const
  const listener = await transport.listen(options, (incoming) => incoming.reject())
  t.teardown(() => listener.close())
  const side = dial(t, { port: listener.port })
  await until('it is closed', () => side.error !== 'none')
  t.match(side.error, { code: 'ECONNRESET' })
})

t.test('a full queue says so, and says when it is empty again', async (t) => {
  const { listener, accepted } = await door(t)
  const side = dial(t, { port: listener.port })
  await until('both are connected', () => side.isConnected && accepted.length === 1)
  const other = accepted[0] as Side
  other.connection?.pause()
  const block = Buffer.alloc(64 * 1024)
  let written = 0
  while (side.connection?.write(block)) written += block.length
  t.ok(side.connection && side.connection.queuedBytes > 0, `after ${written} octets`)
  t.equal(side.drains, 0)
  other.connection?.resume()
  await until('it has drained', () => side.drains > 0)
  t.equal(side.connection?.queuedBytes, 0)
})

t.test('octets arrive whole and in order, whoever of kernel and queue takes them', async (t) => {
  const { listener, accepted } = await door(t)
  const side = dial(t, { port: listener.port })
  await until('both are connected', () => side.isConnected && accepted.length === 1)
  const other = accepted[0] as Side
  const heard = createHash('sha256')
  const written = createHash('sha256')
  let [heardBytes, writtenBytes, next] = [0, 0, 0]
  other.data = (bytes) => {
    heard.update(bytes)
    heardBytes += bytes.length
  }
  /** As many lists of blocks as it takes; every octet differs from its neighbours. */
  const write = (lengths: readonly number[]): boolean => {
    const blocks = lengths.map((length) => Buffer.from(Array.from({ length }, () => next++ & 0xff)))
    for (const block of blocks) written.update(block)
    writtenBytes += blocks.reduce((sum, { length }) => sum + length, 0)
    return side.connection?.writeAll(blocks) ?? false
  }
  const rows = [[19], [23, 0, 61], [4096, 19, 4096], [9000, 9000], [70_001, 5, 30_000], []]
  for (let round = 0; round < 3; round++) {
    for (const lengths of rows) write(lengths)
    other.connection?.pause()
    while (write([65_000, 17, 4000]));
    t.ok(side.connection && side.connection.queuedBytes > 0, 'the kernel takes no more')
    for (const lengths of rows) write(lengths)
    other.connection?.resume()
    await until('all has come', () => heardBytes === writtenBytes)
    t.equal(side.connection?.queuedBytes, 0)
  }
  t.equal(heard.digest('hex'), written.digest('hex'))
})

t.test(
  'what is written to a connection that the other end has reset is an error, once',
  async (t) => {
    const { listener, accepted } = await door(t)
    const side = dial(t, { port: listener.port })
    await until('both are connected', () => side.isConnected && accepted.length === 1)
    side.connection?.pause()
    accepted[0]?.connection?.write(Buffer.from('unread'))
    accepted[0]?.connection?.destroy()
    await until('it is over', () => {
      side.connection?.writeAll([Buffer.from('a'), Buffer.from('b')])
      return side.error !== 'none'
    })
    t.match(side.error, { code: /^(EPIPE|ECONNRESET)$/ })
  },
)

t.test('attempts that fail tell why by the name of the errno', async (t) => {
  const { listener } = await door(t)
  const { port } = listener
  listener.close()
  const rows: [string, Partial<DialOptions>, string][] = [
    ['nobody listens', {}, 'ECONNREFUSED'],
    ['nobody listens, with options', { ttl: 64 }, 'ECONNREFUSED'],
    ['the source address is not here', { localAddress: '192.0.2.77' }, 'EADDRNOTAVAIL'],
    ['the zone does not exist', { address: 'fe80::1%rl-none0', ttl: 255 }, 'ENODEV'],
    ['a key that is too long', { password: 'x'.repeat(81) }, 'EINVAL'],
  ]
  for (const [caption, options, code] of rows) {
    const side = dial(t, { port, ...options })
    t.equal(side.error, 'none', `${caption}: the caller is told later, never at once`)
    await until(`${caption} is told`, () => side.error !== 'none')
    t.match(side.error, { code }, `${caption}: ${code}`)
    t.notOk(side.isConnected)
  }
})

t.test('a port that is taken, an address that is not here', async (t) => {
  const { listener } = await door(t)
  await t.rejects(door(t, { port: listener.port }), { code: 'EADDRINUSE' })
  await t.rejects(door(t, { address: '192.0.2.77' }), { code: 'EADDRNOTAVAIL' })
  await t.resolves(
    door(t, { port: listener.port, address: '127.0.0.2' }),
    'another address is free',
  )
})

t.test('both families listen on one port side by side', async (t) => {
  const four = await door(t, { address: null })
  const { port } = four.listener
  const six = await door(t, { address: null, family: 6, port })
  const side = dial(t, { port })
  dial(t, { port, address: '::1' })
  await until('both have come', () => four.accepted.length === 1 && six.accepted.length === 1)
  t.equal(four.accepted[0]?.incoming?.remoteAddress, '127.0.0.1', 'not ::ffff:127.0.0.1')
  t.equal(side.connection?.remoteAddress, '127.0.0.1')
})

for (const { family, server, client, net } of families) {
  t.test(`IPv${family}: MD5 keys (RFC 2385)`, { skip: await withoutMd5() }, async (t) => {
    const rows = [
      ['the right key', [client, 'secret'], 'secret', null],
      ['the right key by prefix', [net, 'secret'], 'secret', null],
      ['a wrong key', [client, 'secret'], 'wrong', 'TCPMD5Failure'],
      ['no key where one is wanted', [client, 'secret'], null, 'TCPMD5NotFound'],
      ['a wrong key by prefix', [net, 'secret'], 'wrong', 'TCPMD5Failure'],
      ['a key where none is wanted', null, 'secret', 'TCPMD5Unexpected'],
    ] as const
    for (const [caption, key, password, dropped] of rows) {
      const keys = key === null ? [] : [{ prefix: key[0], password: key[1] }]
      const { listener, accepted } = await door(t, { family, address: server, keys })
      const before = dropped === null ? 0 : counter(dropped)
      const { port } = listener
      const side = dial(t, { address: server, port, localAddress: client, password })
      if (dropped === null) {
        await until('it is connected', () => side.isConnected && accepted.length === 1)
        side.connection?.write(Buffer.from('signed'))
        await until('it is heard', () => accepted[0]?.heard === 'signed')
        t.pass(`${caption}: connected`)
      } else {
        await until(`${dropped} counts`, () => counter(dropped) > before)
        t.notOk(side.isConnected || accepted.length > 0, `${caption}: ${dropped}, no connection`)
      }
      side.connection?.destroy()
      listener.close()
    }
  })

  t.test(`IPv${family}: keys change while listening`, { skip: await withoutMd5() }, async (t) => {
    const { listener, accepted } = await door(t, { family, address: server })
    const { port } = listener
    const reach = async (password: string | null): Promise<void> => {
      const before = accepted.length
      const side = dial(t, { address: server, port, localAddress: client, password })
      await until('it is accepted', () => side.isConnected && accepted.length > before)
      side.connection?.destroy()
    }
    const refused = async (password: string | null, name: string): Promise<void> => {
      const before = counter(name)
      const side = dial(t, { address: server, port, localAddress: client, password })
      await until(`${name} counts`, () => counter(name) > before)
      t.notOk(side.isConnected, `${password ?? 'no key'} is refused`)
      side.connection?.destroy()
    }
    await reach(null)
    listener.setKeys([{ prefix: client, password: 'first' }])
    await refused(null, 'TCPMD5NotFound')
    await reach('first')
    listener.setKeys([{ prefix: client, password: 'second' }])
    await refused('first', 'TCPMD5Failure')
    await reach('second')
    listener.setKeys([{ prefix: net, password: 'for all' }])
    await refused('second', 'TCPMD5Failure')
    await reach('for all')
    listener.setKeys([])
    await reach(null)
    t.throws(
      () =>
        listener.setKeys([
          { prefix: client, password: 'one' },
          { prefix: client, password: 'two' },
        ]),
      /two different MD5 keys/,
    )
  })

  t.test(
    `IPv${family}: keys change under a connection`,
    { skip: await withoutMd5() },
    async (t) => {
      const keys = (password: string) => [{ prefix: client, password }]
      const { listener, accepted } = await door(t, { family, address: server, keys: keys('first') })
      const target = { address: server, port: listener.port, localAddress: client }
      const near = dial(t, { ...target, password: 'first' })
      await until('it is accepted', () => near.isConnected && accepted.length === 1)
      const [far] = accepted
      const say = async (text: string) => {
        near.connection?.write(new TextEncoder().encode(text))
        await until(`"${text}" comes`, () => far?.heard.endsWith(text) === true)
      }
      await say('by the first key')
      const before = counter('TCPMD5Failure')
      near.connection?.rekey?.('second')
      near.connection?.write(new TextEncoder().encode('by the second'))
      await until('the other end refuses it', () => counter('TCPMD5Failure') > before)
      t.notMatch(far?.heard, /second/)
      far?.connection?.rekey?.('second')
      await until('it is sent again and taken', () => far?.heard.endsWith('by the second') === true)
      await say('and so is the next')
      t.equal(near.error, 'none', 'nobody noticed')
    },
  )

  t.test(`IPv${family}: GTSM drops what has come too far (RFC 5082)`, async (t) => {
    const guard = { ttl: 255, minTtl: 255 }
    const near = await door(t, { family, address: server }, (incoming) => incoming.setTtl(255, 255))
    const good = dial(t, { address: server, port: near.listener.port, ...guard })
    await until('it is connected', () => good.isConnected && near.accepted.length === 1)
    good.connection?.write(Buffer.from('near'))
    await until('it is heard', () => near.accepted[0]?.heard === 'near')

    const before = counter('TCPMinTTLDrop')
    const far = dial(t, { address: server, port: near.listener.port, ttl: 64 })
    await until('it is accepted', () => near.accepted.length === 2)
    far.connection?.write(Buffer.from('far'))
    await until('segments are dropped', () => counter('TCPMinTTLDrop') > before)
    t.equal(near.accepted[1]?.heard, '', 'not a byte of it was read')
  })
}
