/** Finds the key that a `secretKeyRef` names. What is wrong comes back as a sentence. */
import { bad, good, type Read } from '../config/address.ts'
import type { SecretResource } from '../config/resources.ts'

/** TCP_MD5SIG_MAXKEYLEN of Linux. */
const keyBytesMax = 80
/** Where Calico looks, and so what wins when several namespaces hold the name. */
const preferredNamespace = 'kube-system'

export function findPassword(
  secrets: readonly SecretResource[],
  reference: { readonly name: string; readonly key: string },
): Read<string> {
  const { name, key } = reference
  const named = secrets.filter((secret) => secret.name === name)
  const preferred = named.find((secret) => secret.namespace === preferredNamespace)
  if (preferred === undefined && named.length > 1) {
    const places = named.map((secret) => secret.namespace).join(', ')
    return bad(
      `Secret ${name} exists in several namespaces (${places}), none ${preferredNamespace}`,
    )
  }
  const secret = preferred ?? named[0]
  if (secret === undefined) return bad(`Secret ${name} does not exist`)
  const value = readKey(secret, key)
  if (value === null) return bad(`Secret ${name} has no key ${key}`)
  const bytes = Buffer.byteLength(value)
  if (bytes === 0) return bad(`Secret ${name}: ${key} is empty`)
  if (bytes > keyBytesMax) {
    return bad(`Secret ${name}: ${key} has ${bytes} bytes; TCP-MD5 takes ${keyBytesMax}`)
  }
  return good(value)
}

/** As in the API server, `stringData` wins over the base64 of `data`. */
function readKey(secret: SecretResource, key: string): string | null {
  const { data, stringData } = secret.body
  if (Object.hasOwn(stringData, key)) return stringData[key] ?? null
  const encoded = Object.hasOwn(data, key) ? data[key] : undefined
  return encoded === undefined ? null : Buffer.from(encoded, 'base64').toString()
}
