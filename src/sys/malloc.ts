/**
 * The C library's heap as a long-lived agent wants it. glibc begins with a page range of its own for
 * every block above 128 KiB, which goes back to the system when the block does; but it raises that limit
 * to the size of whatever was freed. Tables then lie among small things that outlive them, and what a
 * table leaves behind when it grows is never given back: some 30 MiB after 100,000 routes. mallopt(3),
 * malloc_trim(3). Another C library (musl) has neither call; then nothing happens.
 */
import koffi from 'koffi'

const libc = koffi.load(null)

type Call = (...args: number[]) => number

/** M_MMAP_THRESHOLD of malloc.h. */
const mmapThreshold = -3
/** What glibc begins with; once set, it stays. */
const mmapThresholdBytes = 128 * 1024

const mallopt = find('int mallopt(int, int)')
const mallocTrim = find('int malloc_trim(size_t)')

function find(signature: string): Call | null {
  try {
    return libc.func(signature) as Call
  } catch {
    return null
  }
}

/** Large blocks keep to pages of their own, whatever was freed before: for the whole process. */
export function holdLargeBlocks(): void {
  mallopt?.(mmapThreshold, mmapThresholdBytes)
}

/** Gives pages back that hold nothing any more, wherever they lie. */
export function trimHeap(): void {
  mallocTrim?.(0)
}
