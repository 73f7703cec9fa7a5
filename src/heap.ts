/**
 * V8's heap as a long-lived agent wants it. Reading modules, compiling schemas and serialisers makes
 * garbage and survives in part, and V8 answers both with room: an agent that does nothing would keep
 * some 30 MiB of empty and half-empty pages. Bulk lives in typed arrays outside of that heap; what is
 * left is short-lived and small, so importing a million routes or a thousand sessions takes no longer
 * in a small one.
 *
 * These are flags of V8 that it reads anew each time; where it doesn't know one, nothing changes.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Keeps the young generation as small as it is now, which is otherwise doubled whenever a burst
 * survives: best called before the bulk of the modules is loaded.
 */
export function holdYoungGeneration(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

/**
 * Collects garbage and gives the emptied pages back: for when all is built and nothing runs yet, so
 * that no session suffers from a pause of some 50 ms. Twice, since buffers are freed in the
 * background, and the second round waits for what the first has found.
 */
export function compactHeap(): void {
  // The collector can be called only from a context that was made while this flag stood.
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('globalThis.gc')
  setFlagsFromString('--no-expose-gc')
  if (typeof collect !== 'function') return
  setFlagsFromString('--compact-on-every-full-gc')
  collect()
  collect()
  setFlagsFromString('--no-compact-on-every-full-gc')
}
