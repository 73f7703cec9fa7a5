/** Certificates for tests, made on the spot by openssl: for 127.0.0.1 unless said, signing themselves. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const openssl = spawnSync('openssl', ['version']).status === 0

/** For tests that need one. */
export const needsOpenssl = {
  skip: !openssl && 'openssl, which makes the certificates, is not installed',
}

export interface Pair {
  readonly cert: string
  readonly key: string
}

const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/**
 * Writes `NAME.crt` and `NAME.key`.
 * @param names What it is for, e.g. `DNS:node-1`.
 * @param authority Signs it; null: it signs itself.
 */
export function makePair(
  folder: string,
  name: string,
  names = 'IP:127.0.0.1',
  authority: Pair | null = null,
): Pair {
  const pair = pathsOf(folder, name)
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`]
  const signed = authority === null ? [] : ['-CA', authority.cert, '-CAkey', authority.key]
  const files = ['-keyout', pair.key, '-out', pair.cert, '-days', '2']
  run('req', '-x509', ...curve, ...signed, ...files, ...subject)
  return pair
}

/** The same, for a time that is over. */
export function makeExpiredPair(folder: string, name: string): Pair {
  const pair = pathsOf(folder, name)
  const request = join(folder, `${name}.csr`)
  run('req', ...curve, '-keyout', pair.key, '-out', request, '-subj', `/CN=${name}`)
  const config = join(folder, `${name}.cnf`)
  const database = join(folder, `${name}.index`)
  writeFileSync(database, '')
  writeFileSync(
    config,
    `[ca]
default_ca = own
[own]
new_certs_dir = ${folder}
database = ${database}
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
[names]
subjectAltName = IP:127.0.0.1
`,
  )
  const time = ['-startdate', '20200101000000Z', '-enddate', '20200102000000Z']
  const files = ['-keyfile', pair.key, '-in', request, '-out', pair.cert, '-notext']
  run('ca', '-batch', '-selfsign', '-config', config, '-extensions', 'names', ...time, ...files)
  return pair
}

function pathsOf(folder: string, name: string): Pair {
  return { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) }
}

function run(...args: readonly string[]): void {
  const made = spawnSync('openssl', args)
  if (made.status !== 0) throw new Error(String(made.stderr))
}
