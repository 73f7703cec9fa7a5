/**
 * Route refresh, both ways: what a peer says between the two marks of an enhanced refresh (RFC 7313)
 * replaces what it said before, for as long as that may take; and what we send again, when we are
 * asked to by the peer or by an order.
 */
import t from 'tap'
import { refreshSecondsMax } from '../../../bgp/refreshes.ts'
import { keepalive, message } from '../session/scene.ts'
import {
  announcing,
  buildSite,
  connect,
  harmDone,
  type Line,
  plainCapabilities,
  prefixOf,
  range,
  type Site,
} from './scene.ts'

const enhanced = { capabilities: [...plainCapabilities, { kind: 'enhancedRefresh' } as const] }
const begins = message(5, '0001 01 01')
const ends = message(5, '0001 02 01')
const numbers = range(1000, 1010)
const prefixes = numbers.map(prefixOf)
const halfStale = prefixes.map((prefix, index) => (index < 5 ? prefix : `${prefix} stale`))

async function learned(open = {}): Promise<Site & { readonly line: Line }> {
  const site = await buildSite()
  const line = connect(site, { holdSeconds: 0, ...open })
  line.say(announcing({ numbers }))
  site.clock.advance(100)
  return { ...site, line }
}

function heard({ router }: Site): string[] {
  return router.heardFrom('stranger')
}

t.test('what is not repeated between the marks is gone', async (t) => {
  const site = await learned(enhanced)
  site.line.say(begins, announcing({ numbers: numbers.slice(0, 5) }))
  site.clock.advance(100)
  t.same(heard(site), halfStale)
  site.line.say(ends)
  site.clock.advance(100)
  t.same(heard(site), prefixes.slice(0, 5))
  site.clock.advance(refreshSecondsMax * 1000)
  t.same(heard(site), prefixes.slice(0, 5))
})

t.test('a peer that never says the end is not waited for for ever', async (t) => {
  const site = await learned(enhanced)
  site.line.say(begins, announcing({ numbers: numbers.slice(0, 5) }))
  site.clock.advance(refreshSecondsMax * 1000 - 1000)
  t.same(heard(site), halfStale)
  site.clock.advance(2000)
  t.same(heard(site), prefixes.slice(0, 5))
  t.match(
    site.router.events.filter(({ kind }) => kind === 'peer.refresh'),
    [{ peer: 'stranger', level: 'warn', text: /did not end within 360 s: 5 it has not repeated/ }],
  )
  t.same(harmDone(site), [])
  site.line.say(announcing({ numbers }), ends)
  site.clock.advance(100)
  t.same(heard(site), prefixes, 'its late end takes nothing away')
})

t.test('a beginning again begins the time again', async (t) => {
  const site = await learned(enhanced)
  for (let times = 0; times < 3; times++) {
    site.line.say(begins)
    site.clock.advance(refreshSecondsMax * 1000 - 1000)
  }
  t.equal(heard(site).length, 10)
})

t.test(
  'an end without a beginning says nothing, nor does a mark of one that made no marks',
  async (t) => {
    const withMarks = await learned(enhanced)
    withMarks.line.say(ends)
    withMarks.clock.advance(100)
    t.same(heard(withMarks), prefixes)
    const without = await learned()
    without.line.say(begins)
    without.clock.advance(100)
    t.same(heard(without), prefixes, 'to RFC 2918 the octet means nothing')
    t.ok((without.line.heard[2] as number) > 0, 'so that this asks for our routes')
  },
)

t.test('a session that ends takes the wait with it', async (t) => {
  const site = await learned(enhanced)
  site.line.say(begins)
  site.clock.advance(1000)
  site.line.connection.destroy()
  site.clock.advance(10_000)
  const line = connect(site, { holdSeconds: 0, ...enhanced })
  line.say(announcing({ numbers }))
  site.clock.advance(refreshSecondsMax * 1000)
  t.same(heard(site), prefixes)
  t.equal(site.router.events.filter(({ kind }) => kind === 'peer.refresh').length, 0)
})

t.test('our routes are sent again by order, between marks where they are read', async (t) => {
  for (const [caption, open, marks] of [
    ['plain', {}, 0],
    ['enhanced', enhanced, 2],
  ] as const) {
    const site = await learned(open)
    site.clock.advance(1000)
    const told = site.router.view('stranger').families[0]?.advertised as number
    t.ok(told >= 200, caption)
    const before = [...site.line.heard]
    t.equal(site.router.speaker.resend('stranger'), true)
    site.clock.advance(1000)
    const heardOf = (type: number) => (site.line.heard[type] as number) - (before[type] as number)
    t.ok(heardOf(2) > 0, `${caption}: ${heardOf(2)} UPDATEs`)
    t.equal(heardOf(5), marks, `${caption}: marks`)
    t.equal(site.router.view('stranger').families[0]?.advertised, told)
    t.same(harmDone(site), [])
  }
  const site = await buildSite()
  t.equal(site.router.speaker.resend('stranger'), false, 'there is no session')
  t.equal(site.router.speaker.resend('nobody'), false)
  connect(site).say(keepalive)
})
