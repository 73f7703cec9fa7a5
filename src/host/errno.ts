/** The errno name of a system call that failed, e.g. `ENOENT`; `unknown` for any other error. */
export function errnoOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : 'unknown'
}
