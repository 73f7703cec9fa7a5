/** What an order says beside its path: texts for the peer (RFC 9003), and the way of a refresh. */
import t from 'tap'
import { buildApi } from '../../api/index.ts'
import { fakeAgent } from './fake-views.ts'

t.test('an order takes its details, and none that it has no use for', async (t) => {
  const { views, asked } = fakeAgent()
  const app = buildApi(views, {
    listener: 'unix',
    gatekeeper: null,
    tls: null,
    web: '/nowhere',
    version: '0.1.0',
    onFailure: (error) => t.fail(error.message),
  })
  const long = 'é'.repeat(128)
  const order = (path: string) => app.inject({ method: 'POST', url: `/v1/peers/rack-a/${path}` })
  const fits = encodeURIComponent(long.slice(1))
  for (const [path, status, words] of [
    ['shutdown?message=rack%20move', 202, 'shutdown rack-a: rack move'],
    ['reset?message=%C3%BC', 202, 'reset rack-a: ü'],
    [`shutdown?message=${fits}x`, 202, `shutdown rack-a: ${long.slice(1)}x`],
    ['refresh?direction=both', 202, 'refresh rack-a: both'],
    [`shutdown?message=${encodeURIComponent(long)}`, 400, /256 octets of UTF-8.*holds 255/],
    ['reset?message=', 400, /message must NOT have fewer than 1 characters/],
    ['refresh?direction=up', 400, /direction has none of its values/],
    ['enable?message=x', 400, /there is no parameter "message" here/],
  ] as const) {
    const response = await order(path)
    t.equal(response.statusCode, status, path)
    t.match(status === 202 ? asked.pop() : response.json().detail, words, path)
  }
})
