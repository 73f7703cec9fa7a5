/**
 * Hands octets to the kernel at once, past Node's stream: a change that a thousand peers must hear is a
 * thousand short writes, and a stream's bookkeeping for each costs as much again as the system call.
 * What the kernel doesn't take is the stream's, which knows how to wait. Linux: MSG_DONTWAIT, MSG_NOSIGNAL.
 */
import { send } from './libc.ts'

const dontWait = 0x40
const noSignal = 0x4000

/** Blocks that are no longer than this together are sent as one, and otherwise one by one. */
const gatherBytesMax = 16 * 1024

const gathered = new Uint8Array(gatherBytesMax)

const nothing: readonly Uint8Array[] = []

/**
 * @param fd a stream socket that nothing is queued for
 * @returns what the kernel has not taken, in order: all of it after an error too, which whoever writes
 *   the rest will meet again
 */
export function sendNow(fd: number, blocks: readonly Uint8Array[]): readonly Uint8Array[] {
  let total = 0
  for (const block of blocks) total += block.length
  const together = blocks.length > 1 && total <= gatherBytesMax
  let taken = together ? sendGathered(fd, blocks, total) : sendEach(fd, blocks)
  if (taken === total) return nothing
  const rest: Uint8Array[] = []
  for (const block of blocks) {
    if (taken < block.length) rest.push(block.subarray(taken))
    taken = Math.max(0, taken - block.length)
  }
  return rest
}

function sendGathered(fd: number, blocks: readonly Uint8Array[], total: number): number {
  let at = 0
  for (const block of blocks) {
    gathered.set(block, at)
    at += block.length
  }
  return sendBlock(fd, gathered, total)
}

function sendEach(fd: number, blocks: readonly Uint8Array[]): number {
  let taken = 0
  for (const block of blocks) {
    const part = sendBlock(fd, block, block.length)
    taken += part
    if (part < block.length) break
  }
  return taken
}

/** @returns octets that the kernel has taken, from the front */
function sendBlock(fd: number, bytes: Uint8Array, length: number): number {
  return Math.max(0, send(fd, bytes, length, dontWait | noSignal))
}
