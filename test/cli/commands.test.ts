/**
 * Commands as typed: what they print, which exit code they have, and what they say when it is no.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { fibStatus, node, peer } from '../api/fake-views.ts'
import { FakeTerminal, fakeHandlers, runCommand, serveAgent } from './agent.ts'

t.test('a well node is "healthy" in its first word, and fits a screen', async (t) => {
  const { command } = await serveAgent(t)
  const { exitCode, out } = await command('status')
  t.equal(exitCode, 0)
  t.match(
    out,
    /^healthy {2}n1 {2}AS 64512 {2}router id 10\.0\.0\.1 {2}up 1h 1m {2}routelet 0\.1\.0$/m,
  )
  t.ok(out.startsWith('healthy'))
  t.match(out, /^peers +2 of 2 established$/m)
  t.match(out, /^routes +IPv4 3 prefixes, 4 paths; IPv6 0 prefixes, 0 paths$/m)
  t.match(out, /^kernel +2 of 2 routes installed$/m)
  const lines = out.split('\n')
  t.ok(lines.length <= 24 && lines.every(({ length }) => length <= 80), `${lines.length} lines`)
})

t.test('remarks do not push a well node off the screen, and the worst come first', async (t) => {
  const conditions = Array.from({ length: 30 }, (_, index) => ({
    reason: `Remark${index}`,
    severity: index === 20 ? ('warning' as const) : ('info' as const),
    subject: `BGPPeer/rack-${index}`,
    message: 'something that takes more than one line of a terminal, as conditions often do',
    remedy: index % 2 === 0 ? 'do something about it' : null,
  }))
  const { command } = await serveAgent(t, { node: async () => node({ conditions }) })
  const { out } = await command('status')
  t.ok(out.startsWith('healthy'))
  const lines = out.trimEnd().split('\n')
  const taken = lines.reduce((sum, { length }) => sum + Math.max(1, Math.ceil(length / 80)), 0)
  t.ok(taken < 24, `${taken} lines of 80 columns\n${out}`)
  t.ok(out.indexOf('Remark20') < out.indexOf('Remark0 '), 'the warning stands before the rest')
  const shown = out.split('Remark').length - 1
  t.match(out, new RegExp(`and ${30 - shown} more: routelet status -o json\n$`))
})

t.test('a node that is not well says so first, why, and what helps', async (t) => {
  const condition = {
    reason: 'MissingSecret',
    severity: 'error',
    subject: 'BGPPeer/rack-b',
    message: 'the Secret bgp has no key password',
    remedy: 'add it to the Secret',
  } as const
  for (const [caption, changes, word, code, text] of [
    ['a peer is down', { peers: { wanted: 2, established: 1 } }, 'degraded', 0, /rack-b .* Active/],
    ['a route failed', { fib: { ...fibStatus, failed: 3 } }, 'degraded', 0, /3 failed/],
    ['a condition', { conditions: [condition] }, 'degraded', 0, /MissingSecret.*\n {2}add it/],
    ['not ready', { ready: false, readyReason: 'waits for rack-b' }, 'not ready', 1, /waits for/],
    ['not healthy', { healthy: false, ready: false }, 'unhealthy', 1, /n1/],
  ] as const) {
    const { command } = await serveAgent(t, { node: async () => node(changes) })
    const { exitCode, out } = await command('status')
    t.ok(out.startsWith(`${word}  n1`), caption)
    t.match(out, text, caption)
    t.equal(exitCode, code, caption)
  }
})

t.test('questions are answered in tables', async (t) => {
  const { command } = await serveAgent(t)
  for (const [line, ...expected] of [
    [
      'peers',
      /^NAME +ADDRESS +AS +TYPE +STATE +FOR +RECEIVED +ACCEPTED +SENT +REASON$/m,
      /^rack-a +10\.0\.0\.254 +65001 +ebgp +Established +1h +3 +2 +1 +-$/m,
      /^rack-b .* Active .* connection refused: is BGP running on 10\.0\.1\.254\?$/m,
    ],
    [
      'peers -o wide',
      /REASON +LOCAL +GROUP +SHARED BY +APART BECAUSE IT$/m,
      /^rack-a .* 1 +2 +differs from group 2 in export$/m,
    ],
    [
      'peers rack-a',
      /^state +Established for 1h/m,
      /^password +set \(MD5\)$/m,
      /^IPv4 +yes +3 +2 .* 1 \(of 2\) +differs from group 2 in export$/m,
    ],
    ['routes -o wide', /AS PATH +FROM +ORIGIN +COMMUNITIES$/m, / igp +65001:100/m],
    ['routes', /^10\.1\.2\.0\/24 +best +rack-a +10\.0\.0\.254 +65001 64513$/m],
    [
      'explain 10.1.2.0/24',
      /^10\.1\.2\.0\/24 is known from 2 peers\.\nrack-a is best/,
      /^10\.1\.2\.0\/24 +backup +rack-b .* longer AS path$/m,
      /^10\.1\.2\.0\/24 +254 +routelet \(179\) +2179 +unicast +10\.0\.0\.254 eth0 +routelet$/m,
      /^rack-b +no +the session is not Established$/m,
    ],
    ['fib', /^2 of 2 routes installed, 1 blackhole/, /^10\.1\.2\.0\/24 +unicast +installed/m],
    ['fib --diff', /^the kernel holds what is wanted$/m],
    ['events', /^nothing has happened$/m],
    ['version', /^routelet 0\.1\.0\nagent +0\.1\.0\nNode\.js +v/],
  ] as const) {
    const { exitCode, out, error } = await command(line)
    t.equal(exitCode, 0, line)
    t.equal(error, '', line)
    for (const pattern of expected) t.match(out, pattern, line)
  }
})

t.test('the same comes as JSON and YAML, as the API gave it', async (t) => {
  const { command } = await serveAgent(t)
  t.same(JSON.parse((await command('status -o json')).out), node())
  t.same(parse((await command('status -o yaml')).out), node())
  const routes = JSON.parse((await command('routes -o json --limit 2')).out)
  t.equal(routes.items.length, 2)
  t.type(routes.continue, 'string', 'there is more')
})

t.test('options reach the API', async (t) => {
  const server = await serveAgent(t)
  const asked = async (line: string) => {
    server.asked.length = 0
    await server.command(line)
    return server.asked.join('; ')
  }
  t.match(await asked('routes 10.1.0.0/16 --match covered --all'), /"match":"covered","view":"all"/)
  t.match(await asked('routes 10.1.2.3'), /"prefix":"10\.1\.2\.3\/32","match":"longest"/)
  t.match(
    await asked('routes --peer rack-a --view advertised'),
    /^peerRoutes rack-a advertised 1000/,
  )
  t.match(await asked('explain 10.1.2.3 --peer rack-b'), /^explain 10\.1\.2\.3\/32 rack-b$/)
})

t.test('a long table is read page by page up to the limit', async (t) => {
  const limits: number[] = []
  const { command } = await serveAgent(t, {
    routes: async ({ limit, continue: after }) => {
      limits.push(limit)
      const tokens = ['10.0.0.0/8', '11.0.0.0/8']
      return { items: [], continue: tokens[tokens.indexOf(after ?? '') + 1] ?? null }
    },
  })
  t.equal((await command('routes --limit 2500')).exitCode, 0)
  t.same(limits, [1000, 1000, 1000])
})

t.test('orders are given, and refusals passed on', async (t) => {
  const { command } = await serveAgent(t)
  t.match(await command('reset rack-a'), { exitCode: 0, out: 'rack-a: reset\n' })
  const refused = await command('reset rack-b')
  t.match(refused, { exitCode: 1, out: '', error: /rack-b has no session to reset/ })
})

t.test('orders carry what they are given, in words that fit', async (t) => {
  const { command, asked } = await serveAgent(t)
  for (const [line, told] of [
    ['shutdown rack-a --message moving', 'shutdown rack-a: moving'],
    ['reset rack-a --message=ü&x=1', 'reset rack-a: ü&x=1'],
    ['refresh rack-a', 'refresh rack-a: in'],
    ['refresh rack-a --direction both', 'refresh rack-a: both'],
  ] as const) {
    t.equal((await command(line)).exitCode, 0, line)
    t.equal(asked.pop(), told)
  }
  for (const [line, error] of [
    [`shutdown rack-a --message ${'é'.repeat(128)}`, /It is 256 octets of UTF-8 long.*holds 255/],
    ['refresh rack-a --direction up', /Allowed choices are in, out, both/],
    ['enable rack-a --message x', /unknown option '--message'/],
  ] as const) {
    t.match(await command(line), { exitCode: 2, error }, line)
  }
  t.same(asked, [])
})

t.test('a mistyped name is answered with the nearest', async (t) => {
  const { command } = await serveAgent(t)
  for (const line of ['peers rcak-a', 'reset rack-aa', 'routes --peer rack-A1']) {
    const { exitCode, error } = await command(line)
    t.equal(exitCode, 1, line)
    t.match(error, /there is no peer .*\n {2}did you mean rack-a\?/, line)
  }
})

t.test('a wrong command line exits 2 and says what is right', async (t) => {
  for (const [line, text] of [
    ['peeers', /unknown command 'peeers'\n\(Did you mean peers\?\)/],
    ['status --wach', /unknown option '--wach'\n\(Did you mean --watch\?\)/],
    ['status -o xml', /Allowed choices are table, json, yaml/],
    ['status --watch never', /no number of seconds/],
    ['status --api nowhere', /"nowhere" is no API address/],
    ['status --api ftp://127.0.0.1:9179', /ftp:\/\/ is not spoken here/],
    ['explain', /name a prefix or an address, or --peer NAME/],
    ['completion tcsh', /Allowed choices are bash, zsh, fish/],
    ['routes --limit many', /no whole number/],
    ['routes --limit 0', /less than 1/],
    ['routes -o broad', /Allowed choices are table, wide, json, yaml/],
    ['routes --view received', /--view needs --peer/],
    ['routes 10.0.0.0/8 --peer rack-a', /explain PREFIX --peer NAME/],
    ['run', /required option '--node <name>' not specified/],
    ['run --node n1', /give --manifests DIR/],
    ['run --node n1 --kubernetes --manifests a', /exclude each other/],
    ['run --node n1 --manifests a --kubeconfig b', /only with --kubernetes/],
    ['run --node n1 --manifests a --fib user', /Allowed choices are kernel, none/],
    ['lab --tor cisco', /Allowed choices are bird, frr, routelet/],
    ['check', /name a folder of manifests, or --host/],
    ['cleanup --table main', /no whole number/],
    ['status --api-token-file /nowhere/token', /token file cannot be read/],
  ] as const) {
    const { exitCode, error, out } = await runCommand(line)
    t.equal(exitCode, 2, line)
    t.match(error, text, line)
    t.match(error, /^routelet: /, line)
    t.equal(out, '', line)
  }
})

t.test('help and version exit 0; help gives the exit codes', async (t) => {
  const help = await runCommand('--help')
  t.equal(help.exitCode, 0)
  t.match(help.out, /Exit codes:\n {2}0 /)
  for (const command of ['run', 'lab', 'check', 'cleanup', 'plan', 'status', 'explain', 'reset']) {
    t.match(help.out, new RegExp(`^  ${command} `, 'm'))
    const own = await runCommand(`${command} --help`)
    t.match(own, { exitCode: 0, out: /Exit codes:\n {2}0 / }, `${command} --help`)
  }
  t.match(await runCommand('--version'), { exitCode: 0, out: '0.1.0\n' })
})

t.test('programs are handed their options', async (t) => {
  for (const [line, expected] of [
    [
      'run --node n1 --manifests a --manifests b --api [::1]:80 --fib none --log-level debug',
      [
        'run',
        {
          node: 'n1',
          manifests: ['a', 'b'],
          api: { kind: 'tcp', scheme: 'http', host: '::1', port: 80 },
          apiTokenFile: null,
          fib: 'none',
          stateDir: null,
          logLevel: 'debug',
        },
      ],
    ],
    ['run --node n1 --manifests a', ['run', { api: { host: '127.0.0.1', port: 9179 } }]],
    ['lab --once --tor frr --nodes 2', ['lab', { once: true, tor: 'frr', nodes: 2 }]],
    ['check dir -o json', ['check', 'dir', { output: 'json', host: false }]],
    ['check --host', ['check', null, { host: true }]],
    [
      'cleanup --dry-run --table 254 --table 100',
      ['cleanup', { tables: [254, 100], metric: 2179, protocol: 179, dryRun: true, force: false }],
    ],
    ['cleanup', ['cleanup', { tables: [254], dryRun: false }]],
    ['plan --node n1 --manifests a', ['plan', { node: 'n1', manifests: ['a'], output: 'table' }]],
  ] as const) {
    const called: unknown[] = []
    const { exitCode } = await runCommand(line, new FakeTerminal(), fakeHandlers(called))
    t.equal(exitCode, 0, line)
    t.match(called, [expected], line)
  }
})

t.test('nobody there is said in words, with how to start one', async (t) => {
  for (const [api, text] of [
    ['unix:/nowhere/api.sock', /no agent answers at unix:\/nowhere\/api\.sock\n {2}start one with/],
    ['127.0.0.1:1', /no agent answers at http:\/\/127\.0\.0\.1:1\n {2}start one with/],
    ['nowhere.invalid:80', /cannot be asked/],
  ] as const) {
    const { exitCode, error } = await runCommand(`status --api ${api}`)
    t.equal(exitCode, 1, api)
    t.match(error, text, api)
  }
  t.match(await runCommand('version --api 127.0.0.1:1'), {
    exitCode: 0,
    out: /agent +none answers/,
  })
})

t.test('another program at the address is recognised', async (t) => {
  for (const [caption, type, status, body] of [
    ['a web page', 'text/html', 200, '<html>'],
    ['an error page', 'text/html', 404, '<html>'],
    ['cut JSON', 'application/json', 200, '{"name":'],
  ] as const) {
    const server = createServer((_request, response) => {
      response.writeHead(status, { 'content-type': type }).end(body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    const { port } = server.address() as AddressInfo
    const { exitCode, error } = await runCommand(`status --api 127.0.0.1:${port}`)
    t.equal(exitCode, 1, caption)
    t.match(error, /is not routelet/, caption)
  }
})

t.test('a token file is read, and must hold a token', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'routelet-token-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'token')
  let seen: string | undefined
  const server = createServer((request, response) => {
    seen = request.headers.authorization
    response.writeHead(202, { 'content-type': 'application/json' })
    response.end('{"accepted":true,"message":"done"}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const api = `127.0.0.1:${(server.address() as AddressInfo).port}`
  writeFileSync(file, 'secret\n')
  const line = `reset rack-a --api ${api} --api-token-file ${file}`
  t.match(await runCommand(line), { exitCode: 0, out: 'done\n' })
  t.equal(seen, 'Bearer secret')
  writeFileSync(file, 'two words\n')
  t.match(await runCommand(line), { exitCode: 2, error: /holds no token/ })
})

t.test("a peer's words cannot steer the terminal", async (t) => {
  const text = 'bye\u001b[2J\u001b]0;owned\u0007\r\nhealthy\u202e'
  const hostile = peer('rack-a', {
    state: 'Idle',
    reason: text,
    lastError: { at: 0, direction: 'received', text },
  })
  const { command } = await serveAgent(t, { peers: () => [hostile], peer: () => hostile })
  for (const line of ['peers', 'peers rack-a', 'status']) {
    const { out } = await command(line)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the very thing that must not be there
    t.notMatch(out, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/, line)
  }
})

t.test('a watched view is asked for again until it is interrupted', async (t) => {
  const controller = new AbortController()
  const terminal = new FakeTerminal({
    signal: controller.signal,
    onWrite: ({ out }) => {
      if (out.split('healthy').length > 3) controller.abort()
    },
  })
  const { command } = await serveAgent(t)
  t.equal((await command('status --watch 0.1', terminal)).exitCode, 0)
  t.equal(terminal.out.split('healthy').length, 4)
})

t.test('a watch outlives the agent', async (t) => {
  const controller = new AbortController()
  const terminal = new FakeTerminal({
    signal: controller.signal,
    onWrite: ({ error }) => {
      if (error.split('no agent answers').length > 2) controller.abort()
    },
  })
  const { exitCode } = await runCommand('status --watch 0.1 --api 127.0.0.1:1', terminal)
  t.equal(exitCode, 1)
})
