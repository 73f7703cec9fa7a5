/** What the kernel's refusals mean, and how they are told to people. */
import type { ErrorMessage } from './netlink.ts'
import { errnoNames, errnos } from './numbers.ts'
import { KernelError } from './port.ts'

/** What was to be removed isn't there. */
export function isAbsent(error: ErrorMessage): boolean {
  return error.errno === errnos.noSuchRoute || error.errno === errnos.noEntry
}

/** A kernel that never heard of the request has no words for what is wrong with it. */
export function isUnknown(error: ErrorMessage): boolean {
  if (error.errno === errnos.notSupported) return true
  return error.errno === errnos.invalid && error.text === null
}

/** Whether the kernel has no such table at all. */
export function isUnknownTable(error: unknown): error is KernelError {
  return error instanceof KernelError && isUnknown({ errno: error.errno, text: null })
}

/** The errno by name, with the kernel's own words or ours. */
export function describeRefusal(error: ErrorMessage): string {
  const code = errnoNames[error.errno] ?? `errno ${error.errno}`
  if (error.errno === errnos.perm) return `${code}: changing routes needs CAP_NET_ADMIN`
  if (error.errno === errnos.exists) return `${code}: an unknown route holds this key`
  return error.text === null ? code : `${code} (${error.text})`
}
