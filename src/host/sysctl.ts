/**
 * The kernel's network settings as files (proc(5), sysctl(8)), of the network namespace this process
 * is in. Everything that judges the host reads through these few words, so that a test can hand it a
 * host of its own.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { errnoOf } from './errno.ts'

export interface Sysctls {
  /** The value of `net.ipv4.ip_forward`; null where this kernel or namespace has no such setting. */
  read(name: string): number | null
  /** @throws Error in words: what was to be set, and why it was refused */
  write(name: string, value: number): void
}

/** Names are path elements here, not dotted: an interface may be called `eth0.100`. */
export function createSysctls(root = '/proc/sys'): Sysctls {
  const fileOf = (name: string) => `${root}/${name}`
  return {
    read(name) {
      let text: string
      try {
        text = readFileSync(fileOf(name), 'utf8')
      } catch (error) {
        if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(errnoOf(error))) return null
        throw error
      }
      const value = Number(text.trim())
      return Number.isInteger(value) ? value : null
    },
    write(name, value) {
      try {
        writeFileSync(fileOf(name), `${value}\n`)
      } catch (cause) {
        throw new Error(`${dotted(name)} can't be set to ${value}: ${errnoOf(cause)}`, { cause })
      }
    },
  }
}

/** As sysctl(8) takes it: a dot within an element is written as a slash. */
export function dotted(name: string): string {
  return name
    .split('/')
    .map((element) => element.replaceAll('.', '/'))
    .join('.')
}
