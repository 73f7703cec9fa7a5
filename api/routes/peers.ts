/**
 * Peers: the list, one of them, its routes, and the recording of its session.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import type { PeerView } from '../../bgp/types.ts'
import { nearest } from '../nearest.ts'
import { formatToken, parseToken } from '../page-token.ts'
import { Problem } from '../problem.ts'
import { noQuery, peerParams, peerRoutesQuery } from '../query.ts'
import {
  pathPageSchema,
  peerExplanationSchema,
  peerListSchema,
  peerSchema,
  problemSchema,
} from '../schema.ts'
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
    async ({ params }) => requirePeer(views, params.name),
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
      const { view, limit } = query
      const question = ['peer', params.name, view]
      const after = parseToken(question, query.continue)
      const page = await views.peerRoutes(params.name, view, limit, after)
      return { items: page.items, continue: formatToken(question, page.continue) }
    },
  )

  addExplanation(plain, views)
  addRecording(plain, views)
}

function addExplanation(plain: FastifyInstance, views: AgentViews): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>()
  app.get(
    '/v1/peers/:name/explain',
    {
      schema: {
        summary: 'Why a session is (not) up: what was tried, what the peer said, what to check',
        params: peerParams,
        querystring: noQuery,
        response: { 200: peerExplanationSchema, default: problemSchema },
      },
    },
    async ({ params }) => views.explainPeer(requirePeer(views, params.name)),
  )
}

function addRecording(plain: FastifyInstance, views: AgentViews): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>()
  app.get(
    '/v1/peers/:name/recording',
    {
      schema: {
        summary: 'What the session received, sent and did lately, for `routelet replay`',
        description: 'JSON lines, oldest event first; no password is in them.',
        params: peerParams,
        querystring: noQuery,
        produces: ['application/jsonl'],
      },
    },
    async ({ params }, reply) => {
      requirePeer(views, params.name)
      const recording = views.recording(params.name)
      if (recording === null) throw notRecorded(params.name)
      return reply.type('application/jsonl; charset=utf-8').send(recording)
    },
  )
}

/** @throws Problem `unknownPeer` with the nearest name. */
export function requirePeer(views: AgentViews, name: string): PeerView {
  const peer = views.peer(name)
  if (peer === null) throw unknownPeer(views, name)
  return peer
}

function notRecorded(name: string): Problem {
  return new Problem(
    'notRecorded',
    `the session of ${JSON.stringify(name)} is not recorded`,
    'only so many sessions are, those that began first: see docs/replay.md',
  )
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
