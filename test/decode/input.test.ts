/** Lines of `routelet decode` and their contexts: what is taken, and how the rest is refused. */
import fc from 'fast-check'
import t from 'tap'
import { InputError, readContext, readInput } from '../../src/decode/input.ts'
import { type Line, lineLengthMax, readLines } from '../../src/decode/lines.ts'
import { hexText, seed } from '../bgp/wire/vectors.ts'

const whyOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    return error.message
  }
  return 'taken'
}

t.test('hexadecimal and JSON lines are read', async (t) => {
  const defaults = { as4: false, localAs: 1 }
  const table: readonly [line: string, hex: string, context: object][] = [
    ['00ff', '00ff', defaults],
    [' 00 FF\t0a\r', '00ff0a', defaults],
    ['{"hex":"00"}', '00', defaults],
    ['{"hex":"00","context":{}}', '00', defaults],
    ['{"hex":"00","context":{"as4":true}}', '00', { as4: true, localAs: 1 }],
    ['{"context":{"addPath":["ipv6-unicast"]},"hex":"00"}', '00', { addPath: ['ipv6-unicast'] }],
  ]
  for (const [line, digits, context] of table) {
    const read = readInput(line, defaults)
    t.equal(hexText(read.bytes), digits, line)
    t.match(read.context, context, line)
  }
})

t.test('every field of a context is known, and checked', async (t) => {
  const whole = {
    as4: true,
    peerType: 'ibgp',
    addPath: ['ipv4-unicast'],
    extendedMessage: false,
    extendedNextHop: false,
    families: ['ipv4-unicast', 'ipv6-unicast'],
    localAs: 65000,
    peerAs: 4294967295,
    localId: '192.0.2.1',
    state: 'OpenSent',
  }
  t.same(readContext(whole), whole)
  const table: readonly [context: object, why: RegExp][] = [
    [{ as4: 'yes' }, /as4: expected true or false, found "yes"/],
    [{ peerType: 'eBGP' }, /did you mean ebgp\?/],
    [{ families: ['ipv4'] }, /families\[0\]: expected one of ipv4-unicast, ipv6-unicast/],
    [{ addPath: 'ipv4-unicast' }, /addPath: expected a list/],
    [{ localAs: 0 }, /from 1 to 4294967295, found 0/],
    [{ peerAs: 4294967296 }, /from 1 to 4294967295/],
    [{ localId: '192.0.2.256' }, /localId/],
    [{ state: 'established' }, /did you mean Established\?/],
    [{ peerAS: 1 }, /there is no field peerAS; did you mean peerAs\?/],
  ]
  for (const [context, why] of table) {
    t.match(
      whyOf(() => readContext(context)),
      why,
    )
  }
})

t.test('a line that cannot be used says why', async (t) => {
  const table: readonly [line: string, why: RegExp][] = [
    ['0g', /"g" at digit 2 is not hexadecimal/],
    ['0x00', /"x" at digit 2/],
    ['000', /3 hexadecimal digits/],
    ['{"hex":', /it is no JSON/],
    ['{"hex":1}', /hex: expected text, found 1/],
    ['{"hex":" "}', /there are no hexadecimal digits/],
    ['{}', /hex: expected text, found nothing/],
    ['{"hex":"00","context":[]}', /context: expected a map of fields/],
    ['{"hex":"00","contxt":{}}', /no field contxt; did you mean context\?/],
  ]
  for (const [line, why] of table) {
    t.match(
      whyOf(() => readInput(line, {})),
      why,
      line,
    )
  }
})

t.test(`any line is taken or refused in words (seed ${seed})`, async () => {
  const json = fc.json({ maxDepth: 3 })
  const hexLike = fc.string({ unit: fc.constantFrom(...'0123456789abcdefgF {}":,') })
  const framed = json.map((context) => `{"hex":"00ff","context":${context}}`)
  fc.assert(
    fc.property(fc.oneof(json, hexLike, framed, fc.string()), (line) => {
      whyOf(() => readInput(line, {}))
    }),
    { seed, numRuns: 2000 },
  )
})

async function* chunksOf(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

async function collect(chunks: readonly Uint8Array[]): Promise<Line[]> {
  const found: Line[] = []
  for await (const lines of readLines(chunksOf(chunks))) found.push(...lines)
  return found
}

t.test(`lines are the same however the stream is cut (seed ${seed})`, async () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'é', '\n', '😀'), maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.array(fc.nat({ max: 120 }), { maxLength: 8 }),
      async (whole, cuts) => {
        const octets = new TextEncoder().encode(whole)
        const places = [0, ...cuts.map((cut) => Math.min(cut, octets.length)), octets.length].sort(
          (a, b) => a - b,
        )
        const chunks = places.slice(1).map((end, i) => octets.subarray(places[i], end))
        const expected = whole.split('\n')
        if (expected.at(-1) === '') expected.pop()
        const lines = await collect(chunks)
        return (
          JSON.stringify(lines.map((line) => line.text)) === JSON.stringify(expected) &&
          lines.every((line, index) => line.number === index + 1)
        )
      },
    ),
    { seed, numRuns: 300 },
  )
})

t.test('a line without end is given up, and the next one is read', async (t) => {
  const block = new Uint8Array(lineLengthMax / 4).fill(0x30)
  const tail = new TextEncoder().encode('\nff\n')
  t.same(await collect([...Array(20).fill(block), tail]), [
    { number: 1, text: null },
    { number: 2, text: 'ff' },
  ])
})
