/**
 * TLS to an agent beyond this host (RFC 9110 §4.3.4): whose certificates are trusted, and
 * what is wrong with one that isn't, in words.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { CommandError, EXIT_NEGATIVE, EXIT_USAGE } from './terminal.ts'

/** Which certificates are believed. */
export interface Trust {
  /** PEM of the only authorities that count; null: those that Node knows. */
  readonly ca: string | null
  /** Any certificate will do. */
  readonly insecure: boolean
}

export const usualTrust: Trust = { ca: null, insecure: false }

/** What an https request needs to trust so. */
export function trusting({ ca, insecure }: Trust): RequestOptions {
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: !insecure,
    ...(ca === null ? {} : { ca }),
  }
}

/**
 * The certificates in a PEM file.
 * @throws CommandError (exit 2): Node would pass over what is no certificate in silence
 */
export function readAuthorities(file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
    const blocks = text.match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs)
    if (blocks === null) throw new Error('there is no certificate in it')
    for (const block of blocks) new X509Certificate(block)
  } catch (cause) {
    const { message } = cause as Error
    throw new CommandError(
      `the file of --api-cacert, ${file}, is of no use: ${message}`,
      "name a file with the certificate of the authority that signed the agent's, PEM",
      EXIT_USAGE,
      cause,
    )
  }
  return text
}

/** An error of a connection, as Node gives it. */
export interface TlsError extends NodeJS.ErrnoException {
  /** Of a certificate with other names. */
  readonly host?: string
  readonly cert?: { readonly subjectaltname?: string }
}

interface Fault {
  readonly codes: RegExp
  /** Completes "the agent at … cannot be trusted: ". */
  readonly words: (error: TlsError) => string
  readonly remedy: (error: TlsError) => string
}

/** Codes of OpenSSL (X509_V_ERR_*) and Node, each with what to do. */
const faults: readonly Fault[] = [
  {
    codes: /SELF_SIGNED|UNABLE_TO_GET_ISSUER|UNABLE_TO_VERIFY|CERT_UNTRUSTED|CERT_SIGNATURE/,
    words: () => 'no authority trusted here signed its certificate',
    remedy: () =>
      "give the authority's certificate with --api-cacert FILE, or in ROUTELET_API_CACERT",
  },
  {
    codes: /^ERR_TLS_CERT_ALTNAME/,
    words: ({ cert, host }) =>
      `its certificate is for ${cert?.subjectaltname ?? 'no name at all'}, and not for ${host}`,
    remedy: ({ host }) =>
      `ask for one of these names with --api, or have the certificate made for ${host} too`,
  },
  {
    codes: /^CERT_HAS_EXPIRED$/,
    words: () => 'its certificate has run out',
    remedy: () =>
      'renew the file that its --api-tls-cert names, which it reads again by itself; is the clock of this host right?',
  },
  {
    codes: /^CERT_NOT_YET_VALID$/,
    words: () => 'its certificate is not valid yet',
    remedy: () => 'look at the clock of this host, and at when the certificate begins',
  },
  {
    codes: /^(EPROTO$|ERR_SSL_)/,
    words: () => 'what answers there speaks no TLS that this command knows',
    remedy: () => 'write http:// if it is plain HTTP, as on loopback; else check the port',
  },
]

/** null: the error is none of TLS. */
export function tlsFailure(where: string, error: TlsError): CommandError | null {
  const fault = faults.find(({ codes }) => codes.test(error.code ?? ''))
  if (fault === undefined) return null
  const problem = `the agent at ${where} cannot be trusted: ${fault.words(error)}`
  return new CommandError(problem, fault.remedy(error), EXIT_NEGATIVE, error)
}
