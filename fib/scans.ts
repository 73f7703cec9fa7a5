/**
 * When the kernel's tables are read whole: after loss, on suspicion, and now and then for safety;
 * never one scan right after the other, and ever more seldom when they fail.
 */
import type { Journal } from './journal.ts'
import { type Clock, KernelError, type Timer } from './port.ts'

/** A scan waits this long for more reasons to scan … */
const settleMs = 50
/** … and never comes sooner after the one before. */
const gapMs = 1000
const retryMaxMs = 30_000

export class Scans {
  readonly #clock: Clock
  readonly #journal: Journal
  readonly #soon: () => void
  #timer: Timer | null = null
  #due = false
  #failures = 0
  #lastMs = 0
  #safety: Timer | null = null

  /** `soon`: asks for a turn, in which `run` is to be called. */
  constructor(clock: Clock, journal: Journal, soon: () => void) {
    this.#clock = clock
    this.#journal = journal
    this.#soon = soon
  }

  /** Whether our picture is known to be wanting. */
  get pending(): boolean {
    return this.#timer !== null || this.#due || this.#failures > 0
  }

  /** A scan was made just now. */
  made(): void {
    this.#lastMs = this.#clock.now()
  }

  /** A scan, soon. */
  request(reason: string): void {
    if (this.#timer !== null || this.#due) return
    this.#journal.tell('fib.overflow', 'debug', `a scan is due: ${reason}`)
    const leastMs = Math.min(retryMaxMs, gapMs * 2 ** Math.min(this.#failures, 10))
    const nowMs = this.#clock.now()
    const earliestMs = Math.max(nowMs + settleMs, this.#lastMs + leastMs)
    this.#timer = this.#clock.schedule(Math.ceil(earliestMs - nowMs), () => {
      this.#timer = null
      this.#due = true
      this.#soon()
    })
  }

  /** Runs the scan if one is due. True when it was made. */
  run(scan: () => void): boolean {
    if (!this.#due) return false
    this.#due = false
    try {
      scan()
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      this.#failures++
      this.made()
      this.#journal.counters.errors++
      this.#journal.tell('fib.error', 'error', `the kernel's table can't be read: ${error.message}`)
      this.request('the last scan failed')
      return false
    }
    this.#failures = 0
    this.made()
    return true
  }

  /** Scans for safety every so many seconds from now on; null: never. */
  repeat(seconds: number | null): void {
    this.#safety?.cancel()
    this.#safety = null
    if (seconds === null) return
    this.#safety = this.#clock.schedule(seconds * 1000, () => {
      this.request('the regular safety scan')
      this.repeat(seconds)
    })
  }

  close(): void {
    this.#timer?.cancel()
    this.#safety?.cancel()
    this.#timer = null
    this.#safety = null
  }
}
