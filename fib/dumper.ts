/** Reads one of the kernel's tables whole, again where it changed meanwhile. */
import type { Family } from './address.ts'
import type { Channel } from './channel.ts'
import { encodeDump } from './request.ts'

/** Dumps tried again when the table changed meanwhile. */
const dumpsMax = 3

export class Dumper {
  readonly #channel: Channel
  readonly #requestScan: (reason: string) => void

  constructor(channel: Channel, requestScan: (reason: string) => void) {
    this.#channel = channel
    this.#requestScan = requestScan
  }

  /**
   * Visits every message of a dump; what an interrupted dump told is visited again by the next one.
   * `type` is that of the request, `operation` what it is called in an error. Throws KernelError.
   */
  dump(
    operation: string,
    type: number,
    family: Family | null,
    visit: (view: DataView, start: number, end: number) => void,
  ): void {
    for (let attempt = 1; ; attempt++) {
      const sequence = this.#channel.next()
      const request = encodeDump(type, family, sequence)
      const consistent = this.#channel.dump(
        operation,
        sequence,
        request,
        (_type, view, start, end) => visit(view, start, end),
      )
      if (consistent) return
      if (attempt === dumpsMax) {
        this.#requestScan(`${operation}: the table changed during ${dumpsMax} dumps`)
        return
      }
    }
  }
}
