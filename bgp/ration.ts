/**
 * Events that a peer can cause at will are rationed, so that no peer can flood the log or push the
 * history of others out of the ring: a few of a kind are told in full, the rest is counted, and the
 * count is told with the next one after the window.
 */
import type { Clock, SpeakerEvent } from './types.ts'

/** Events of one kind about one peer that are told in full in one window. */
export const toldPerWindowMax = 10
const windowMs = 60_000
/** Kinds and peers remembered; the one whose window began first is forgotten. */
const windowsMax = 4096

interface Window {
  readonly since: number
  told: number
  kept: number
}

export class Ration {
  readonly #clock: Clock
  readonly #tell: (event: SpeakerEvent) => void
  readonly #windows = new Map<string, Window>()

  constructor(clock: Clock, tell: (event: SpeakerEvent) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  tell(event: SpeakerEvent): void {
    const key = `${event.kind} ${event.peer ?? ''}`
    const now = this.#clock.now()
    let window = this.#windows.get(key)
    let untold = 0
    if (window === undefined || now - window.since >= windowMs) {
      untold = window?.kept ?? 0
      window = { since: now, told: 0, kept: 0 }
      this.#begin(key, window)
    }
    if (window.told >= toldPerWindowMax) {
      window.kept++
      return
    }
    window.told++
    const text = untold === 0 ? event.text : `${event.text} (${untold} like it were not told)`
    this.#tell({ ...event, text })
  }

  #begin(key: string, window: Window): void {
    this.#windows.delete(key)
    this.#windows.set(key, window)
    if (this.#windows.size <= windowsMax) return
    for (const oldest of this.#windows.keys()) {
      this.#windows.delete(oldest)
      return
    }
  }
}
