/** Network namespaces of threads: a worker's sockets are to be in another than the main thread's. */
import { closeSync, openSync } from 'node:fs'
import { errnoName, setns } from './libc.ts'

const cloneNewnet = 0x4000_0000

/**
 * Moves the calling thread, and only this one.
 * @param path a file of the namespace, such as `/run/netns/blue`; null: it stays where it is
 * @throws Error when there is no such file, or the kernel refuses
 */
export function enterNetworkNamespace(path: string | null): void {
  if (path === null) return
  const fd = openSync(path, 'r')
  const result = setns(fd, cloneNewnet)
  closeSync(fd)
  if (result < 0) throw new Error(`entering the network namespace ${path}: ${errnoName(-result)}`)
}
