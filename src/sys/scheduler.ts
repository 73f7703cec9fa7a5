/**
 * Real-time scheduling for the calling thread alone, by FFI: sched_setscheduler(2) as a system call,
 * because musl's function of that name refuses. Linux on x64 and arm64.
 */
import koffi from 'koffi'
import { errnoName } from './libc.ts'

const systemCalls: { readonly [architecture: string]: number } = { x64: 144, arm64: 119 }

/** Round robin; what the thread starts does not inherit it (SCHED_RESET_ON_FORK). */
const roundRobin = 2 | 0x4000_0000

const syscall = koffi
  .load(null)
  .func('long syscall(long number, long thread, long policy, const void *parameters)') as (
  number: number,
  thread: number,
  policy: number,
  parameters: Uint8Array,
) => number

/**
 * @param priority 1 to 99; anything above the lowest goes before all ordinary threads
 * @returns null, or why it was refused
 */
export function raiseThread(priority: number): string | null {
  const number = systemCalls[process.arch]
  if (number === undefined) return `unknown on ${process.arch}`
  const parameters = new Uint8Array(Int32Array.of(priority).buffer)
  if (syscall(number, 0, roundRobin, parameters) >= 0) return null
  const code = errnoName(koffi.errno())
  return code === 'EPERM' ? `${code}: CAP_SYS_NICE is missing` : code
}
