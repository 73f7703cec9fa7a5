/**
 * The files behind the API's access: the bearer token and the certificate. Both are followed while the
 * agent runs, since whoever renews them doesn't restart it. What can't be read later changes nothing:
 * the last good content stays in force, and the log says why.
 */
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { type Gatekeeper, tokenGatekeeper } from '../api/index.ts'
import { readTokenFile } from './cli/options.ts'
import { CommandError, EXIT_USAGE } from './cli/terminal.ts'
import { createApiClient } from './cluster/api-client.ts'
import { clusterReviewer, kubeGatekeeper, reviewLimits } from './kube-gatekeeper.ts'

/** How soon a renewed certificate is in use. */
export const certificateMs = 30_000

export interface Certificate {
  readonly cert: Buffer
  readonly key: Buffer
}

export interface AccessFiles {
  readonly apiTokenFile: string | null
  readonly apiAuth: 'token' | 'kubernetes'
  /** How to reach the cluster; null: as kubectl does, or by the pod's service account. */
  readonly kubernetes: { readonly kubeconfig: string | null } | null
}

/** @throws CommandError (exit 2); null: nobody knows a token */
export async function openGate(
  { apiTokenFile, apiAuth, kubernetes }: AccessFiles,
  report: (text: string) => void,
): Promise<Gatekeeper | null> {
  if (apiAuth === 'kubernetes') {
    try {
      const client = await createApiClient(kubernetes?.kubeconfig ?? null, reviewLimits)
      return kubeGatekeeper(clusterReviewer(client), () => performance.now())
    } catch (cause) {
      const problem = `--api-auth kubernetes: ${(cause as Error).message}`
      throw new CommandError(problem, 'or give --api-token-file', EXIT_USAGE, cause)
    }
  }
  return apiTokenFile === null ? null : tokenGatekeeper(followToken(apiTokenFile, report))
}

/**
 * The token that the file holds now.
 * @throws CommandError (exit 2) when it holds none at first
 */
export function followToken(file: string, report: (text: string) => void): () => string {
  let token = readTokenFile(file)
  let seen = markOf(file)
  return () => {
    const mark = markOf(file)
    if (mark === seen) return token
    seen = mark
    try {
      token = readTokenFile(file)
      report(`${file} has changed: its token is in force`)
    } catch (error) {
      report(`${(error as Error).message}; the token it held before stays in force`)
    }
    return token
  }
}

/** Changes whenever the content may have; a file that is gone has none. */
function markOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat === undefined ? 'gone' : `${stat.ino} ${stat.mtimeMs} ${stat.size}`
}

/** @throws CommandError (exit 2) that says which file is wrong */
export function readCertificate(certFile: string, keyFile: string): Certificate {
  const cert = readPem(certFile, '--api-tls-cert')
  const key = readPem(keyFile, '--api-tls-key')
  try {
    createSecureContext({ cert, key })
  } catch (cause) {
    const words = `${certFile} and ${keyFile} are no pair: ${(cause as Error).message}`
    const remedy = 'give a certificate chain and its private key, both PEM'
    throw new CommandError(words, remedy, EXIT_USAGE, cause)
  }
  return { cert, key }
}

/** Looks for a renewed pair from time to time. @returns what ends that */
export function followCertificate(
  files: { readonly cert: string; readonly key: string },
  first: Certificate,
  renew: (certificate: Certificate) => void,
  report: (text: string) => void,
): () => void {
  let last = first
  let told = ''
  const look = () => {
    try {
      const now = readCertificate(files.cert, files.key)
      told = ''
      if (now.cert.equals(last.cert) && now.key.equals(last.key)) return
      last = now
      renew(now)
      report(`${files.cert} has changed: new connections get its certificate`)
    } catch (error) {
      const { message } = error as Error
      if (message !== told) report(`${message}; the certificate before stays in use`)
      told = message
    }
  }
  const timer = setInterval(look, certificateMs)
  timer.unref()
  return () => clearInterval(timer)
}

function readPem(file: string, option: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    const words = `${option}: ${(cause as Error).message}`
    throw new CommandError(words, null, EXIT_USAGE, cause)
  }
}
