/**
 * Who is let in over the network: certificate and token as files that are renewed, and the cluster's
 * reviews, against a fake API server that speaks HTTPS.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildApi, renewCertificate } from '../../api/index.ts'
import { followToken, openGate, readCertificate } from '../../src/api-access.ts'
import { createApiClient } from '../../src/cluster/api-client.ts'
import {
  clusterReviewer,
  kubeGatekeeper,
  reviewLimits,
  reviewsMax,
  verdictMs,
} from '../../src/kube-gatekeeper.ts'
import { makePair, needsOpenssl } from '../api/certificate.ts'
import { fakeAgent } from '../api/fake-views.ts'

t.test('a token file is read again when it changes, and its last good token holds', async (t) => {
  const file = join(t.testdir({ token: 'first\n' }), 'token')
  const told: string[] = []
  const current = followToken(file, (text) => told.push(text))
  t.equal(current(), 'first')
  writeFileSync(file, 'the-second\n')
  t.equal(current(), 'the-second')
  writeFileSync(file, '')
  t.equal(current(), 'the-second')
  rmSync(file)
  t.equal(current(), 'the-second')
  t.equal(told.length, 3, 'each change is told once')
  t.notMatch(told.join(), /the-second/, 'the token itself never')
  writeFileSync(file, 'third-of-them')
  t.equal(current(), 'third-of-them')
})

t.test('options that cannot be meant are refused in words', async (t) => {
  const folder = t.testdir({ cert: 'no certificate', key: 'no key' })
  t.throws(() => readCertificate('/nowhere', join(folder, 'key')), /--api-tls-cert: ENOENT/)
  t.throws(() => readCertificate(join(folder, 'cert'), join(folder, 'key')), /no pair/)
  const plain = { server: 'http://localhost:8080', send: async () => ({}) }
  t.throws(
    () => clusterReviewer(plain),
    /can't be reviewed at http:\/\/localhost:8080: that is no https/,
  )
  const absent = { kubeconfig: '/nowhere' }
  const options = { apiTokenFile: null, apiAuth: 'kubernetes', kubernetes: absent } as const
  await t.rejects(
    openGate(options, () => {}),
    {
      message: /--api-auth kubernetes: \/nowhere can't be used/,
      exitCode: 2,
    },
  )
  const quiet = () => {}
  const nobody = { apiTokenFile: null, apiAuth: 'token', kubernetes: null } as const
  t.equal(await openGate(nobody, quiet), null)
})

t.test('over the network it is TLS, with the certificate of now', needsOpenssl, async (t) => {
  const folder = t.testdir()
  const [one, two] = [makePair(folder, 'one'), makePair(folder, 'two')]
  const app = buildApi(fakeAgent().views, {
    listener: 'network',
    gatekeeper: { remedy: '', judge: async () => ({ kind: 'granted' }) },
    tls: readCertificate(one.cert, one.key),
    web: '/nowhere',
    version: '0.1.0',
    onFailure: (error) => t.fail(error.message),
  })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const ask = (cert: string) => askOver(port, readFileSync(cert))
  t.equal(await ask(one.cert), 200)
  await t.rejects(ask(two.cert))
  renewCertificate(app, readCertificate(two.cert, two.key))
  t.equal(await ask(two.cert), 200)
  t.throws(() => readCertificate(one.cert, two.key), /no pair/)
})

function askOver(port: number, ca: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: 'Bearer x' }
    const options = { host: '127.0.0.1', port, path: '/v1/node', ca, headers, agent: false }
    request(options, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
      .on('error', reject)
      .end()
  })
}

t.test(
  'the cluster says who may do what, and is not asked twice at once',
  needsOpenssl,
  async (t) => {
    const { reviewer, asked } = await fakeCluster(t)
    let now = 0
    const gate = kubeGatekeeper(reviewer, () => now)
    const read = { verb: 'get', path: '/v1/node' } as const
    t.same(await gate.judge('reader', read), { kind: 'granted' })
    t.same(asked, ['token reader as agent', 'may ann get /v1/node'])
    await gate.judge('reader', read)
    t.equal(asked.length, 2, 'an answer is kept')
    now += verdictMs
    await gate.judge('reader', read)
    t.equal(asked.length, 4, 'for so long')
    const order = { verb: 'post', path: '/v1/drain' } as const
    const refused = await gate.judge('reader', order)
    t.match(refused, { kind: 'forbidden', reason: /ann may not post \/v1\/drain: no rule/ })
    t.same(await gate.judge('stranger', read), { kind: 'unknown' })
    const broken = await gate.judge('breaks', read)
    t.match(broken, { kind: 'undecided', reason: /tokenreviews: 500/ })
  },
)

t.test('what the cluster does not say is never a yes', async (t) => {
  for (const answer of [null, {}, { status: null }, { status: {} }, { status: 'yes' }, []]) {
    const gate = kubeGatekeeper({ create: async () => answer }, () => 0)
    const { kind } = await gate.judge('token', { verb: 'get', path: '/' })
    t.not(kind, 'granted', JSON.stringify(answer))
  }
})

t.test('strangers load the cluster only so much', async (t) => {
  let open = 0
  const create = () => {
    open++
    return new Promise<never>(() => {})
  }
  const gate = kubeGatekeeper({ create }, () => 0)
  const wish = { verb: 'get', path: '/' } as const
  for (let n = 0; n < reviewsMax; n++) void gate.judge(`token ${n}`, wish)
  t.match(await gate.judge('one more', wish), { kind: 'undecided' })
  t.equal(open, reviewsMax)
})

async function fakeCluster(t: Test) {
  const folder = t.testdir()
  const { cert, key } = makePair(folder, 'ca')
  const asked: string[] = []
  const server = createServer(readCertificate(cert, key), (incoming, reply) => {
    let body = ''
    incoming.on('data', (piece) => {
      body += piece
    })
    incoming.on('end', () => {
      const { spec } = JSON.parse(body)
      const by = incoming.headers.authorization?.replace('Bearer ', '')
      const review = incoming.url?.endsWith('/tokenreviews') === true
      asked.push(
        review
          ? `token ${spec.token} as ${by}`
          : `may ${spec.user} ${spec.nonResourceAttributes.verb} ${spec.nonResourceAttributes.path}`,
      )
      const reads = spec.nonResourceAttributes?.verb === 'get'
      const status = review
        ? { authenticated: spec.token === 'reader', user: { username: 'ann', groups: ['ops'] } }
        : { allowed: reads, reason: 'no rule' }
      reply.statusCode = spec.token === 'breaks' ? 500 : 201
      reply.end(JSON.stringify({ status }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const kubeconfig = join(folder, 'kubeconfig')
  const cluster = { server: `https://127.0.0.1:${port}`, 'certificate-authority': cert }
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'c' },
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'agent', user: { token: 'agent' } }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'agent' } }],
    }),
  )
  return { reviewer: clusterReviewer(await createApiClient(kubeconfig, reviewLimits)), asked }
}
