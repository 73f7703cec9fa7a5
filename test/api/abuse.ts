/**
 * Bad requests of every kind: made from the description, by hand, and by chance.
 */
import fc from 'fast-check'
import {
  type Description,
  good,
  needed,
  type Operation,
  type Parameter,
  urlOf,
} from './description.ts'
import { gone, learned, up } from './live-scene.ts'

/** What the description forbids, one fault a request. */
export function* forbiddenRequests(
  operation: Operation,
): Generator<{ url: string; headers: Record<string, string> }> {
  const { parameters, path, method } = operation
  // Orders are limited in number, and each of these would use one up.
  const few = (values: readonly string[]) => (method === 'GET' ? values : values.slice(-2))
  for (const parameter of parameters) {
    const { name, in: place } = parameter
    for (const value of few(forbidden(parameter))) {
      if (place === 'path') yield { url: urlOf(path, value, needed(operation)), headers: {} }
      if (place !== 'query') continue
      yield { url: urlOf(path, up, [...needed(operation, name), [name, value]]), headers: {} }
    }
    if (place === 'header') {
      for (const value of ['x', '-1', '1'.repeat(99), '1, 2']) {
        yield { url: urlOf(path, up), headers: { [name]: value } }
      }
    }
    if (place === 'query') {
      const twice = [parameter, parameter].map((): [string, string] => [
        name,
        good(operation, parameter)[0] ?? 'x',
      ])
      yield { url: urlOf(path, up, [...needed(operation, name), ...twice]), headers: {} }
    }
  }
  // The probes and the metrics take what scrapers and kubelets add.
  if (!path.startsWith('/v1/')) return
  for (const name of few(['unheardOf', 'limit[]', '__proto__', 'constructor', ''])) {
    yield { url: urlOf(path, up, [...needed(operation), [name, '1']]), headers: {} }
  }
}

/** Content type and body: none is taken. */
export const bodies: readonly (readonly [type: string, body: string | Buffer])[] = [
  ['application/json', '{"a":1}'],
  ['application/json', '{'],
  ['application/json', '\ufeff[]'],
  ['application/json', '{"__proto__":{"x":1}}'],
  ['application/xml', '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'],
  ['multipart/form-data; boundary=x', '--x\r\n\r\n'],
  ['application/x-www-form-urlencoded', 'message=x'],
  ['no type at all', 'x'],
  ['text/plain; charset=\u00ff', 'x'],
  ['application/octet-stream', Buffer.alloc(4000, 0xff)],
  ['text/plain', 'x'.repeat(100_000)],
]

const from = 'host: localhost\r\nconnection: close\r\n'

/** status null: the connection is closed without a word. */
export const broken: readonly {
  readonly caption: string
  readonly bytes: string | Buffer
  readonly status: number | null
  readonly end?: boolean
}[] = [
  { caption: 'nothing', bytes: '', end: true, status: null },
  { caption: 'no HTTP', bytes: 'HELO routelet\r\n\r\n', status: 400 },
  { caption: 'a TLS greeting', bytes: Buffer.from('16030100050100000100', 'hex'), status: 400 },
  { caption: 'another protocol of HTTP', bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', status: 400 },
  { caption: 'a zero in the path', bytes: `GET /v1/no\0de HTTP/1.1\r\n${from}\r\n`, status: 400 },
  { caption: 'a bad escape', bytes: `GET /v1/peers/%zz HTTP/1.1\r\n${from}\r\n`, status: 400 },
  {
    caption: 'half a character',
    bytes: `GET /v1/peers/%ED%A0%80 HTTP/1.1\r\n${from}\r\n`,
    status: 400,
  },
  { caption: 'no Host', bytes: 'GET /v1/node HTTP/1.1\r\nconnection: close\r\n\r\n', status: 400 },
  {
    caption: 'the Host of another site',
    bytes: 'GET /v1/node HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n',
    status: 421,
  },
  {
    caption: 'an order from another site',
    bytes: `POST /v1/drain HTTP/1.1\r\n${from}origin: https://evil.example\r\n\r\n`,
    status: 403,
  },
  {
    caption: 'a long path',
    bytes: `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n${from}\r\n`,
    status: 431,
  },
  {
    caption: 'a long header',
    bytes: `GET /v1/node HTTP/1.1\r\n${from}cookie: ${'x'.repeat(20_000)}\r\n\r\n`,
    status: 431,
  },
  {
    caption: 'many headers',
    bytes: `GET /v1/node HTTP/1.1\r\n${from}${'a: b\r\n'.repeat(10_000)}\r\n`,
    status: 431,
  },
  {
    caption: 'two lengths',
    bytes: `POST /v1/drain HTTP/1.1\r\n${from}content-length: 1\r\ncontent-length: 2\r\n\r\nab`,
    status: 400,
  },
  {
    caption: 'a length and chunks, as request smugglers send',
    bytes: `POST /v1/drain HTTP/1.1\r\n${from}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    status: 400,
  },
  {
    caption: 'chunks that are none',
    bytes: `POST /v1/drain HTTP/1.1\r\n${from}transfer-encoding: chunked\r\n\r\nzz\r\n`,
    status: 400,
  },
  {
    caption: 'a length beyond all bounds',
    bytes: `POST /v1/drain HTTP/1.1\r\n${from}content-type: text/plain\r\ncontent-length: 99999999999\r\n\r\n`,
    status: 413,
  },
  { caption: 'half a request', bytes: `GET /v1/node HTTP/1.1\r\n${from}`, end: true, status: 400 },
]

/** Any method, near a path of the description, with any parameters and headers. */
export function requests(
  description: Description,
): fc.Arbitrary<{ method: string; url: string; headers: Record<string, string> }> {
  const names = [...new Set(description.operations.flatMap(({ parameters }) => parameters))].map(
    ({ name }) => name,
  )
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.constantFrom(...hostile, learned, up, gone, '0', '1', '1000'),
    fc.ipV4Extended(),
    fc.ipV6(),
    fc.integer().map(String),
  )
  const query = fc.array(fc.tuple(fc.constantFrom(...names, 'x'), value), { maxLength: 5 })
  const url = fc
    .tuple(fc.constantFrom(...description.questions), fc.oneof(fc.constant(up), value), query)
    .map(([{ path }, name, search]) => urlOf(path, name, search))
  const printable = fc.stringMatching(/^[!-~][ -~]{0,200}$/)
  const header = fc.constantFrom('if-none-match', 'last-event-id', 'authorization', 'range', 'x-y')
  return fc.record({
    // Orders are given below; what isn't an order must not become one.
    method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'PUT', 'PATCH', 'DELETE'),
    url: fc.oneof(
      url,
      fc.webPath().map((path) => path || '/'),
    ),
    headers: fc.dictionary(header, printable, { maxKeys: 3 }),
  })
}

/** Values that it forbids, each by another of its words. */
function forbidden({ schema, name }: Parameter): readonly string[] {
  const { enum: values, maximum, maxLength, minimum, minLength, type } = schema
  if (values !== undefined) return ['nonsense', `${values[0]} `, values.join(), '9'.repeat(400)]
  if (type === 'integer') {
    const outside = [(minimum ?? 0) - 1, (maximum ?? 0) + 1].map(String)
    return ['', 'x', 'true', 'null', '1.5', '1e400', '[1]', '\u0661', '9'.repeat(400), ...outside]
  }
  return [
    ...((minLength ?? 0) > 0 ? [''] : []),
    ...(maxLength === undefined ? [] : ['x'.repeat(maxLength + 1)]),
    ...(name === 'prefix' ? hostile : []),
  ]
}

/** What somebody sends who means harm, or has a broken client. */
export const hostile: readonly string[] = [
  ' ',
  '\0',
  '\r\nset-cookie: a=b',
  '{"$gt":""}',
  "' OR 1=1 --",
  '<script>alert(1)</script>',
  '../../etc/passwd',
  '%s%n%x',
  '__proto__',
  'constructor',
  '\u{1f4a9}\u202e\ufeff',
  '10.0.0.0/8 10.0.0.0/8',
  '10.0.0.0/-1',
  '::ffff:10.0.0.0/129',
]
