/** Listening sockets and MD5 keys follow what is wanted. */
import t from 'tap'
import { type FamilyKey, type ListenEvent, Listeners } from '../../../bgp/session/listeners.ts'
import type { ListenAddress, ListenerKey, Transport } from '../../../bgp/types.ts'
import { FakeClock } from '../clock.ts'
import { PipeNetwork } from '../pipe.ts'

const four: ListenAddress = { address: null, family: 4, port: 179 }
const six: ListenAddress = { address: null, family: 6, port: 179 }
const one: ListenAddress = { address: '10.0.0.1', family: 4, port: 1179 }
const rackKey: FamilyKey = { prefix: '10.0.0.2', password: 'rack', family: 4 }
const meshKey: FamilyKey = { prefix: '2001:db8::/64', password: 'mesh', family: 6 }

/** A transport that writes down what is asked of it. */
function desk(fails: (port: number) => string | null = () => null) {
  const done: string[] = []
  const events: ListenEvent[] = []
  const inWords = (keys: readonly ListenerKey[]): string =>
    keys.map(({ prefix, password }) => `${prefix}=${password}`).join() || 'none'
  const transport: Transport = {
    dial() {
      throw new Error('nobody dials here')
    },
    async listen({ address, family, port, keys }) {
      const name = `${address ?? `any${family}`}:${port}`
      const code = fails(port)
      if (code !== null) throw Object.assign(new Error(`listen ${code}`), { code })
      done.push(`listen ${name} keys ${inWords(keys ?? [])}`)
      return {
        port,
        setKeys: (wanted) => done.push(`keys ${name} ${inWords(wanted)}`),
        close: () => done.push(`close ${name}`),
      }
    },
  }
  const listeners = new Listeners(
    transport,
    () => {},
    (event) => events.push(event),
  )
  return { listeners, done, events }
}

t.test('a listener has its keys before it is open, those of its family', async (t) => {
  const { listeners, done, events } = desk()
  await listeners.configure([four, six], [rackKey, meshKey])
  t.same(done, ['listen any4:179 keys 10.0.0.2=rack', 'listen any6:179 keys 2001:db8::/64=mesh'])
  t.same(
    events.map(({ text }) => text),
    ['listening on 0.0.0.0:179', 'listening on [::]:179'],
  )
})

t.test('a change touches only what differs', async (t) => {
  const { listeners, done } = desk()
  await listeners.configure([four], [rackKey])
  done.length = 0
  await listeners.configure([four], [])
  t.same(done.splice(0), ['keys any4:179 none'])
  await listeners.configure([four, one], [rackKey])
  t.same(done.splice(0), ['keys any4:179 10.0.0.2=rack', 'listen 10.0.0.1:1179 keys 10.0.0.2=rack'])
  await listeners.configure([one], [rackKey])
  t.same(done.splice(0), ['close any4:179', 'keys 10.0.0.1:1179 10.0.0.2=rack'])
  t.same(listeners.addresses, [one])
})

t.test('changes that follow each other closely are applied in order', async (t) => {
  const { listeners, done } = desk()
  await Promise.all([
    listeners.configure([four], []),
    listeners.configure([four], [rackKey]),
    listeners.configure([], []),
  ])
  t.same(done, ['listen any4:179 keys none', 'keys any4:179 10.0.0.2=rack', 'close any4:179'])
})

t.test('what fails says in one sentence what, where and what to do', async (t) => {
  for (const [code, words] of [
    ['EADDRINUSE', /cannot listen on 0\.0\.0\.0:179: the port is in use.*another BGP daemon/],
    ['EACCES', /cannot listen on 0\.0\.0\.0:179: .*CAP_NET_BIND_SERVICE/],
    ['EADDRNOTAVAIL', /cannot listen on 0\.0\.0\.0:179: the address is not on this host/],
    ['EIO', /listen EIO/],
  ] as const) {
    const { listeners } = desk(() => code)
    await t.rejects(listeners.configure([four], []), { code, message: words })
  }
})

t.test('one that fails does not keep the others from listening, nor the next try', async (t) => {
  let broken = true
  const { listeners, done } = desk((port) => (broken && port === 179 ? 'EADDRINUSE' : null))
  await t.rejects(listeners.configure([four, one], []), { code: 'EADDRINUSE' })
  t.same(done.splice(0), ['listen 10.0.0.1:1179 keys none'])
  broken = false
  await listeners.configure([four, one], [])
  t.same(done, ['listen any4:179 keys none', 'keys 10.0.0.1:1179 none'])
})

t.test('closing ends them all, also one that is just being opened', async (t) => {
  const { listeners, done } = desk()
  await listeners.configure([one], [])
  const late = listeners.configure([one, four], [])
  listeners.close()
  await late
  t.same(done, ['listen 10.0.0.1:1179 keys none', 'close 10.0.0.1:1179'])
})

t.test('connections are handed on', async (t) => {
  const clock = new FakeClock()
  const network = new PipeNetwork(clock)
  const from: string[] = []
  const listeners = new Listeners(
    network.host('10.0.0.1'),
    (incoming) => {
      from.push(incoming.remoteAddress)
      incoming.reject()
    },
    () => {},
  )
  await listeners.configure([four], [])
  const nothing = { connected() {}, data() {}, drained() {}, closed() {} }
  const options = { address: '10.0.0.1', port: 179, localAddress: null, password: null }
  network.host('10.0.0.2').dial({ ...options, ttl: null, minTtl: null }, nothing)
  clock.advance(100)
  t.same(from, ['10.0.0.2'])
})
