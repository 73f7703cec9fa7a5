/**
 * The last step of `npm run build`: what the compiler doesn't carry over. Copies the looking glass
 * beside the compiled API and makes the command executable. Runs at the top of the package, where
 * npm runs it.
 */
import { chmodSync, cpSync, existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const EXECUTABLE = 0o755

const source = join('api', 'web')
const built = dirname(dirname(fileURLToPath(import.meta.url)))
const target = join(built, 'api', 'web')
const command = join(built, 'src', 'main.js')

if (!existsSync(join(source, 'index.html'))) {
  process.stderr.write(`assets: there is no ${source} here; run this at the top of the package\n`)
  process.exitCode = 1
} else {
  // A file that has left the source must not linger.
  rmSync(target, { recursive: true, force: true })
  cpSync(source, target, { recursive: true })
  if (existsSync(command)) chmodSync(command, EXECUTABLE)
}
