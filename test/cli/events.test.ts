/**
 * `routelet events --follow` across what happens to a stream: news, a restart of the agent, an end.
 */
import t from 'tap'
import { FakeTerminal, serveAgent } from './agent.ts'

t.test('past events are listed in order', async (t) => {
  const { command, ring } = await serveAgent(t)
  ring.add('connected', { kind: 'peer.state' })
  ring.add('hold timer expired', { kind: 'peer.down', level: 'error' })
  const { out } = await command('events')
  t.equal(
    out,
    '2023-11-14T22:13:20Z  info   peer.state  rack-a  connected\n' +
      '2023-11-14T22:13:20Z  error  peer.down  rack-a  hold timer expired\n',
  )
  const list = JSON.parse((await command('events -o json --after 1')).out)
  t.match(list, { items: [{ id: 2 }] })
})

t.test('one kind of event can be asked for, and every prefix that moved be named', async (t) => {
  const { command, ring } = await serveAgent(t)
  ring.add('hold timer expired', { kind: 'peer.down' })
  ring.add('after rack-a went down: 1 route moved, 1 gone: 10.0.1.0/24 now via 192.0.2.2', {
    kind: 'routes.moved',
    data: {
      changed: 200,
      gone: 1,
      routes: [
        { prefix: '10.0.1.0/24', nextHops: ['192.0.2.2'], peers: ['rack-b'] },
        { prefix: '10.0.20.0/24', nextHops: null, peers: [] },
      ],
    },
  })
  const { out } = await command('events --kind routes.moved --peer rack-a -o wide')
  t.equal(
    out,
    '2023-11-14T22:13:20Z  info   routes.moved  rack-a  ' +
      'after rack-a went down: 1 route moved, 1 gone\n' +
      '  PREFIX        NOW VIA    LEARNED FROM\n' +
      '  10.0.1.0/24   192.0.2.2  rack-b\n' +
      '  10.0.20.0/24  gone       -\n' +
      '  and 199 more that are not named\n',
  )
  t.equal((await command('events --peer rack-b')).out, 'nothing has happened\n')
})

t.test('a followed stream prints what was and what comes, one JSON object a line', async (t) => {
  const controller = new AbortController()
  const { command, ring } = await serveAgent(t)
  ring.add('one')
  const terminal = new FakeTerminal({
    signal: controller.signal,
    onWrite: ({ out }) => {
      const { length } = out.trimEnd().split('\n')
      if (length === 1) setImmediate(() => ring.add('two'))
      else controller.abort()
    },
  })
  const { exitCode } = await command('events --follow -o json', terminal)
  t.equal(exitCode, 0, 'Ctrl-C is how it ends')
  const texts = terminal.out.trimEnd().split('\n')
  t.same(
    texts.map((line) => JSON.parse(line).text),
    ['one', 'two'],
  )
  t.equal(terminal.error, '')
})

t.test('a followed stream goes on with the agent that comes after', async (t) => {
  const controller = new AbortController()
  const first = await serveAgent(t)
  for (const text of ['one', 'two', 'three']) first.ring.add(text)
  const socket = first.api.slice('unix:'.length)
  let restarted = false
  const terminal = new FakeTerminal({
    signal: controller.signal,
    onWrite: ({ out }) => {
      if (out.includes('three') && !restarted) {
        restarted = true
        void first.close().then(async () => {
          const second = await serveAgent(t, {}, socket)
          second.ring.add('of the second run')
        })
      }
      if (out.includes('of the second run')) controller.abort()
    },
  })
  const { exitCode } = await first.command('events -f', terminal)
  t.equal(exitCode, 0)
  t.match(terminal.error, /the agent has started anew/)
  t.equal(terminal.out.split('\n').length - 1, 4, 'no event twice')
})
