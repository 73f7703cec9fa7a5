/**
 * Who may ask this agent, decided by the cluster: a TokenReview says who a bearer token is, a
 * SubjectAccessReview whether that user may `get` or `post` the path (a non-resource URL of RBAC). The
 * agent itself needs the right to create both: ClusterRole `system:auth-delegator`.
 *
 * An answer is kept for a few seconds, so that a page that polls doesn't load the API server. Tokens
 * are kept as digests only.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import type { Gatekeeper, Verdict, Wish } from '../api/index.ts'

/** How long an answer of the cluster holds: a right that was taken away ends this much later. */
export const verdictMs = 10_000
/** Answers kept; the oldest is forgotten. */
export const verdictsMax = 1024
/** Reviews on their way at one time: strangers must not load the API server through us. */
export const reviewsMax = 8
const replyMsMax = 5000
const replyBytesMax = 1024 * 1024

/** Where a pod finds its API server (Kubernetes, "Accessing the API from a Pod"). */
const serviceAccount = '/var/run/secrets/kubernetes.io/serviceaccount'

/** The door to the API server. */
export interface Reviewer {
  /** @throws Error in words when there is no answer, or none of 2xx. */
  create(path: string, review: object): Promise<unknown>
}

interface TokenReviewStatus {
  readonly authenticated?: boolean
  readonly user?: {
    readonly username?: string
    readonly uid?: string
    readonly groups?: readonly string[]
    readonly extra?: Readonly<Record<string, readonly string[]>>
  }
}

interface AccessReviewStatus {
  readonly allowed?: boolean
  readonly reason?: string
}

interface Kept {
  readonly verdict: Promise<Verdict>
  readonly until: number
}

/** @param now Monotonic milliseconds. */
export function kubeGatekeeper(reviewer: Reviewer, now: () => number): Gatekeeper {
  const kept = new Map<string, Kept>()
  let reviews = 0

  const ask = async (token: string, wish: Wish): Promise<Verdict> => {
    if (reviews >= reviewsMax) {
      return { kind: 'undecided', reason: `${reviewsMax} tokens are being reviewed already` }
    }
    reviews++
    try {
      return await review(reviewer, token, wish)
    } catch (error) {
      const reason = `the cluster can't be asked about the token: ${(error as Error).message}`
      return { kind: 'undecided', reason }
    } finally {
      reviews--
    }
  }

  return {
    remedy: 'send "Authorization: Bearer TOKEN", e.g. of "kubectl create token NAME"',
    judge: async (token, wish) => {
      const digest = createHash('sha256').update(token).digest('base64')
      const key = `${digest} ${wish.verb} ${wish.path}`
      const known = kept.get(key)
      if (known !== undefined && now() < known.until) return known.verdict
      const verdict = ask(token, wish)
      kept.delete(key)
      kept.set(key, { verdict, until: now() + verdictMs })
      if (kept.size > verdictsMax) kept.delete(kept.keys().next().value as string)
      if ((await verdict).kind === 'undecided') kept.delete(key)
      return verdict
    },
  }
}

async function review(reviewer: Reviewer, token: string, wish: Wish): Promise<Verdict> {
  const who = statusOf<TokenReviewStatus>(
    await reviewer.create('/apis/authentication.k8s.io/v1/tokenreviews', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token },
    }),
  )
  const { username = '', uid, groups = [], extra } = who.user ?? {}
  if (who.authenticated !== true || username === '') return { kind: 'unknown' }
  const may = statusOf<AccessReviewStatus>(
    await reviewer.create('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: username, uid, groups, extra, nonResourceAttributes: wish },
    }),
  )
  if (may.allowed === true) return { kind: 'granted' }
  const why = may.reason === undefined || may.reason === '' ? '' : `: ${may.reason}`
  return { kind: 'forbidden', reason: `${username} may not ${wish.verb} ${wish.path}${why}` }
}

function statusOf<Status>(reply: unknown): Status {
  const { status } = (reply ?? {}) as { status?: unknown }
  if (typeof status === 'object' && status !== null) return status as Status
  throw new Error('its answer has no status')
}

/**
 * The API server as a pod sees it. Certificate and token are read anew each time: both are renewed.
 * @throws Error when this is no pod
 */
export function inClusterReviewer(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  folder = serviceAccount,
): Reviewer {
  const host = environment['KUBERNETES_SERVICE_HOST']
  const port = environment['KUBERNETES_SERVICE_PORT']
  if (host === undefined || port === undefined) {
    throw new Error(
      '--api-auth kubernetes works in a pod only: KUBERNETES_SERVICE_HOST and _PORT are not set',
    )
  }
  return {
    create: (path, body) =>
      post({
        host,
        port,
        path,
        ca: readFileSync(`${folder}/ca.crt`),
        token: readFileSync(`${folder}/token`, 'utf8').trim(),
        body: JSON.stringify(body),
      }),
  }
}

interface Post {
  readonly host: string
  readonly port: string
  readonly path: string
  readonly ca: Buffer
  readonly token: string
  readonly body: string
}

function post({ host, port, path, ca, token, body }: Post): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const signal = AbortSignal.timeout(replyMsMax)
    const sent = request({ host, port, path, ca, headers, signal, method: 'POST' }, (reply) => {
      let text = ''
      reply.setEncoding('utf8')
      reply.on('data', (piece: string) => {
        text += piece
        if (text.length > replyBytesMax) reply.destroy(new Error('its answer is too large'))
      })
      reply.on('error', reject)
      reply.on('end', () => {
        const status = reply.statusCode ?? 0
        if (status < 200 || status > 299) {
          reject(new Error(`POST ${path} was answered with ${status}`))
          return
        }
        try {
          resolve(JSON.parse(text))
        } catch (cause) {
          reject(new Error('its answer is not JSON', { cause }))
        }
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
