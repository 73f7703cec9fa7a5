/** Waiting that ends in an assertion, so that what differs is shown and not only that time is up. */
import { isDeepStrictEqual } from 'node:util'
import type { Test } from 'tap'
import { waitUntil } from '../../network/wait.ts'

/** As much of tap's test as is needed here. */
export type Asserts = Pick<Test, 'same' | 'ok' | 'pass'>

export const patienceSeconds = 25

/** Asserts that `look` comes to give `wanted`. */
export async function eventually<T>(
  t: Asserts,
  what: string,
  look: () => Promise<T> | T,
  wanted: T,
): Promise<void> {
  let last: T | undefined
  const seen = async () => {
    last = await look()
    return last
  }
  try {
    await waitUntil(what, seen, (found) => isDeepStrictEqual(found, wanted), patienceSeconds)
  } catch (error) {
    if (last === undefined) throw error
  }
  t.same(last, wanted, what)
}

/** Asserts that `look` comes to satisfy `good`; the last thing seen stands in the failure. */
export async function comesTo<T>(
  t: Asserts,
  what: string,
  look: () => Promise<T> | T,
  good: (seen: T) => boolean,
): Promise<T> {
  const seen = await waitUntil(what, look, good, patienceSeconds)
  t.pass(what)
  return seen
}
