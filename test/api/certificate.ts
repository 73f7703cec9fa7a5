/** A certificate for tests: made on the spot by openssl, for 127.0.0.1, signing itself. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const openssl = spawnSync('openssl', ['version']).status === 0

/** For tests that need one. */
export const needsOpenssl = {
  skip: !openssl && 'openssl, which makes the certificates, is not installed',
}

/** Writes `NAME.crt` and `NAME.key`. */
export function makePair(folder: string, name: string): { cert: string; key: string } {
  const cert = join(folder, `${name}.crt`)
  const key = join(folder, `${name}.key`)
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const files = ['-keyout', key, '-out', cert, '-days', '2']
  const made = spawnSync('openssl', ['req', '-x509', ...curve, ...files, ...subject])
  if (made.status !== 0) throw new Error(String(made.stderr))
  return { cert, key }
}
