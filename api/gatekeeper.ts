/**
 * Who a bearer token (RFC 6750) stands for is decided behind this small port: by a file with one
 * token, or by the cluster (TokenReview and SubjectAccessReview, src/kube-gatekeeper.ts).
 */
import { createHash, timingSafeEqual } from 'node:crypto'

/** What a request wants, in the words of a Kubernetes non-resource rule. */
export interface Wish {
  /** `get` reads, `post` orders. */
  readonly verb: 'get' | 'post'
  readonly path: string
}

export type Verdict =
  | { readonly kind: 'granted' }
  /** The token stands for nobody. */
  | { readonly kind: 'unknown' }
  /** It stands for somebody who may not do this; the reason is told to the client. */
  | { readonly kind: 'forbidden'; readonly reason: string }
  /** Whoever decides can't be asked now. */
  | { readonly kind: 'undecided'; readonly reason: string }

export interface Gatekeeper {
  /** How a client comes by a token, as a remedy. */
  readonly remedy: string
  judge(token: string, wish: Wish): Promise<Verdict>
}

/**
 * One token for everything.
 * @param current The token now in force: the file may have changed since the last request.
 */
export function tokenGatekeeper(current: () => string): Gatekeeper {
  // Digests are equally long whatever was sent, so that the time taken tells nothing.
  const digest = (value: string) => createHash('sha256').update(value).digest()
  return {
    remedy: 'send "Authorization: Bearer TOKEN" with the content of the agent\'s --api-token-file',
    judge: async (token) => ({
      kind: timingSafeEqual(digest(token), digest(current())) ? 'granted' : 'unknown',
    }),
  }
}
