/**
 * Makes the pictures of docs/images anew: `npm run screenshots`, as root, with Chromium and one of BIRD
 * and FRR. Builds the lab with two links a node, lets one switch lose power, and looks at a node's page
 * as a person would: on a desk and on a phone, by day and by night.
 *
 * `npm run screenshots -- DIR` makes every combination of view, theme and width there instead, the whole
 * page each, for a review.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Page } from 'playwright-core'
import { openBrowser, skip } from './browser.ts'

const command = path.resolve(import.meta.dirname, '../../src/main.js')
const waitMsMax = 120_000
const pictureBytesMax = 150_000

type Theme = 'light' | 'dark'
type Width = 'desktop' | 'phone'

interface Shot {
  readonly name: string
  /** What is looked at. */
  readonly hash: string
  /** Something that is there when the view is complete. */
  readonly sign: string
  readonly theme: Theme
  readonly width: Width
  /** What the picture begins with; null: the whole page. */
  readonly from: string | null
  /** Pixels, where it isn't the usual height of the screen. */
  readonly height?: number
}

const sizes = {
  desktop: { width: 1280, height: 900 },
  phone: { width: 390, height: 844 },
} as const

const views = {
  overview: { hash: '', sign: '#peer-list td' },
  peer: { hash: '#peer=tor1-v4', sign: '#peer-detail h3' },
  explain: { hash: '#explain=10.244.2.11', sign: '#explanation td' },
} as const

/** Those of the docs: the dead switch at a glance, why it is down, and a prefix explained. */
const documented: readonly Shot[] = [
  { name: 'overview', ...views.overview, theme: 'light', width: 'desktop', from: 'body' },
  {
    name: 'moved',
    ...views.overview,
    theme: 'dark',
    width: 'desktop',
    from: '#moves',
    height: 400,
  },
  { name: 'peer', ...views.peer, theme: 'dark', width: 'desktop', from: '#peer', height: 820 },
  { name: 'phone', ...views.overview, theme: 'light', width: 'phone', from: 'body' },
  { name: 'phone-moved', ...views.overview, theme: 'dark', width: 'phone', from: '#moves' },
  {
    name: 'phone-explain',
    ...views.explain,
    theme: 'light',
    width: 'phone',
    from: '#search-title',
  },
]

const everything: readonly Shot[] = Object.entries(views).flatMap(([view, what]) =>
  (['light', 'dark'] as const).flatMap((theme) =>
    (['desktop', 'phone'] as const).map((width) => ({
      ...{ ...what, theme, width, from: null },
      name: `${view}-${theme}-${width}`,
    })),
  ),
)

if (skip === false) await main(process.argv[2] ?? null)
else {
  process.stderr.write(`screenshots: ${skip}\n`)
  process.exitCode = 2
}

async function main(folder: string | null): Promise<void> {
  const target = folder ?? path.join('docs', 'images')
  mkdirSync(target, { recursive: true })
  const lab = spawn(process.execPath, [command, 'lab', '--dual'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const { id, url } = await labUp(lab)
    // What came with the first sessions is a burst of its own.
    await heard(url, 'routes.moved', [])
    cutPower(id)
    await heard(url, 'peer.down', ['tor1-v4', 'tor1-v6'])
    await take(folder === null ? documented : everything, url, target)
  } finally {
    if (lab.exitCode === null) {
      lab.kill('SIGINT')
      await once(lab, 'exit')
    }
  }
}

/** @throws Error when the lab ends before it is up */
async function labUp(lab: ChildProcess): Promise<{ id: string; url: string }> {
  let id = ''
  for await (const line of createInterface({ input: lab.stdout as NodeJS.ReadableStream })) {
    id ||= /^routelet lab (\w+):/.exec(line)?.[1] ?? ''
    const url = /looking glass +n1 (\S+)/.exec(line)?.[1]
    if (url !== undefined) {
      // What it says later is nobody's business here, and must not fill the pipe.
      lab.stdout?.resume()
      return { id, url }
    }
  }
  throw new Error('the lab ended before it was up: run `npm run lab` to see why')
}

/** Every port of the first switch loses its carrier, as when it loses power. */
function cutPower(id: string): void {
  const name = `rl-${id}-tor1`
  for (const port of ['n1', 'n2', 'n3', 'n4', 'trunk']) {
    execFileSync('ip', ['-n', name, 'link', 'set', port, 'down'])
  }
}

/**
 * Follows the events until there is one of the kind, about each of the peers if any are named. That a
 * session has ended takes as long as its hold timer.
 */
async function heard(url: string, kind: string, peers: readonly string[]): Promise<void> {
  const { body } = await fetch(`${url}v1/events?after=0&kind=${kind}`, {
    signal: AbortSignal.timeout(waitMsMax),
  })
  if (body === null) throw new Error('the agent sent no events')
  let said = ''
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    said += chunk
    if (!said.includes(`event: ${kind}`)) continue
    if (peers.every((peer) => said.includes(`"peer":"${peer}"`))) return
  }
  throw new Error(`the stream of events ended before ${kind}`)
}

async function take(shots: readonly Shot[], url: string, target: string): Promise<void> {
  const browser = await openBrowser()
  try {
    const page = await browser.context.newPage()
    for (const shot of shots) {
      const file = path.join(target, `${shot.name}.png`)
      await look(page, url, shot, file)
      const { size } = statSync(file)
      const remark = shot.from !== null && size > pictureBytesMax ? ', too large for the docs' : ''
      process.stdout.write(`${file}: ${Math.round(size / 1000)} kB${remark}\n`)
    }
  } finally {
    await browser.close()
  }
}

async function look(page: Page, url: string, shot: Shot, file: string): Promise<void> {
  await page.emulateMedia({ colorScheme: shot.theme })
  const { width, height } = sizes[shot.width]
  await page.setViewportSize({ width, height: shot.height ?? height })
  // Another # alone would not load the page anew.
  await page.goto('about:blank')
  await page.goto(url + shot.hash)
  await page.locator(shot.sign).first().waitFor()
  await page.locator('#moves td').first().waitFor()
  if (shot.from === null) {
    await page.screenshot({ path: file, fullPage: true })
    return
  }
  const place = `document.querySelector('${shot.from}').scrollIntoView({ block: 'start' })`
  await page.evaluate(place)
  await page.screenshot({ path: file })
}
