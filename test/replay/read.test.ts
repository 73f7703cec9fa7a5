/** What a recording must look like, and what is said of one that doesn't. */
import { Readable } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { RecordingError, readRecording } from '../../src/replay/read.ts'

const seed = 55_018
t.comment(`fast-check seed ${seed}`)

const header = '{"recording":1,"peer":{}}'
const start = '{"at":1,"event":"start"}'

const faults: readonly (readonly [caption: string, lines: string, reason: RegExp])[] = [
  ['nothing', '', /it is empty/],
  ['no JSON', 'x', /line 1: it is no JSON/],
  ['no object', '[]', /line 1: it is no JSON object/],
  ['an event first', start, /line 1: a recording begins with a line/],
  ['another format', '{"recording":2,"peer":{}}', /format 2; format 1 is read/],
  ['no peer', '{"recording":1}', /line 1: peer: expected a peer's settings, found nothing/],
  ['an unknown setting', '{"recording":1,"peer":{"asm":1}}', /there is no setting peer\.asm/],
  [
    'a wrong setting',
    '{"recording":1,"peer":{"asn":0}}',
    /peer\.asn: expected 1 to 4294967295, found 0/,
  ],
  [
    'an unknown event',
    `${header}\n{"at":1,"event":"stat"}`,
    /line 2: event: "stat" is none of start,/,
  ],
  ['no time', `${header}\n{"event":"start"}`, /line 2: at: expected Unix milliseconds/],
  ['times that fall', `${header}\n{"at":2,"event":"start"}\n${start}`, /line 3: at: it is earlier/],
  [
    'an odd number of digits',
    `${header}\n{"at":1,"event":"received","lane":"outgoing","hex":"fff"}`,
    /line 2: hex: expected octets in hexadecimal, at most 65535, found "fff"/,
  ],
  [
    'no such lane',
    `${header}\n{"at":1,"event":"drained","lane":"middle"}`,
    /lane: expected outgoing or incoming or second, found "middle"/,
  ],
]

for (const [caption, lines, reason] of faults) {
  t.test(`${caption} is refused with the line and what was expected`, async (t) => {
    await t.rejects(read(lines), { name: 'RecordingError', message: reason })
  })
}

t.test('what the peer does not say has its default, and blank lines are passed over', async (t) => {
  const recording = await read(`\n{"recording":1,"peer":{"asn":64512}}\n\n${start}\n`)
  t.match(recording.peer, { asn: 64_512, port: 179, holdSeconds: 90, filters: [] })
  t.same(recording.events, [{ at: 1, event: 'start' }])
})

t.test('any text is read or refused', async (t) => {
  const line = fc.oneof(fc.json(), fc.string(), fc.constantFrom(header, start))
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 6 }), async (lines) => {
      await read([header, ...lines].join('\n')).catch((error) => {
        if (!(error instanceof RecordingError)) throw error
      })
    }),
    { seed, numRuns: 500 },
  )
  t.pass('500 texts')
})

function read(lines: string) {
  return readRecording(Readable.from([Buffer.from(lines)]))
}
