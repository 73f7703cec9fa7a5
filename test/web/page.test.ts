/**
 * The looking glass in a real browser over a real agent: it loads without a complaint, is used by
 * keyboard, follows events as they come, and suits both themes, a phone and a screen reader.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import t from 'tap'
import { type Browser, openBrowser, skip } from './browser.ts'
import { WebScene } from './scene.ts'

/** axe-core's own file: it runs in the page, in a world that the page's CSP doesn't bind. */
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const phone = { width: 390, height: 844 }
const desktop = { width: 1280, height: 900 }
const waitMsMax = 15_000
/** More steps than there are from any element to any other. */
const tabsMax = 60

t.setTimeout(120_000)

let scene: WebScene
let browser: Browser

interface Opened {
  readonly page: Page
  /** What the page complained of, and requests to anybody else. */
  readonly complaints: string[]
}

async function open(hash = ''): Promise<Opened> {
  const page = await browser.context.newPage()
  page.setDefaultTimeout(waitMsMax)
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => {
    if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(`${scene.url}/`)) {
      complaints.push(`asked ${request.url()}`)
    }
  })
  await page.setViewportSize(desktop)
  await page.goto(`${scene.url}/${hash}`)
  await page.getByRole('link', { name: 'tor-a', exact: true }).first().waitFor()
  return { page, complaints }
}

/** What axe-core calls serious or critical, as `rule: where`. */
async function faultsOf(page: Page): Promise<string[]> {
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(axe)
  const { violations } = (await page.evaluate("axe.run({ resultTypes: ['violations'] })")) as {
    violations: { id: string; impact: string; nodes: { target: string[] }[] }[]
  }
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)
}

/** Steps through the page until the focus is there, as somebody without a mouse does. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let tabs = 0; tabs < tabsMax; tabs++) {
    await page.keyboard.press('Tab')
    if ((await page.locator(`${selector}:focus`).count()) > 0) return
  }
  throw new Error(`${tabsMax} tabs don't lead to ${selector}`)
}

t.test('the looking glass', { skip }, async (t) => {
  t.before(async () => {
    scene = await WebScene.start()
    browser = await openBrowser()
  })
  t.after(async () => {
    await browser?.close()
    await scene?.close()
  })

  await t.test('says at a glance how the node is, and who its peers are', async (t) => {
    const { page, complaints } = await open()
    t.equal(await page.locator('#name').textContent(), 'n1')
    t.equal(await page.locator('#health').textContent(), 'degraded')
    const rows = await page.locator('#peer-list tbody tr').allInnerTexts()
    t.equal(rows.length, 3)
    t.match(rows[0], /tor-b[\s\S]*refused the connection/, 'the one that is down comes first')
    const picture = page.locator('svg.topology')
    t.equal(await picture.locator('line.edge.good').count(), 2)
    t.equal(await picture.locator('line.edge.bad').count(), 1)
    await page.locator('#fib-difference').getByText('10.80.3.0/24').waitFor()
    t.match(await page.locator('#hop-list').innerText(), /10\.79\.0\.2[\s\S]*on link at eth0/)
    t.same(complaints, [])
    await page.close()
  })

  await t.test('a prefix is searched and explained by keyboard alone', async (t) => {
    const { page, complaints } = await open()
    await page.keyboard.press('/')
    await page.keyboard.type('10.80.2.7')
    await page.keyboard.press('Enter')
    await page.getByText('10.80.2.0/24 was received from tor-a').waitFor()
    t.match(page.url(), /#explain=10\.80\.2\.7$/, 'the answer has an address')
    await page.keyboard.press('Control+a')
    await page.keyboard.type('nonsense/99')
    await page.keyboard.press('Enter')
    await page.locator('#explanation .bad').waitFor()
    // The browser itself reports the refused request.
    t.same(
      complaints.filter((text) => !/status of 40[04]/.test(text)),
      [],
    )
    await page.close()
  })

  await t.test('a peer is found, opened, left and come back to by keyboard alone', async (t) => {
    const { page, complaints } = await open()
    const panel = page.locator('#peer')
    await page.keyboard.press('/')
    await page.keyboard.type('tor-a')
    await page.keyboard.press('Enter')
    await panel.getByText('10.80.2.0/24').waitFor()
    await tabTo(page, '#peer button[data-view="advertised"]')
    await page.keyboard.press('Enter')
    await panel.getByText('10.80.1.0/24').waitFor()
    await tabTo(page, '#peer a[href="#peers"]')
    await page.keyboard.press('Enter')
    await panel.waitFor({ state: 'hidden' })
    await tabTo(page, '[id="peer-of-list-tor-b"]')
    await page.keyboard.press('Enter')
    await panel.getByText('What to check').waitFor()
    await page.goBack()
    await panel.waitFor({ state: 'hidden' })
    await page.goBack()
    await panel.getByText('session with tor-a').first().waitFor()
    t.same(complaints, [])
    await page.close()
  })

  await t.test('a peer that is not up says what was tried and what to check', async (t) => {
    const { page, complaints } = await open('#peer=tor-b')
    const detail = page.locator('#peer-detail')
    await detail.getByText('What to check').waitFor()
    t.match(await detail.innerText(), /does its BGP daemon run, and listen on port/)
    await page.goto(`${scene.url}/#peer=tor-a`)
    await page.locator('#peer-routes').getByText('10.80.2.0/24').waitFor()
    const saved = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Download recording' }).click()
    t.equal((await saved).suggestedFilename(), 'tor-a.jsonl')
    t.same(complaints, [])
    await page.close()
  })

  await t.test('is legible in both themes and to screen readers, and fits a phone', async (t) => {
    const { page, complaints } = await open()
    const grounds = new Set<unknown>()
    for (const [hash, sign] of [
      ['', '#fib-difference td'],
      ['#explain=10.80.2.7', '#explanation td'],
      ['#peer=tor-a', '#peer-routes td'],
      ['#peer=tor-b', '#peer-detail h3'],
    ] as const) {
      await page.goto(`${scene.url}/${hash}`)
      await page.locator(sign).first().waitFor()
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        grounds.add(await page.evaluate('getComputedStyle(document.body).backgroundColor'))
        for (const size of [desktop, phone]) {
          await page.setViewportSize(size)
          const place = `${hash || 'overview'}, ${colorScheme}, ${size.width} pixels`
          const room = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
          t.ok((await page.evaluate<number>(room)) <= 0, `${place}: nothing scrolls sideways`)
          t.same(await faultsOf(page), [], `${place}: axe-core`)
        }
      }
    }
    t.equal(grounds.size, 2, 'the themes differ')
    t.same(complaints, [])
    await page.close()
  })

  await t.test('nothing of the page is inline, and nothing inline would run', async (t) => {
    const { page } = await open('#peer=tor-a')
    const headers = (await page.request.get(`${scene.url}/`)).headers()
    const policy = headers['content-security-policy'] ?? ''
    t.match(policy, /default-src 'none'/)
    t.match(policy, /script-src 'self'/)
    t.notMatch(policy, /unsafe|\*|https?:/)
    const inline = await page.locator('script:not([src]), style, [style], [onclick]').count()
    t.equal(inline, 0)
    await page.close()
  })

  await t.test('who died and which prefixes moved comes by itself', async (t) => {
    const { page, complaints } = await open()
    const events = page.locator('#events')
    await page.getByText('live', { exact: true }).waitFor()
    await scene.stop('tor-a')
    await events.getByText('peer.down').waitFor()
    const [newest] = await page.locator('#moves details').all()
    await newest?.getByText('1 gone').waitFor()
    await newest?.getByText('after tor-a went down').waitFor()
    t.match(await newest?.innerText(), /10\.80\.2\.0\/24\s+gone/)
    await page.locator('[id="topology-tor-a"].bad').waitFor()
    await page.locator('#event-peer').selectOption('reflector')
    await events.getByText('peer.down').waitFor({ state: 'detached' })
    t.match(await events.innerText(), /peer\.established/)
    t.same(complaints, [])
    await page.close()
  })

  await t.test('a peer behind a dead link is shown so before its hold timer ends it', async (t) => {
    const { page, complaints } = await open()
    scene.unplug()
    const conditions = page.locator('#conditions')
    await conditions.getByText(/10\.79\.0\.3 is unreachable: link eth0 has no carrier/).waitFor()
    await page.locator('[id="topology-reflector"].warn').waitFor()
    const row = page.locator('#peer-list tr', { hasText: 'reflector' })
    t.match(await row.innerText(), /Established[\s\S]*is unreachable/)
    await page.goto(`${scene.url}/#peer=reflector`)
    await page.locator('#peer-detail').getByText('What to check').waitFor()
    t.same(complaints, [])
    await page.close()
  })
})
