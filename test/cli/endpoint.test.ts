/**
 * Addresses of the API: one notation, and what each means for access.
 */
import fc from 'fast-check'
import t from 'tap'
import { formatEndpoint, listenerOf, parseEndpoint } from '../../src/cli/endpoint.ts'
import { CommandError, EXIT_USAGE } from '../../src/cli/terminal.ts'

t.test('an address is read, written, and known for what it is', async (t) => {
  for (const [text, formatted, listener] of [
    ['127.0.0.1:9179', 'http://127.0.0.1:9179', 'loopback'],
    ['http://127.0.0.1:9179/', 'http://127.0.0.1:9179', 'loopback'],
    ['127.1.2.3:80', 'http://127.1.2.3:80', 'loopback'],
    ['localhost:9179', 'http://localhost:9179', 'loopback'],
    ['[::1]:9179', 'http://[::1]:9179', 'loopback'],
    ['https://[::1]:9179', 'https://[::1]:9179', 'loopback'],
    ['HTTPS://node-1:9179/', 'https://node-1:9179', 'network'],
    ['http://10.0.0.1:9179', 'http://10.0.0.1:9179', 'network'],
    ['[::]:9179', 'https://[::]:9179', 'network'],
    ['0.0.0.0:9179', 'https://0.0.0.0:9179', 'network'],
    ['10.0.0.1:9179', 'https://10.0.0.1:9179', 'network'],
    ['localhost.evil.example:80', 'https://localhost.evil.example:80', 'network'],
    ['127.0.0.1.evil.example:80', 'https://127.0.0.1.evil.example:80', 'network'],
    ['unix:/run/routelet/api.sock', 'unix:/run/routelet/api.sock', 'unix'],
    ['unix:///run/routelet/api.sock', 'unix:/run/routelet/api.sock', 'unix'],
    ['unix:api.sock', 'unix:api.sock', 'unix'],
  ] as const) {
    const endpoint = parseEndpoint(text)
    t.equal(formatEndpoint(endpoint), formatted, text)
    t.equal(listenerOf(endpoint), listener, text)
    t.same(parseEndpoint(formatEndpoint(endpoint)), endpoint, text)
  }
})

t.test('what is no address is refused with the reason', async (t) => {
  for (const [text, reason] of [
    ['', /no HOST:PORT/],
    ['9179', /no HOST:PORT/],
    [':9179', /no HOST:PORT/],
    ['127.0.0.1', /no HOST:PORT/],
    ['127.0.0.1:http', /no HOST:PORT/],
    ['::1:9179', /no HOST:PORT/],
    ['127.0.0.1:65536', /greater than 65535/],
    ['[zz]:80', /zz is no IPv6 address/],
    ['ftp://127.0.0.1:80', /ftp:\/\/ is not spoken/],
    ['unix:', /path is missing/],
    [`unix:/${'x'.repeat(107)}`, /108 bytes/],
  ] as const) {
    t.throws(() => parseEndpoint(text), { message: reason, exitCode: EXIT_USAGE }, text)
  }
})

t.test('whatever the text, it is an address or a usage error', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      try {
        return parseEndpoint(text).kind.length > 0
      } catch (error) {
        return error instanceof CommandError && error.exitCode === EXIT_USAGE
      }
    }),
    { seed: 20_255, numRuns: 1000 },
  )
})
