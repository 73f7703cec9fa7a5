/** The version of this build, from package.json beside the folders of the build or above them. */
import { readFileSync } from 'node:fs'

function readVersion(): string {
  for (const path of ['../../package.json', '../package.json']) {
    try {
      const { version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))
      if (typeof version === 'string') return version
    } catch (error) {
      // Built and unbuilt trees differ by one level; anything else is worth knowing.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return 'unknown'
}

export const version = readVersion()
