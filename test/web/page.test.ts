/**
 * The looking glass in a real browser over a real agent: it loads without a complaint, is searched
 * by keyboard, and says why a peer is down.
 */
import type { Page } from 'playwright-core'
import t from 'tap'
import { type Browser, openBrowser, skip } from './browser.ts'
import { WebScene } from './scene.ts'

const desktop = { width: 1280, height: 900 }
const waitMsMax = 15_000

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

  await t.test('a peer that is not up says what was tried and what to check', async (t) => {
    const { page, complaints } = await open('#peer=tor-b')
    const detail = page.locator('#peer-detail')
    await detail.getByText('What to check').waitFor()
    t.match(await detail.innerText(), /does its BGP daemon run, and listen on port/)
    await page.goto(`${scene.url}/#peer=tor-a`)
    await page.locator('#peer-routes').getByText('10.80.2.0/24').waitFor()
    await page.getByRole('button', { name: 'Sent to it' }).click()
    await page.locator('#peer-routes').getByText('10.80.1.0/24').waitFor()
    const saved = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Download recording' }).click()
    t.equal((await saved).suggestedFilename(), 'tor-a.jsonl')
    t.same(complaints, [])
    await page.close()
  })
})
