/**
 * Who may ask this agent, decided by the cluster: a TokenReview says who a bearer token is, a
 * SubjectAccessReview whether that user may `get` or `post` the path (a non-resource URL of RBAC). The
 * agent itself needs the right to create both (deploy/components/token-review).
 *
 * An answer is kept for a few seconds, so that a page that polls doesn't load the API server. Tokens
 * are kept as digests only.
 */
import { createHash } from 'node:crypto'
import type { Gatekeeper, Verdict, Wish } from '../api/index.ts'
import type { ApiClient, ClientLimits } from './cluster/api-client.ts'

/** How long an answer of the cluster holds: a right that was taken away ends this much later. */
export const verdictMs = 10_000
/** Answers kept; the oldest is forgotten. */
export const verdictsMax = 1024
/** Reviews on their way at one time: strangers must not load the API server through us. */
export const reviewsMax = 8
/** Whoever waits for a verdict waits for two answers. Nothing is watched. */
export const reviewLimits: ClientLimits = { requestMs: 5000, silenceMs: 5000 }

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
 * The API server as a reviewer.
 * @throws Error in words when tokens would go there in the clear
 */
export function clusterReviewer(client: Pick<ApiClient, 'server' | 'send'>): Reviewer {
  const { server } = client
  // Without any configuration the client would try http://localhost:8080.
  if (!server.startsWith('https:')) {
    throw new Error(`tokens can't be reviewed at ${server}: that is no https, or no cluster at all`)
  }
  return { create: (path, body) => client.send({ verb: 'create', path, body }) }
}
