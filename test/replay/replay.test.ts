/**
 * Recordings played through the engine. Bug reports stand in test/fixtures as they came, each with
 * the text `routelet replay` answers (UPDATE_GOLDEN=1 writes it anew); and whatever two speakers on a
 * random network do to each other, a replay does the same.
 */
import { createReadStream, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { formatRecording, type Recording, replaySession } from '../../bgp/index.ts'
import { runReplay } from '../../src/cli/replay.ts'
import { CommandError } from '../../src/cli/terminal.ts'
import { readRecording } from '../../src/replay/read.ts'
import { differs } from '../../src/replay/words.ts'
import {
  buildSite,
  dial,
  plainCapabilities,
  restartCapability,
  strangeOpen,
} from '../bgp/hardening/scene.ts'
import { endOfRib, keepalive } from '../bgp/session/scene.ts'
import { playOut, secret, step } from './scene.ts'

const seed = 811_205
t.comment(`fast-check seed ${seed}`)

const folder = 'test/fixtures'
/** Exit codes of the fixtures that don't end in 0. */
const differing: Readonly<Record<string, number>> = { 'another-engine.jsonl': 1 }

const fixtures = readdirSync(folder).filter((name) => name.endsWith('.jsonl'))
t.ok(fixtures.length > 0, 'run from the top of the repository')
for (const name of fixtures) {
  t.test(`${name} is played as its golden text says`, async (t) => {
    const golden = `${folder}/${name.replace(/\.jsonl$/, '.txt')}`
    const { text, exitCode } = await replay(`${folder}/${name}`)
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(golden, text)
    t.ok(existsSync(golden), `${golden} is there; UPDATE_GOLDEN=1 writes it`)
    t.equal(text, readFileSync(golden, 'utf8'))
    t.equal(exitCode, differing[name] ?? 0)
  })
}

t.test('whatever two speakers do, both replays do the same', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.nat(1 << 20), fc.array(step, { maxLength: 14 }), async (random, steps) => {
      for (const recording of await playOut(random, steps)) {
        // By way of a file, as it is used.
        const text = formatRecording(recording, 't')
        if (text.includes(secret)) throw new Error('the key is in it')
        const read = await readRecording(Readable.from([Buffer.from(text)]))
        const { differences, compared } = await judge(read)
        if (compared === 0) throw new Error('nothing was compared')
        if (differences.length > 0) throw new Error(JSON.stringify(differences[0]))
      }
    }),
    { seed, numRuns: 120 },
  )
  t.pass('120 histories of two speakers')
})

t.test('a tape that ran over is played from where it begins', async (t) => {
  const flood = { do: 'flood', speaker: 1, count: 1500 } as const
  const rest = { do: 'wait', milliseconds: 20_000 } as const
  const recordings = await playOut(3, [rest, flood, rest])
  for (const recording of recordings) {
    const { differences, compared, steps } = await judge(recording)
    t.same(differences, [])
    t.ok(compared > 900 && compared < steps, `${compared} of ${steps} steps`)
    t.ok(recording.events.some(({ event }) => event === 'gap'))
  }
})

t.test('a peer that restarts on new connections does so in the replay', async (t) => {
  const site = await buildSite()
  const open = strangeOpen({ capabilities: [...plainCapabilities, restartCapability()] })
  for (let times = 0; times < 4; times++) {
    // One that brings nothing, and one that takes over.
    dial(site)
    const line = dial(site)
    site.clock.advance(100)
    line.say(open, keepalive, endOfRib)
    site.clock.advance(10_000)
  }
  const recording = site.router.speaker.views.recording('stranger')
  if (recording === null) throw new Error('the session was not recorded')
  t.ok(recording.events.some((one) => one.event === 'received' && one.lane === 'second'))
  const text = formatRecording(recording, 't')
  const { differences, compared } = await judge(
    await readRecording(Readable.from([Buffer.from(text)])),
  )
  t.same(differences, [])
  t.ok(compared > 20, `${compared} steps`)
})

t.test('the last routes stand in the table of the replay', async (t) => {
  const recording = await fixture('silent-peer.jsonl')
  const cut = recording.events.findIndex(({ event }) => event === 'timer')
  const replayed = replaySession({ ...recording, events: recording.events.slice(0, cut) })
  for await (const _ of replayed.steps);
  t.match(replayed.view()?.families, [{ family: 'ipv4-unicast', received: 2, accepted: 2 }])
})

t.test('a message that is left out, or another one, shows', async (t) => {
  const recording = await fixture('silent-peer.jsonl')
  const open = recording.events.findIndex((one) => one.event === 'received')
  const without = recording.events.filter((_, index) => index !== open)
  t.not((await judge({ ...recording, events: without })).differences.length, 0)
  const otherAs = { ...recording, peer: { ...recording.peer, asn: 65_009 } }
  const { differences } = await judge(otherAs)
  t.match(JSON.stringify(differences[0]), /"when":"now".*says AS 65001, configured 65009/)
})

t.test('a timer that the recording has no word of runs out in the replay alone', async (t) => {
  const recording = await fixture('silent-peer.jsonl')
  const isHold = (one: Recording['events'][number]) => one.event === 'timer' && one.timer === 'hold'
  const first = recording.events.findIndex(isHold)
  const later = {
    at: (recording.events[first]?.at ?? 0) + 60_000,
    event: 'drained',
    lane: 'outgoing',
  }
  const events = [...recording.events.slice(0, first), later as Recording['events'][number]]
  const { differences } = await judge({ ...recording, events })
  t.match(JSON.stringify(differences), /"when":"now","what":\{[^}]*"timer":"hold"/)
})

t.test('--differences shows the steps that differ and nothing else', async (t) => {
  const { text } = await replay(`${folder}/another-engine.jsonl`, true)
  const shown = text.split('\n').slice(1, -3)
  t.ok(shown.some((line) => line.startsWith('-')) && shown.some((line) => line.startsWith('+')))
  t.notOk(text.includes('Idle to Connect'))
})

t.test('what is no recording is refused with the reason', async (t) => {
  const refused = (file: string, input: string) =>
    t.rejects(runReplay(file, { differences: false }, quiet, Readable.from([Buffer.from(input)])), {
      name: 'CommandError',
      exitCode: 2,
    })
  await refused('-', '')
  await refused('-', '{"recording":1,"peer":{}}\n')
  await refused('-', 'garbage\n')
  await refused(`${folder}/none.jsonl`, '')
})

t.test('a recording of anything at all is played or refused, never a crash', async (t) => {
  const whole = await Promise.all(fixtures.map(fixture))
  const event = fc.constantFrom(...whole.flatMap(({ events }) => events))
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 40 }), async (events) => {
      let at = 0
      const shuffled = events.map((one) => ({ ...one, at: ++at * 700 }))
      const lines = formatRecording({ peer: whole[0]!.peer, events: shuffled }, 't')
      try {
        await runReplay('-', { differences: false }, quiet, Readable.from([Buffer.from(lines)]))
      } catch (error) {
        if (!(error instanceof CommandError)) throw error
      }
    }),
    { seed, numRuns: 300 },
  )
  t.pass('300 recordings put together at random')
})

const quiet = { write: () => {} }

async function replay(
  file: string,
  differences = false,
): Promise<{ text: string; exitCode: number }> {
  let text = ''
  const terminal = {
    write: (more: string) => {
      text += more
    },
  }
  const exitCode = await runReplay(file, { differences }, terminal, Readable.from([]))
  return { text, exitCode }
}

async function fixture(name: string): Promise<Recording> {
  return await readRecording(createReadStream(`${folder}/${name}`))
}

async function judge(recording: Recording) {
  const differences = []
  let compared = 0
  let steps = 0
  for await (const one of replaySession(recording).steps) {
    steps += 1
    if (one.compared) compared += 1
    if (differs(one))
      differences.push({ ...one, deeds: one.deeds.filter((d) => d.when !== 'both') })
  }
  return { differences, compared, steps }
}
