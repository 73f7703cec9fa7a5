/**
 * The memory by which a speaker without kernel routes knows that it has restarted: a file that says
 * in which boot, and when last, an agent ran here. With kernel routes there is no need of it, since
 * those that bear our mark are the memory (RFC 4724 §3; see `Agent`).
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Timer } from '../bgp/types.ts'

const fileName = 'restart.json'
/** After a crash, the mark is at most this much too old. */
const refreshSeconds = 15
const bootIdFile = '/proc/sys/kernel/random/boot_id'

interface Mark {
  readonly bootId: string
  /** Unix milliseconds. */
  readonly at: number
}

export class RestartMarker {
  readonly #folder: string
  readonly #clock: Clock
  readonly #report: (problem: string) => void
  readonly #bootIdFile: string
  #timer: Timer | null = null
  /** Writes come one after the other. */
  #writing: Promise<void> = Promise.resolve()

  /** @param report told of a mark that can't be read, or written later on */
  constructor(
    folder: string,
    ports: {
      readonly clock: Clock
      readonly report: (problem: string) => void
      readonly bootIdFile?: string
    },
  ) {
    this.#folder = folder
    this.#clock = ports.clock
    this.#report = ports.report
    this.#bootIdFile = ports.bootIdFile ?? bootIdFile
  }

  /**
   * How long ago an agent last ran in this boot, in seconds; null: none did, as far as is known.
   * @throws Error in words when the folder can't be had
   */
  async age(): Promise<number | null> {
    await this.#use(() => mkdir(this.#folder, { recursive: true }))
    const before = await this.#read()
    if (before === null || before.bootId !== (await this.#currentBoot())) return null
    return Math.max(0, (this.#clock.wall() - before.at) / 1000)
  }

  /**
   * Leaves a mark, and keeps it fresh from now on; `age` made the folder.
   * @throws Error in words when it can't be written
   */
  async begin(): Promise<void> {
    await this.#use(() => this.#write())
    this.#arm()
  }

  /** @param forGood nobody waits for this speaker: the next start is a first one */
  async end(forGood: boolean): Promise<void> {
    if (this.#timer === null) return
    this.#timer.cancel()
    this.#timer = null
    await this.#writing
    try {
      if (forGood) await rm(this.#file, { force: true })
      else await this.#write()
    } catch (error) {
      this.#report(`the restart mark can't be left: ${(error as Error).message}`)
    }
  }

  get #file(): string {
    return join(this.#folder, fileName)
  }

  async #use(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (cause) {
      const words = `--state-dir ${this.#folder} can't be used: ${(cause as Error).message}`
      throw new Error(words, { cause })
    }
  }

  #arm(): void {
    this.#timer = this.#clock.schedule(refreshSeconds * 1000, () => {
      this.#writing = this.#write().catch((error) =>
        this.#report(`the restart mark can't be refreshed: ${(error as Error).message}`),
      )
      this.#arm()
    })
  }

  async #read(): Promise<Mark | null> {
    try {
      const mark = JSON.parse(await readFile(this.#file, 'utf8'))
      if (typeof mark?.bootId === 'string' && typeof mark?.at === 'number') return mark
      this.#report(`${this.#file} is no restart mark: this is taken for a first start`)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      // Without a file, this is a first start.
      if (error instanceof SyntaxError) {
        this.#report(`${this.#file}: ${message}: this is taken for a first start`)
      } else if (code !== 'ENOENT') {
        this.#report(`${this.#file} can't be read: ${message}: this is taken for a first start`)
      }
    }
    return null
  }

  async #currentBoot(): Promise<string> {
    return (await readFile(this.#bootIdFile, 'utf8')).trim()
  }

  /** By way of another name, so that a crash never leaves half a mark. */
  async #write(): Promise<void> {
    const mark: Mark = { bootId: await this.#currentBoot(), at: this.#clock.wall() }
    const draft = `${this.#file}.new`
    await writeFile(draft, `${JSON.stringify(mark)}\n`)
    await rename(draft, this.#file)
  }
}
