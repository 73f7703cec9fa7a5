/**
 * What happened: as a live stream of server-sent events with resume, or as a list.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { type EventFilter, EventStream, eventsAfter, newestEvents } from '../event-stream.ts'
import { Problem } from '../problem.ts'
import { eventsQuery } from '../query.ts'
import { eventListSchema, problemSchema } from '../schema.ts'
import type { AgentViews } from '../views.ts'

/** Streams open at one time; each costs a socket and a buffer. */
const STREAMS_MAX = 64
const RETRY_AFTER_SECONDS = 10

const eventsHeaders = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({
      pattern: '^[0-9]{1,15}$',
      description: 'Id of the last event seen; what came after it is sent first',
    }),
  ),
})

export function eventRoutes(plain: FastifyInstance, views: AgentViews): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>()
  const streams = new Set<EventStream>()

  // An open stream would hold the server's close back for ever.
  app.addHook('preClose', async () => {
    for (const stream of streams) stream.push(null)
  })

  app.get(
    '/v1/events',
    {
      exposeHeadRoute: false,
      schema: {
        summary: 'Events: live as text/event-stream, or the newest as JSON',
        description:
          'With `Accept: application/json` a list: the newest events, or with `after` those that ' +
          'follow it. Otherwise a stream of new events, beginning with those after `Last-Event-ID` ' +
          'or `after`. `kind` and `peer` leave out all others. An event `dropped` says how many ' +
          'were missed, `restarted` that the agent began anew and counts from 1 again.',
        querystring: eventsQuery,
        headers: eventsHeaders,
        produces: ['text/event-stream'],
        response: { 200: eventListSchema, default: problemSchema },
      },
    },
    async ({ query, headers }, reply) => {
      const resume = headers['last-event-id']
      const after = resume === undefined ? (query.after ?? null) : Number(resume)
      const isWanted = filterOf(query)
      if (wantsList(headers.accept)) {
        const { limit } = query
        const items =
          after === null
            ? newestEvents(views, limit, isWanted)
            : eventsAfter(views, after, limit, isWanted)
        return { items }
      }
      if (streams.size >= STREAMS_MAX) throw tooManyStreams()
      const stream = new EventStream(views, after, isWanted)
      streams.add(stream)
      stream.once('close', () => streams.delete(stream))
      // The serialiser of the 200 answer is for the list; a stream goes out as it comes.
      return reply
        .header('content-type', 'text/event-stream; charset=utf-8')
        .header('x-accel-buffering', 'no')
        .send(stream as never)
    },
  )
}

function filterOf({ kind, peer }: { kind?: string; peer?: string }): EventFilter {
  return (event) =>
    (kind === undefined || event.kind === kind) && (peer === undefined || event.peer === peer)
}

function wantsList(accept: string | undefined): boolean {
  return accept?.includes('application/json') === true && !accept.includes('text/event-stream')
}

function tooManyStreams(): Problem {
  return new Problem(
    'tooManyStreams',
    `${STREAMS_MAX} event streams are open already`,
    'close one, or read the list: GET /v1/events with "Accept: application/json"',
    { 'retry-after': String(RETRY_AFTER_SECONDS) },
  )
}
