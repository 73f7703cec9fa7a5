/** Debian's Chromium, without a window and without a word to anybody outside. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type BrowserContext, chromium } from 'playwright-core'

const executable = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync)

/** Why there is no browser here, or false; for `t.test(name, { skip }, …)`. */
export const skip: string | false =
  process.getuid?.() !== 0
    ? 'network namespaces need root'
    : executable === undefined && 'chromium is not installed (apt-get install chromium)'

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export interface Browser {
  readonly context: BrowserContext
  close(): Promise<void>
}

/** A browser with a profile of its own, which goes with it. */
export async function openBrowser(): Promise<Browser> {
  const profile = mkdtempSync(path.join(tmpdir(), 'routelet-browser-'))
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: executable as string,
    headless: true,
    args: flags,
    locale: 'en-GB',
  })
  return {
    context,
    async close() {
      await context.close()
      // Its last child may still be writing.
      rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    },
  }
}
