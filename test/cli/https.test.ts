/**
 * The command over HTTPS, with real certificates: whom it believes, what it says of those it doesn't,
 * and that a token is neither forgotten nor lost on the way.
 */
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildApi, type Gatekeeper, tokenGatekeeper } from '../../api/index.ts'
import { makeExpiredPair, makePair, needsOpenssl, type Pair } from '../api/certificate.ts'
import { FakeRing, fakeAgent } from '../api/fake-views.ts'
import { FakeTerminal, fakeHandlers, runCommand } from './agent.ts'

const TOKEN = 'a-token'
const fileGate = tokenGatekeeper(() => TOKEN)

/** An agent beyond loopback, as far as it knows; `pair` null: one on loopback, without TLS. */
async function serve(t: Test, pair: Pair | null, gatekeeper: Gatekeeper = fileGate) {
  const ring = new FakeRing()
  ring.add('up')
  const app = buildApi(fakeAgent({}, ring).views, {
    listener: pair === null ? 'loopback' : 'network',
    gatekeeper,
    tls: pair && { cert: readFileSync(pair.cert), key: readFileSync(pair.key) },
    web: '/nowhere',
    version: '0.1.0',
    onFailure: (error) => t.fail(error.message),
  })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}

t.test('an agent is asked, ordered and followed over HTTPS', needsOpenssl, async (t) => {
  const folder = t.testdir({ token: TOKEN })
  const authority = makePair(folder, 'authority')
  const signed = makePair(folder, 'node', 'IP:127.0.0.1,DNS:localhost', authority)
  const port = await serve(t, signed)
  const access = `--api-token-file ${folder}/token --api-cacert ${authority.cert}`
  for (const host of ['127.0.0.1', 'localhost']) {
    const said = await runCommand(`status --api https://${host}:${port} ${access}`)
    t.match(said, { exitCode: 0, out: /^healthy/, error: '' }, host)
  }
  const api = `--api https://127.0.0.1:${port} ${access}`
  t.match(await runCommand(`reset rack-a ${api}`), { exitCode: 0, error: '' })
  const controller = new AbortController()
  const onWrite = () => controller.abort()
  const terminal = new FakeTerminal({ signal: controller.signal, onWrite })
  t.match(await runCommand(`events --follow --after 0 ${api}`, terminal), { exitCode: 0 })
  t.not(terminal.out, '')
  const insecure = `--api https://127.0.0.1:${port} --api-token-file ${folder}/token --api-insecure`
  t.match(await runCommand(`status ${insecure}`), {
    exitCode: 0,
    out: /^healthy/,
    error: /certificate of https:\/\/127\.0\.0\.1:\d+ is not checked/,
  })
})

t.test('who is not believed is said, with what helps', needsOpenssl, async (t) => {
  const folder = t.testdir({ token: TOKEN, text: 'no certificate', broken: broken() })
  const [authority, other] = [makePair(folder, 'authority'), makePair(folder, 'other')]
  const signed = makePair(folder, 'node', 'IP:127.0.0.1', authority)
  const renamed = makePair(folder, 'renamed', 'DNS:node-1', authority)
  const expired = makeExpiredPair(folder, 'expired')
  const [good, foreign, old] = [
    await serve(t, signed),
    await serve(t, renamed),
    await serve(t, expired),
  ]
  const plain = await serve(t, null)
  const ca = `--api-cacert ${authority.cert}`
  for (const [caption, scheme, port, options, code, message, remedy] of [
    ['of an unknown authority', 'https', good, '', 1, /no authority/, /--api-cacert FILE/],
    [
      'of another authority',
      'https',
      good,
      `--api-cacert ${other.cert}`,
      1,
      /no auth/,
      /authority/,
    ],
    ['for other names', 'https', foreign, ca, 1, /is for DNS:node-1, and not for 127/, /--api/],
    ['that ran out', 'https', old, `--api-cacert ${expired.cert}`, 1, /has run out/, /renew/],
    ['of a plain server', 'https', plain, ca, 1, /speaks no TLS/, /write http:\/\//],
    ['asked without TLS', 'http', good, '', 1, /closed the connection/, /ask for https:\/\//],
    ['in a file that is not there', 'https', good, '--api-cacert /nowhere', 2, /ENOENT/, /PEM/],
    ['in a file without one', 'https', good, `--api-cacert ${folder}/text`, 2, /no cert/, /PEM/],
    ['that is none', 'https', good, `--api-cacert ${folder}/broken`, 2, /of no use/, /PEM/],
    ['not to be checked, and by whom', 'https', good, `--api-insecure ${ca}`, 2, /cannot be/, /./],
  ] as const) {
    const line = `status --api ${scheme}://127.0.0.1:${port} ${options}`
    const { exitCode, error, out } = await runCommand(line)
    t.equal(exitCode, code, caption)
    t.match(error, message, caption)
    t.match(error, remedy, caption)
    t.equal(out, '', caption)
  }
})

t.test('who may not ask is told by which option one may', needsOpenssl, async (t) => {
  const folder = t.testdir({ token: TOKEN, old: 'another-token' })
  const pair = makePair(folder, 'node')
  const forbidding: Gatekeeper = {
    remedy: '',
    judge: async () => ({ kind: 'forbidden', reason: 'ann may not get /v1/node' }),
  }
  const port = await serve(t, pair)
  const strict = await serve(t, pair, forbidding)
  for (const [caption, at, options, message, remedy] of [
    ['no token', port, '', /no Authorization header/, /--api-token-file or ROUTELET_API_TOKEN_/],
    ['another token', port, `--api-token-file ${folder}/old`, /not the right one/, /compare/],
    ['no right', strict, `--api-token-file ${folder}/token`, /ann may not/, /nonResourceURLs/],
  ] as const) {
    const line = `status --api https://127.0.0.1:${at} --api-cacert ${pair.cert} ${options}`
    const { exitCode, error } = await runCommand(line)
    t.equal(exitCode, 1, caption)
    t.match(error, message, caption)
    t.match(error, remedy, caption)
  }
})

t.test('a token does not leave this host for everybody to read', async (t) => {
  const file = join(t.testdir({ token: TOKEN }), 'token')
  const line = `status --api http://192.0.2.1:9179 --api-token-file ${file}`
  t.match(await runCommand(line), { exitCode: 2, error: /everybody on the way.*\n.*https:\/\//s })
})

t.test('where TLS is asked for, an agent has it or does not start', async (t) => {
  const run = 'run --node n1 --manifests a'
  for (const [options, scheme] of [
    ['--api https://127.0.0.1:1 --api-tls-cert c --api-tls-key k', 'https'],
    ['--api 127.0.0.1:1 --api-tls-cert c --api-tls-key k', 'https'],
    ['--api 127.0.0.1:1 --metrics 0.0.0.0:2', 'http'],
  ] as const) {
    const called: unknown[] = []
    await runCommand(`${run} ${options}`, new FakeTerminal(), fakeHandlers(called))
    t.match(called, [['run', { api: { scheme } }]], options)
  }
  for (const [options, error] of [
    ['--api https://127.0.0.1:1', /needs a certificate\n.*--api-tls-cert FILE/],
    ['--metrics https://127.0.0.1:1', /TLS is not spoken here/],
    ['--metrics unix:/run/x', /a scraper needs a port/],
  ] as const) {
    t.match(await runCommand(`${run} ${options}`), { exitCode: 2, error }, options)
  }
})

function broken(): string {
  return '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
}
