/**
 * Next hops reached through other routes, against the real kernel: every kind of event that can lead
 * them elsewhere does so at once. Safety scans are off: what is resolved anew, an event resolved.
 */
import t from 'tap'
import { cannotBuildNetworks, type Namespace } from '../network/namespaces.ts'
import { becomes, changes, realNetwork, set, startWriter } from './scene.ts'

t.setTimeout(120_000)
const skip = cannotBuildNetworks

/** How one family is laid out: a next hop behind routes of others, and the far ends of both cables. */
interface Layout {
  readonly family: '-4' | '-6'
  readonly prefix: string
  readonly hop: string
  readonly near: string
  readonly wide: string
  readonly far: readonly [string, string]
}

const layouts: readonly Layout[] = [
  {
    family: '-4',
    prefix: '10.200.0.0/16',
    hop: '192.0.2.9',
    near: '192.0.2.0/24',
    wide: '192.0.0.0/16',
    far: ['10.0.0.2', '10.0.1.2'],
  },
  {
    family: '-6',
    prefix: 'fd20::/32',
    hop: '2001:db8::9',
    near: '2001:db8::/64',
    wide: '2001:db8::/32',
    far: ['fd00::2', 'fd00:0:0:1::2'],
  },
]

/** What happens, and by which far end (0 or 1) the next hop is reached then; null: by none. */
interface Happening {
  readonly caption: string
  readonly happen: (node: Namespace, layout: Layout) => Promise<unknown>
  readonly by: 0 | 1 | null
}

const route = (node: Namespace, { family }: Layout, line: string) =>
  node.ip(family, 'route', ...line.split(' '))

/** In this order: each begins where the one before left things. */
const happenings: readonly Happening[] = [
  {
    caption: 'a route to it appears',
    happen: (node, l) => route(node, l, `add ${l.wide} via ${l.far[0]} proto static`),
    by: 0,
  },
  {
    caption: 'a longer one appears',
    happen: (node, l) => route(node, l, `add ${l.near} via ${l.far[1]} proto static metric 50`),
    by: 1,
  },
  {
    caption: 'it is replaced',
    happen: (node, l) => route(node, l, `replace ${l.near} via ${l.far[0]} proto static metric 50`),
    by: 0,
  },
  {
    caption: 'and replaced back',
    happen: (node, l) => route(node, l, `replace ${l.near} via ${l.far[1]} proto static metric 50`),
    by: 1,
  },
  {
    caption: 'a better one of the same length appears',
    happen: (node, l) => route(node, l, `add ${l.near} via ${l.far[0]} proto static metric 40`),
    by: 0,
  },
  {
    caption: 'that one goes',
    happen: (node, l) => route(node, l, `del ${l.near} metric 40`),
    by: 1,
  },
  {
    caption: 'it goes too',
    happen: (node, l) => route(node, l, `del ${l.near} metric 50`),
    by: 0,
  },
  {
    caption: 'the link goes down, and its routes with it',
    happen: (node) => node.ip('link', 'set', 'e0', 'down'),
    by: null,
  },
]

for (const layout of layouts) {
  t.test(
    `each kind of event leads a recursive next hop anew: ${layout.family}`,
    {
      skip,
    },
    async (t) => {
      const { node } = await realNetwork(t)
      const { fib } = await startWriter(t, node)
      fib.change(changes([[layout.prefix, 1]], [set(1, [layout.hop])]))
      for (const { caption, happen, by } of happenings) {
        await happen(node, layout)
        const expected = by === null ? [] : [`${layout.prefix} via ${layout.far[by]}`]
        await becomes(node, caption, expected)
        t.pass(caption)
      }
    },
  )
}

t.test(
  'an address that comes makes a next hop on link, and takes it along',
  { skip },
  async (t) => {
    const { node } = await realNetwork(t)
    const { fib, resolutions } = await startWriter(t, node)
    fib.change(changes([['10.200.0.0/16', 1]], [set(1, ['198.51.100.2'])]))
    await becomes(node, 'no way there', [])
    await node.address('e1', '198.51.100.1/24')
    await becomes(node, 'on link', ['10.200.0.0/16 via 198.51.100.2'])
    fib.track('198.51.100.2')
    await node.ip('address', 'del', '198.51.100.1/24', 'dev', 'e1')
    await becomes(node, 'gone again', [])
    t.match(resolutions.get('198.51.100.2'), { reachable: false, reason: 'no route' })
  },
)

t.test(
  'a next hop behind a route of ours follows when that is led elsewhere',
  { skip },
  async (t) => {
    const { node } = await realNetwork(t)
    const { fib } = await startWriter(t, node)
    const sets = [set(1, ['10.0.0.2']), set(2, ['10.0.1.2']), set(3, ['192.0.2.9'])]
    fib.change(
      changes(
        [
          ['192.0.2.0/24', 1],
          ['10.200.0.0/16', 3],
        ],
        sets,
      ),
    )
    await becomes(node, 'both', ['10.200.0.0/16 via 10.0.0.2', '192.0.2.0/24 via 10.0.0.2'])
    fib.change(changes([['192.0.2.0/24', 2]]))
    await becomes(node, 'both by the other', [
      '10.200.0.0/16 via 10.0.1.2',
      '192.0.2.0/24 via 10.0.1.2',
    ])
  },
)
