/**
 * The continue token of a page: where it ended, and which question it belongs to. Opaque to clients,
 * and bound to the question, for the end of one list is no place in another. It names a key and not a
 * position, so it stays good whatever is added to the table or leaves it.
 */
import { createHash } from 'node:crypto'
import { parsePrefix } from './address.ts'
import { Problem } from './problem.ts'

/** Octets of the digest that tells questions apart; nobody gains by forging one. */
const DIGEST_LENGTH = 6

/** Everything of a request that a page depends on, but its size and its place. */
export type Question = readonly (string | null)[]

/** null: that was all. */
export function formatToken(question: Question, last: string | null): string | null {
  if (last === null) return null
  return Buffer.concat([digestOf(question), Buffer.from(last)]).toString('base64url')
}

/**
 * @returns the last prefix of the page before; null without a token
 * @throws Problem `badParameter` when the token was made up, or given for another question
 */
export function parseToken(question: Question, token: string | undefined): string | null {
  if (token === undefined) return null
  const bytes = Buffer.from(token, 'base64url')
  const key = readKey(bytes.subarray(DIGEST_LENGTH).toString())
  if (key === null || bytes.toString('base64url') !== token) {
    throw refusal(token, 'was not given by a page')
  }
  if (!bytes.subarray(0, DIGEST_LENGTH).equals(digestOf(question))) {
    throw refusal(token, 'was given by a page of another question')
  }
  return key
}

function readKey(text: string): string | null {
  try {
    const { prefix } = parsePrefix(text, 'continue')
    return prefix === text ? prefix : null
  } catch (error) {
    if (error instanceof Problem) return null
    throw error
  }
}

function refusal(token: string, why: string): Problem {
  return new Problem(
    'badParameter',
    `continue: ${JSON.stringify(token)} ${why}`,
    'ask with the parameters of that page and its "continue" as it came, or leave it out to begin anew',
  )
}

function digestOf(question: Question): Buffer {
  const text = JSON.stringify(question)
  return createHash('sha256').update(text).digest().subarray(0, DIGEST_LENGTH)
}
