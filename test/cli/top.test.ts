/** The live view and what shells complete. */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { createClient } from '../../src/cli/client.ts'
import { buildProgram } from '../../src/cli/commands.ts'
import { formatCompletion, shells } from '../../src/cli/completion.ts'
import { parseEndpoint } from '../../src/cli/endpoint.ts'
import { runTop } from '../../src/cli/top.ts'
import { peer } from '../api/fake-views.ts'
import { FakeTerminal, fakeHandlers, serveAgent } from './agent.ts'

t.test('top draws within the screen, and leaves it as it was when q is pressed', async (t) => {
  const { api } = await serveAgent(t)
  let press: (key: string) => void = () => t.fail('nobody listens to keys')
  let listening = 0
  let looks = 0
  const terminal = new FakeTerminal({
    onWrite: ({ out }) => {
      looks = out.split('UPDATES IN/S').length - 1
      if (looks === 2) press('q')
    },
  })
  const screen = {
    size: () => ({ rows: 6, columns: 60 }),
    listen: ({ key }: { key(key: string): void }) => {
      press = key
      listening++
      return () => void listening--
    },
  }
  t.equal(await runTop(createClient(parseEndpoint(api), null), terminal, screen, 0.1), 0)
  t.ok(terminal.out.startsWith('\u001b[?1049h') && terminal.out.endsWith('\u001b[?1049l'))
  const [, first = ''] = terminal.out.split('\u001b[H\u001b[J')
  const lines = first.split('\r\n')
  t.ok(lines.length <= 6 && lines.every((line) => line.length <= 60), first)
  t.match(lines[3], /^rack-b +Active/, 'who is down comes first')
  t.equal(listening, 0)
})

t.test(
  "a session that won't last is marked alike by top and peers, and comes before busy ones",
  async (t) => {
    const peers = [
      peer('rack-a'),
      peer('rack-b', { state: 'Idle', reason: 'connection refused' }),
      peer('rack-c', { reason: '10.0.2.254 is unreachable: link eth2 has no carrier' }),
    ]
    const { api, command } = await serveAgent(t, { peers: () => peers })
    const ended = new AbortController()
    const terminal = new FakeTerminal({
      colour: true,
      signal: ended.signal,
      onWrite: () => ended.abort(),
    })
    t.equal(await runTop(createClient(parseEndpoint(api), null), terminal, null, 60), 0)
    const { out } = await command('peers', new FakeTerminal({ colour: true }))
    const tones = (text: string) =>
      [...text.matchAll(/^(rack-\w).*?\[(\d+)m/gm)].map(([, name, tone]) => `${name} ${tone}`)
    t.same(tones(terminal.out), ['rack-b 31', 'rack-c 33', 'rack-a 32'])
    t.same(tones(out).sort(), tones(terminal.out).sort())
  },
)

t.test('every command and option is completed in every shell', async (t) => {
  const program = buildProgram(fakeHandlers(), new FakeTerminal(), () => undefined)
  for (const shell of shells) {
    const script = formatCompletion(program, shell)
    const missing = program.commands.flatMap((command) =>
      [command.name(), ...command.options.map(({ long }) => (long ?? '').slice(2))].filter(
        (word) => !script.includes(word),
      ),
    )
    t.same(missing, [], shell)
    t.match(script, /received accepted advertised/, shell)
  }
})

t.test('bash completes commands, options, their values, and the peers of the agent', async (t) => {
  const { command } = await serveAgent(t)
  t.equal((await command('peer-names')).out, 'rack-a\nrack-b\n')
  const program = buildProgram(fakeHandlers(), new FakeTerminal(), () => undefined)
  const script = formatCompletion(program, 'bash')
  const complete = (line: string): string[] => {
    const words = line.split(' ').map((word) => `'${word}'`)
    const asked = `
      routelet() { [ "$1" = peer-names ] && printf 'rack-a\\nrack-b\\n'; }
      COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}
      _routelet; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script + asked], {
      encoding: 'utf8',
    })
    t.equal(status, 0, stderr)
    return stdout.split('\n').filter((word) => word !== '')
  }
  for (const [line, ...expected] of [
    ['routelet stat', 'status'],
    ['routelet peer', 'peers'],
    ['routelet peers ', 'rack-a', 'rack-b'],
    ['routelet reset rack-b', 'rack-b'],
    ['routelet explain --peer ', 'rack-a', 'rack-b'],
    ['routelet status --wat', '--watch'],
    ['routelet status -o j', 'json'],
    ['routelet routes --output w', 'wide'],
    ['routelet log d', 'debug'],
    ['routelet completion z', 'zsh'],
    ['routelet help stat', 'status'],
    ['routelet check '],
    ['routelet status --api '],
  ] as const) {
    t.same(complete(line), expected, line)
  }
})

t.test('why a peer is down is asked without a prefix, and exits 1', async (t) => {
  const { command } = await serveAgent(t)
  t.match(await command('explain --peer rack-b'), {
    exitCode: 1,
    out: /^The session with rack-b is Active\.\n\nAT +WHAT HAPPENED\n\S+ +connection refused\n$/,
  })
  t.match(await command('explain --peer rack-a'), { exitCode: 0 })
  t.match(await command('explain --peer rcak-a'), { exitCode: 1, error: /did you mean rack-a/ })
})
