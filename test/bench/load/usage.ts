/** CPU time and memory of the processes under test, from /proc: all of them and their threads together. */
import { readFileSync } from 'node:fs'

export interface Usage {
  readonly cpuSeconds: number
  readonly residentBytes: number
  readonly peakBytes: number
}

/** USER_HZ of every Linux that Node runs on. */
const ticksPerSecond = 100

/** A process that has gone counts nothing; see `ended`. */
export function measureUsage(pids: readonly number[]): Usage {
  let [ticks, residentKib, peakKib] = [0, 0, 0]
  for (const pid of pids) {
    const stat = read(`/proc/${pid}/stat`)
    const status = read(`/proc/${pid}/status`)
    if (stat === null || status === null) continue
    // The name may hold spaces and parentheses: fields are counted after the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11]) + Number(fields[12])
    residentKib += kibOf(status, 'VmRSS')
    peakKib += kibOf(status, 'VmHWM')
  }
  const bytes = (kib: number) => kib * 1024
  return {
    cpuSeconds: ticks / ticksPerSecond,
    residentBytes: bytes(residentKib),
    peakBytes: bytes(peakKib),
  }
}

/** Those of these processes that no longer run. */
export function ended(pids: readonly number[]): number[] {
  return pids.filter((pid) => {
    const stat = read(`/proc/${pid}/stat`)
    return stat === null || stat.slice(stat.lastIndexOf(')')).startsWith(') Z')
  })
}

function kibOf(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return null
    throw error
  }
}
