/**
 * The shapes of what a request may carry. Unknown parameters are refused: a mistyped `prefx=` that
 * is ignored would answer another question than the one asked.
 */
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { Problem } from './problem.ts'
import { logLevels } from './views.ts'

/** Longest peer name: a BGPPeer's name (253) with the node's or address and the family behind it. */
export const PEER_NAME_LENGTH_MAX = 600
/** Items of one page. */
export const PAGE_MAX = 1000
const PAGE_DEFAULT = 100
const TOKEN_LENGTH_MAX = 128
const PREFIX_LENGTH_MAX = 256

/** A number tells no more digits apart. */
const DIGITS = /^-?[0-9]{1,16}$/

/**
 * Whole numbers are written in digits alone. The validator reads text as JavaScript does: `1e400` would
 * become Infinity, which no maximum stops, and `0x10` 16. Must be called before routes are added.
 */
export function requireDigits(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    const { properties = {} } = (route.schema?.querystring ?? {}) as {
      readonly properties?: Readonly<Record<string, { readonly type?: string }>>
    }
    const names = Object.keys(properties).filter((name) => properties[name]?.type === 'integer')
    if (names.length === 0) return
    route.preValidation = async ({ query }) => {
      const given = query as Readonly<Record<string, unknown>>
      const odd = names.find((name) => name in given && !DIGITS.test(String(given[name])))
      if (odd === undefined) return
      throw new Problem(
        'badParameter',
        `parameter ${odd} must be integer`,
        `write ${odd}= with digits alone; GET /openapi.json gives the values it takes`,
      )
    }
  })
}

const strict = { additionalProperties: false } as const

const limit = () =>
  Type.Integer({
    minimum: 1,
    maximum: PAGE_MAX,
    default: PAGE_DEFAULT,
    description: 'Items at most in this page',
  })
const continueToken = () =>
  Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: TOKEN_LENGTH_MAX,
      pattern: '^[!-~]+$',
      description: 'Where to read on: the `continue` of the page before',
    }),
  )
const prefix = () =>
  Type.String({ minLength: 1, maxLength: PREFIX_LENGTH_MAX, description: 'Prefix or address' })
const peerName = () => Type.String({ minLength: 1, maxLength: PEER_NAME_LENGTH_MAX })

export const noQuery = Type.Object({}, strict)

export const messageQuery = Type.Object(
  {
    message: Type.Optional(
      Type.String({
        minLength: 1,
        description: "For the peer's operator (RFC 9003): 255 octets of UTF-8 at most",
      }),
    ),
  },
  strict,
)

export const refreshQuery = Type.Object(
  {
    direction: Type.Union([Type.Literal('in'), Type.Literal('out'), Type.Literal('both')], {
      default: 'in',
      description: 'What the peer announces, what it is told, or both',
    }),
  },
  strict,
)

/** A level that nobody takes back ends by itself. */
const LOG_SECONDS_MAX = 86_400
const LOG_SECONDS_DEFAULT = 600

export const logQuery = Type.Object(
  {
    level: Type.Union(
      logLevels.map((level) => Type.Literal(level)),
      { description: 'What the log tells' },
    ),
    seconds: Type.Integer({
      minimum: 1,
      maximum: LOG_SECONDS_MAX,
      default: LOG_SECONDS_DEFAULT,
      description: 'How long; then the level of before holds again',
    }),
  },
  strict,
)

export const peerParams = Type.Object({ name: peerName() }, strict)

export const pageQuery = Type.Object({ limit: limit(), continue: continueToken() }, strict)

export const peerRoutesQuery = Type.Object(
  {
    view: Type.Union(
      [Type.Literal('received'), Type.Literal('accepted'), Type.Literal('advertised')],
      { default: 'received', description: 'Before or after import rules, or as sent' },
    ),
    limit: limit(),
    continue: continueToken(),
  },
  strict,
)

export const routesQuery = Type.Object(
  {
    prefix: Type.Optional(prefix()),
    match: Type.Optional(
      Type.Union([Type.Literal('exact'), Type.Literal('longest'), Type.Literal('covered')], {
        description: 'Default: `longest` for an address, `exact` for a prefix',
      }),
    ),
    view: Type.Union([Type.Literal('best'), Type.Literal('all')], {
      default: 'best',
      description: 'The best path of each prefix, or every path',
    }),
    stream: Type.Optional(
      Type.Union([Type.Literal(''), Type.Literal('true')], {
        description: 'The whole table as JSON lines, as with `Accept: application/x-ndjson`',
      }),
    ),
    limit: limit(),
    continue: continueToken(),
  },
  strict,
)

export const explainQuery = Type.Object(
  { prefix: prefix(), peer: Type.Optional(peerName()) },
  strict,
)

export const eventsQuery = Type.Object(
  {
    after: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'Only events with a greater id; `Last-Event-ID` wins over it',
      }),
    ),
    kind: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z]{1,20}(\\.[A-Za-z]{1,20})?$',
        description: 'Only events of this kind, such as `peer.down` or `routes.moved`',
      }),
    ),
    peer: Type.Optional(peerName()),
    limit: limit(),
  },
  strict,
)
