/** The C library's heap: large blocks go back to the system, whatever was freed before them. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { compactHeap } from '../../src/heap.ts'
import { holdLargeBlocks, trimHeap } from '../../src/sys/malloc.ts'

/** Octets in memory of the range that grows and shrinks at its end alone (proc(5), smaps). */
function heapBytes(): number {
  const smaps = readFileSync('/proc/self/smaps', 'utf8')
  const heap = /\[heap\]\n(?:[A-Z].*\n)*?Rss:\s+(\d+) kB/.exec(smaps)
  return Number(heap?.[1] ?? 0) * 1024
}

const glibc = readFileSync('/proc/self/maps', 'utf8').includes('libc.so.6')
const mib = 1024 * 1024

t.test(
  'a table that grows leaves nothing in the heap of small things',
  { skip: glibc ? false : 'its heap is not that of glibc' },
  async (t) => {
    holdLargeBlocks()
    compactHeap()
    trimHeap()
    const before = heapBytes()
    for (let size = mib; size <= 16 * mib; size *= 2) {
      t.ok(new Uint8Array(size).fill(1).every((octet) => octet === 1))
      compactHeap()
    }
    const table = new Uint8Array(8 * mib).fill(1)
    t.ok(heapBytes() - before < 4 * mib, `${heapBytes() - before} octets more`)
    t.equal(table.length, 8 * mib)
  },
)

t.test('both are harmless however often they are called', async (t) => {
  for (let i = 0; i < 3; i++) {
    t.doesNotThrow(() => holdLargeBlocks())
    t.doesNotThrow(() => trimHeap())
  }
})
