/**
 * Peers: the list, one of them, and its routes.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { parseContinue } from '../address.ts'
import { nearest } from '../nearest.ts'
import { Problem } from '../problem.ts'
import { noQuery, peerParams, peerRoutesQuery } from '../query.ts'
import { pathPageSchema, peerListSchema, peerSchema, problemSchema } from '../schema.ts'
import type { AgentViews } from '../views.ts'

export function peerRoutes(plain: FastifyInstance, views: AgentViews): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>()

  app.get(
    '/v1/peers',
    {
      schema: {
        summary: 'Every peer with its state, counts and last error',
        querystring: noQuery,
        response: { 200: peerListSchema, default: problemSchema },
      },
    },
    async () => ({ items: views.peers() }),
  )

  app.get(
    '/v1/peers/:name',
    {
      schema: {
        summary: 'One peer',
        params: peerParams,
        querystring: noQuery,
        response: { 200: peerSchema, default: problemSchema },
      },
    },
    async ({ params }) => {
      const peer = views.peer(params.name)
      if (peer === null) throw unknownPeer(views, params.name)
      return peer
    },
  )

  app.get(
    '/v1/peers/:name/routes',
    {
      schema: {
        summary: 'What a peer sent, what was accepted of it, or what it was sent',
        params: peerParams,
        querystring: peerRoutesQuery,
        response: { 200: pathPageSchema, default: problemSchema },
      },
    },
    async ({ params, query }) => {
      requirePeer(views, params.name)
      return views.peerRoutes(params.name, query.view, query.limit, parseContinue(query.continue))
    },
  )
}

/** @throws Problem `unknownPeer` with the nearest name. */
export function requirePeer(views: AgentViews, name: string): void {
  if (views.peer(name) === null) throw unknownPeer(views, name)
}

function unknownPeer(views: AgentViews, name: string): Problem {
  const peers = views.peers()
  const meant = nearest(
    name,
    peers.map((peer) => peer.name),
  )
  const remedy =
    meant !== null
      ? `did you mean ${meant}?`
      : peers.length === 0
        ? 'this node has no peers: GET /v1/node lists what its manifests lack'
        : 'GET /v1/peers lists the names'
  return new Problem('unknownPeer', `there is no peer ${JSON.stringify(name)}`, remedy)
}
