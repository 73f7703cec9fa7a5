/** Operations on canonical attributes: by tables, and against the same change made to the view. */
import { deepStrictEqual as deepEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { editAttributes } from '../../../bgp/policy/edit.ts'
import { compileOperations } from '../../../bgp/policy/operations.ts'
import type { FilterOperation } from '../../../bgp/policy/types.ts'
import type { AttributesView } from '../../../bgp/types.ts'
import { attributeRows, viewAttributes } from '../../../bgp/wire/attribute.ts'
import { attributeEnd, valueStart } from '../../../bgp/wire/attribute-bytes.ts'
import { Writer } from '../../../bgp/wire/bytes.ts'
import { hexText } from '../wire/vectors.ts'
import { type Attributes, encode, refusalOf, seed } from './scene.ts'

function edit(given: Uint8Array, operations: readonly FilterOperation[]): Uint8Array {
  const compiled = compileOperations(operations, 'export', 'ipv4-unicast')
  const padded = Uint8Array.of(0xff, ...given, 0xff)
  const out = new Writer(70_000)
  editAttributes(compiled, padded, 1, padded.length - 1, out)
  return out.written()
}

const view = (bytes: Uint8Array) => viewAttributes(bytes, 0, bytes.length)
const add = (community: string): FilterOperation => ({ kind: 'addCommunity', community })
const remove = (community: string): FilterOperation => ({ kind: 'removeCommunity', community })
const replace = (...communities: string[]): FilterOperation => ({
  kind: 'replaceCommunities',
  communities,
})
const prepend = (...asns: number[]): FilterOperation => ({ kind: 'prependASPath', asns })

t.test('each operation changes its attribute and nothing beside it', async (t) => {
  const path: Attributes = { asPath: [[2, [7, 8]]] }
  const table: readonly [
    what: string,
    given: Attributes,
    operations: FilterOperation[],
    result: Attributes,
  ][] = [
    ['nothing', path, [], path],
    ['add to none', {}, [add('1:1')], { communities: ['1:1'] }],
    [
      'add sorts',
      { communities: ['3:3', '1:1'] },
      [add('2:2')],
      { communities: ['1:1', '2:2', '3:3'] },
    ],
    ['add once', { communities: ['1:1', '1:1'] }, [add('1:1')], { communities: ['1:1'] }],
    [
      'numbers are unsigned',
      { communities: ['65535:65281'] },
      [add('1:1')],
      { communities: ['1:1', '65535:65281'] },
    ],
    [
      'a large one leaves the standard ones',
      { communities: ['3:3', '1:1'], largeCommunities: ['9:9:9'] },
      [add('9:9:1'), add('4294967295:0:0')],
      { communities: ['3:3', '1:1'], largeCommunities: ['9:9:1', '9:9:9', '4294967295:0:0'] },
    ],
    [
      'partial stays',
      { communities: ['1:1'], partial: true },
      [add('2:2')],
      { communities: ['1:1', '2:2'], partial: true },
    ],
    ['remove', { communities: ['1:1', '1:2', '2:1'] }, [remove('1:*')], { communities: ['2:1'] }],
    ['remove the last', { communities: ['1:1'] }, [remove('*:*')], {}],
    ['remove where there is none', path, [remove('1:1'), remove('1:1:1')], path],
    [
      'remove leaves the other kind',
      { communities: ['1:1'], largeCommunities: ['1:1:1', '1:2:1'] },
      [remove('1:1:*')],
      { communities: ['1:1'], largeCommunities: ['1:2:1'] },
    ],
    [
      'replace',
      { communities: ['1:1'], largeCommunities: ['1:1:1'] },
      [replace('5:5', '4:4', '5:5')],
      { communities: ['4:4', '5:5'] },
    ],
    ['replace by nothing', { communities: ['1:1'], largeCommunities: ['1:1:1'] }, [replace()], {}],
    [
      'in order',
      { communities: ['1:1'] },
      [add('2:2'), remove('*:*'), add('3:3')],
      { communities: ['3:3'] },
    ],
    ['prepend', path, [prepend(1, 2)], { asPath: [[2, [1, 2, 7, 8]]] }],
    [
      'a later prepend comes before',
      path,
      [prepend(1, 2), prepend(3)],
      { asPath: [[2, [3, 1, 2, 7, 8]]] },
    ],
    ['prepend to an own route', {}, [prepend(1)], { asPath: [[2, [1]]] }],
    [
      'prepend to a set',
      { asPath: [[1, [7]]] },
      [prepend(1)],
      {
        asPath: [
          [2, [1]],
          [1, [7]],
        ],
      },
    ],
    [
      'prepend behind a confederation',
      {
        asPath: [
          [3, [64512]],
          [4, [64513]],
          [2, [7]],
        ],
      },
      [prepend(1)],
      {
        asPath: [
          [3, [64512]],
          [4, [64513]],
          [2, [1, 7]],
        ],
      },
    ],
    ['prepend nothing', path, [prepend()], path],
    [
      'MED',
      { ...path, med: 5 },
      [
        { kind: 'setMED', med: 1 },
        { kind: 'setMED', med: 4_294_967_295 },
      ],
      { ...path, med: 4_294_967_295 },
    ],
    ['MED where there is none', path, [{ kind: 'setMED', med: 0 }], { ...path, med: 0 }],
    [
      'LOCAL_PREF',
      { localPref: 100 },
      [{ kind: 'setLocalPref', localPref: 200 }],
      { localPref: 200 },
    ],
    ['priority', {}, [{ kind: 'setPriority', priority: 1024 }], { localPref: 2_147_482_623 }],
    ['the next hop is not in the bytes', path, [{ kind: 'setNextHop', nextHop: 'self' }], path],
  ]
  for (const [what, given, operations, result] of table) {
    for (const around of [{}, { unknown: [1, 2, 3] }]) {
      const edited = edit(encode({ ...given, ...around }), operations)
      t.equal(hexText(edited), hexText(encode({ ...result, ...around })), what)
    }
  }
})

t.test('a segment holds 255 numbers, so a full one stays as it is', async (t) => {
  const asns = (count: number) => new Array<number>(count).fill(7)
  t.same(view(edit(encode({ asPath: [[2, asns(253)]] }), [prepend(1, 2)])).asPath, [
    { type: 'sequence', asns: [1, 2, ...asns(253)] },
  ])
  t.same(view(edit(encode({ asPath: [[2, asns(254)]] }), [prepend(1, 2)])).asPath, [
    { type: 'sequence', asns: [1, 2] },
    { type: 'sequence', asns: asns(254) },
  ])
})

t.test('no prepend makes a path longer than 750 numbers', async (t) => {
  const full = (count: number) => new Array<number>(count).fill(7)
  const given = encode({
    asPath: [
      [2, full(255)],
      [2, full(255)],
      [2, full(238)],
    ],
  })
  const asns = (bytes: Uint8Array) => view(bytes).asPath!.flatMap((segment) => segment.asns)
  t.equal(asns(given).length, 748)
  t.same(asns(edit(given, [prepend(1, 2)])).slice(0, 3), [1, 2, 7])
  t.same(asns(edit(given, [prepend(1, 2, 3)])), asns(given), 'what is too long is left out')
  t.same(asns(edit(given, [prepend(1, 2, 3), prepend(4)])).slice(0, 2), [4, 7], 'and the rest done')
})

t.test(
  'a list beyond 255 octets has a length of two, and of one again when it shrinks',
  async (t) => {
    const many = Array.from({ length: 63 }, (_, i) => `1:${i}`)
    const grown = edit(encode({ communities: many }), [add('2:0')])
    t.equal(hexText(grown), hexText(encode({ communities: [...many, '2:0'] })))
    t.equal(hexText(edit(grown, [remove('2:0')])), hexText(encode({ communities: many })))
  },
)

t.test('what does not fit is an error, not a truncated route', async (t) => {
  const run = () =>
    editAttributes(
      compileOperations([add('1:1')], 'import', 'ipv4-unicast'),
      encode({}),
      0,
      encode({}).length,
      new Writer(10),
    )
  t.match(refusalOf(run), /don't fit a block of 10/)
})

const number = fc.constantFrom(0, 1, 2, 65535)
const standard = fc.tuple(number, number).map((parts) => parts.join(':'))
const large = fc.tuple(number, number, number).map((parts) => parts.join(':'))
const part = fc.oneof(number.map(String), fc.constant('*'))
const pattern = fc.oneof(
  fc.tuple(part, part).map((parts) => parts.join(':')),
  fc.tuple(part, part, part).map((parts) => parts.join(':')),
)
const asn = fc.constantFrom(1, 2, 65001, 4_200_000_000)
const segment = fc.tuple(
  fc.integer({ min: 1, max: 4 }),
  fc.array(asn, { minLength: 1, maxLength: 4 }),
)
const attributes: fc.Arbitrary<Attributes> = fc.record(
  {
    asPath: fc.array(segment, { maxLength: 4 }),
    med: fc.nat(),
    localPref: fc.nat(),
    communities: fc.array(standard, { minLength: 1, maxLength: 70 }),
    largeCommunities: fc.array(large, { minLength: 1, maxLength: 25 }),
    partial: fc.boolean(),
    unknown: fc.uint8Array({ maxLength: 300 }).map((octets) => [...octets]),
  },
  { requiredKeys: [] },
)
const operation: fc.Arbitrary<FilterOperation> = fc.oneof(
  fc.oneof(standard, large).map(add),
  pattern.map(remove),
  fc.array(fc.oneof(standard, large), { maxLength: 4 }).map((list) => replace(...list)),
  fc.array(asn, { maxLength: 4 }).map((asns) => prepend(...asns)),
  fc.nat().map((localPref): FilterOperation => ({ kind: 'setLocalPref', localPref })),
  fc
    .integer({ min: 1, max: 1024 })
    .map((priority): FilterOperation => ({ kind: 'setPriority', priority })),
  fc.nat().map((med): FilterOperation => ({ kind: 'setMED', med })),
  fc.constant<FilterOperation>({ kind: 'setNextHop', nextHop: '10.0.0.1' }),
)
const operations = fc.array(operation, { maxLength: 10 })

type Draft = { -readonly [K in keyof AttributesView]: AttributesView[K] }

/** The same change, plainly, on what people see. Paths are compared as lists of numbers. */
function editView(given: AttributesView, change: FilterOperation): AttributesView {
  const draft: Draft = { ...given }
  const large = (text: string) => text.split(':').length === 3
  const setLists = (all: readonly string[]) => {
    draft.communities = all.filter((text) => !large(text))
    draft.largeCommunities = all.filter(large)
  }
  const all = [...(given.communities ?? []), ...(given.largeCommunities ?? [])]
  switch (change.kind) {
    case 'addCommunity':
      setLists([...all, change.community])
      break
    case 'removeCommunity': {
      const fits = new RegExp(`^${change.community.replaceAll('*', '\\d+')}$`)
      setLists(all.filter((text) => !fits.test(text)))
      break
    }
    case 'replaceCommunities':
      setLists(change.communities)
      break
    case 'prependASPath': {
      const path = given.asPath ?? []
      const inside = path.findIndex(({ type }) => !type.startsWith('confed'))
      const border = inside < 0 ? path.length : inside
      draft.asPath = [
        ...path.slice(0, border),
        ...change.asns.map((asn) => ({ type: 'sequence' as const, asns: [asn] })),
        ...path.slice(border),
      ]
      break
    }
    case 'setPriority':
      draft.localPref = 2_147_483_647 - change.priority
      break
    case 'setLocalPref':
      draft.localPref = change.localPref
      break
    case 'setMED':
      draft.med = change.med
      break
    case 'setNextHop':
  }
  return draft
}

/** Lists as sets, paths as `type:number` in order: what two views must agree in. */
function comparable({
  communities = [],
  largeCommunities = [],
  asPath = [],
  ...rest
}: AttributesView) {
  return {
    ...rest,
    communities: [...new Set(communities)].sort(),
    largeCommunities: [...new Set(largeCommunities)].sort(),
    asPath: asPath.flatMap(({ type, asns }) => asns.map((asn) => `${type} ${asn}`)),
  }
}

t.test('operations do to the octets what they would do to the view', async () => {
  fc.assert(
    fc.property(attributes, operations, (given, changes) => {
      const bytes = encode(given)
      const expected = changes.reduce(editView, view(bytes))
      deepEqual(comparable(view(edit(bytes, changes))), comparable(expected))
    }),
    { seed, numRuns: 2000 },
  )
})

t.test(
  'the result is canonical: ascending codes, short lengths, values that pass their checks',
  async () => {
    fc.assert(
      fc.property(attributes, operations, (given, changes) => {
        const bytes = edit(encode(given), changes)
        let last = 0
        for (let at = 0; at < bytes.length; at = attributeEnd(bytes, at)) {
          const [code, start, end] = [
            bytes[at + 1]!,
            valueStart(bytes, at),
            attributeEnd(bytes, at),
          ]
          if (code <= last || end > bytes.length) return false
          if ((start - at === 4) !== end - start > 255) return false
          if (attributeRows[code]?.check(bytes, start, end) ?? null) return false
          last = code
        }
        return true
      }),
      { seed, numRuns: 1000 },
    )
  },
)

t.test('done twice is done once, except for prepending', async () => {
  fc.assert(
    fc.property(attributes, operations, (given, changes) => {
      const settled = changes.filter(({ kind }) => kind !== 'prependASPath')
      const once = edit(encode(given), settled)
      return hexText(edit(once, settled)) === hexText(once)
    }),
    { seed, numRuns: 1000 },
  )
})

t.test('the order in which communities came does not show after a change to them', async () => {
  fc.assert(
    fc.property(fc.uniqueArray(standard, { maxLength: 10 }), standard, (communities, added) => {
      const bytes = (list: string[]) => hexText(edit(encode({ communities: list }), [add(added)]))
      return bytes(communities) === bytes([...communities].reverse())
    }),
    { seed, numRuns: 500 },
  )
})
