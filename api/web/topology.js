/**
 * A picture of this node and those it speaks with: eBGP (switches) above, reflectors beside them, nodes
 * and clients below; each line has the colour of its session. Drawn for the width there is.
 */
import { svg } from './dom.js'
import { toneOf } from './peers.js'

const BOX = { width: 148, height: 46 }
const GAP = 12
/** Space between a row of boxes and this node, for the lines. */
const LEVEL = 46
/** Healthy peers of one kind drawn one by one; more become one box. */
const DRAWN_MAX = 16
/** The same for those that are down, which are always named first. */
const DOWN_DRAWN_MAX = 12

const kinds = [
  { name: 'eBGP', above: true, is: ({ type }) => type === 'ebgp' },
  {
    name: 'clients',
    above: false,
    is: ({ routeReflectorClient }) => routeReflectorClient,
  },
  { name: 'mesh', above: false, is: ({ origin }) => origin === 'mesh' },
  { name: 'iBGP', above: true, is: () => true },
]

/**
 * @param {number} width pixels
 * @returns an svg element
 */
export function topology(node, peers, width) {
  const groups = kinds.map(() => [])
  for (const peer of peers) groups[kinds.findIndex(({ is }) => is(peer))].push(peer)
  const boxesOf = (above) =>
    kinds.flatMap((kind, index) => (kind.above === above ? boxes(kind.name, groups[index]) : []))
  const top = place(boxesOf(true), width, 1)
  const nodeY = top.height === 0 ? 1 : top.height + LEVEL
  const below = place(boxesOf(false), width, nodeY + BOX.height + LEVEL)
  const height = below.height === 0 ? nodeY + BOX.height + 2 : below.bottom
  const centre = { x: (width - BOX.width) / 2, y: nodeY }
  const placed = [...top.boxes, ...below.boxes]
  const up = peers.filter(({ state }) => state === 'Established').length
  return svg(
    'svg',
    {
      class: 'topology',
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: 'group',
      'aria-label': `${node.name} and its ${peers.length} peers, ${up} of them established`,
    },
    ...placed.map((box) => edge(box, centre)),
    ...placed.map(drawPeer),
    drawNode(node, centre),
  )
}

/** Those that are down or cut off one by one; the others too, unless there are too many. */
function boxes(kind, peers) {
  const isWell = (peer) => toneOf(peer) === 'good'
  const down = peers.filter((peer) => !isWell(peer))
  const up = peers.filter(isWell)
  return [
    ...down.slice(0, DOWN_DRAWN_MAX).map(single),
    ...rest(kind, 'down', 'bad', down.length - DOWN_DRAWN_MAX),
    ...(up.length > DRAWN_MAX ? rest(kind, 'established', 'good', up.length) : up.map(single)),
  ]
}

function single(peer) {
  const tone = toneOf(peer)
  const notes = { good: [], warn: ['cut off'], bad: [peer.state] }
  return {
    id: `topology-${peer.name}`,
    title: peer.name,
    note: [`AS ${peer.asn}`, ...notes[tone]].join(' · '),
    tone,
    href: `#peer=${encodeURIComponent(peer.name)}`,
  }
}

function rest(kind, state, tone, count) {
  if (count <= 0) return []
  return [
    {
      id: `topology-${kind}-${state}`,
      title: `${count} ${kind}`,
      note: state,
      tone,
      href: '#peers',
    },
  ]
}

/** Boxes in centred rows of as many as fit. */
function place(list, width, y) {
  const perRow = Math.max(1, Math.floor((width + GAP) / (BOX.width + GAP)))
  const rows = Math.ceil(list.length / perRow)
  const placed = list.map((box, index) => {
    const row = Math.floor(index / perRow)
    const inRow = Math.min(perRow, list.length - row * perRow)
    const left = (width - inRow * BOX.width - (inRow - 1) * GAP) / 2
    const x = left + (index % perRow) * (BOX.width + GAP)
    return { ...box, x, y: y + row * (BOX.height + GAP) }
  })
  const height = rows === 0 ? 0 : rows * BOX.height + (rows - 1) * GAP
  return { boxes: placed, height, bottom: y + height + 1 }
}

function edge(box, centre) {
  const above = box.y < centre.y
  return svg('line', {
    class: `edge ${box.tone}`,
    x1: box.x + BOX.width / 2,
    y1: above ? box.y + BOX.height : box.y,
    x2: centre.x + BOX.width / 2,
    y2: above ? centre.y : centre.y + BOX.height,
  })
}

function drawPeer(box) {
  return svg(
    'a',
    { id: box.id, href: box.href, class: `box ${box.tone}` },
    svg('title', {}, `${box.title}: ${box.note}`),
    ...drawBox(box),
  )
}

function drawNode(node, { x, y }) {
  return svg(
    'g',
    { class: 'box own' },
    ...drawBox({ x, y, title: node.name, note: `AS ${node.asn}` }),
  )
}

function drawBox({ x, y, title, note }) {
  const middle = x + BOX.width / 2
  return [
    svg('rect', { x, y, width: BOX.width, height: BOX.height, rx: 6 }),
    svg('text', { class: 'title', x: middle, y: y + 19 }, shorten(title)),
    svg('text', { class: 'note', x: middle, y: y + 36 }, note),
  ]
}

/** Long names keep their ends, which tell them apart. */
function shorten(name) {
  return name.length <= 19 ? name : `${name.slice(0, 7)}…${name.slice(-11)}`
}
