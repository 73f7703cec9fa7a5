/**
 * V8's heap as a long-lived agent wants it. Its young generation doubles whenever a burst survives,
 * reading the modules at the start is such a burst, and so an agent that does nothing would keep some
 * 30 MiB of empty pages. Bulk lives in typed arrays outside of that heap; what is left is short-lived
 * and small, and importing a million routes or a thousand sessions takes no longer without it.
 */
import { setFlagsFromString } from 'node:v8'

/**
 * Keeps the young generation as small as it is now: best called before the bulk of the modules is
 * loaded. V8 reads this flag each time it is about to grow; where it doesn't know it, nothing changes.
 */
export function holdYoungGeneration(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}
