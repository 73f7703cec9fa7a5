/**
 * The chart of convergence time against number of nodes, as SVG: one line for each daemon, medians as
 * dots, spread as a bar, both axes logarithmic. It brings its own background, so that it reads on a
 * light page and on a dark one.
 */

export interface Point {
  readonly x: number
  readonly median: number
  readonly least: number
  readonly most: number
}

export interface Line {
  readonly name: string
  readonly points: readonly Point[]
}

export interface Chart {
  readonly title: string
  readonly xTitle: string
  readonly yTitle: string
  readonly lines: readonly Line[]
}

const width = 720
const height = 440
const plot = { left: 64, right: 600, top: 48, bottom: 384 } as const
/** Told apart also by those who see few colours: Okabe and Ito's. */
const colours = ['#d55e00', '#0072b2', '#56b4e9', '#009e73', '#cc79a7', '#e69f00', '#888888']
const labelHeight = 15

export function drawChart(chart: Chart): string {
  const points = chart.lines.flatMap((line) => line.points)
  const sizes = points.map((point) => point.x)
  const values = points.flatMap(({ least, most }) => [least, most])
  const x = makeScale(sizes, plot.left, plot.right, 'close')
  const y = makeScale(values, plot.bottom, plot.top, 'decades')
  const style = 'font-family="system-ui, sans-serif" font-size="12" fill="#222"'
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" ${style}>`,
    `<title>${escapeText(chart.title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(plot.left, 24, chart.title, 'font-size="15" font-weight="600"'),
    text(plot.left, 40, chart.yTitle, 'fill="#666"'),
    text(
      (plot.left + plot.right) / 2,
      height - 16,
      chart.xTitle,
      'text-anchor="middle" fill="#666"',
    ),
    ...drawGrid(x, y, sizes),
    ...chart.lines.flatMap((line, index) => drawLine(line, colourOf(index), x, y)),
    ...drawLabels(chart.lines, x, y),
    '</svg>',
    '',
  ].join('\n')
}

interface Scale {
  (value: number): number
  /** Powers of ten it spans. */
  readonly decades: readonly number[]
}

/** Logarithmic; from the least value to the largest, or from the decade below to the one above. */
function makeScale(
  values: readonly number[],
  from: number,
  to: number,
  fit: 'close' | 'decades',
): Scale {
  const positive = values.filter((value) => value > 0)
  const [least, most] = [Math.min(...positive), Math.max(...positive)].map(Math.log10) as [
    number,
    number,
  ]
  const close = fit === 'close' && least < most
  const low = close ? least : Math.floor(least)
  const high = close ? most : Math.max(low + 1, Math.ceil(most))
  const place = (value: number) => {
    const share = (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low)
    return Math.round((from + share * (to - from)) * 10) / 10
  }
  const count = Math.floor(high - low) + 1
  const decades = Array.from({ length: count }, (_, index) => 10 ** (low + index))
  return Object.assign(place, { decades })
}

function drawGrid(x: Scale, y: Scale, sizes: readonly number[]): string[] {
  const rows = y.decades.flatMap((value) => [
    line(plot.left, y(value), plot.right, y(value), 'stroke="#ddd"'),
    text(plot.left - 8, y(value) + 4, formatTick(value), 'text-anchor="end"'),
  ])
  const columns = [...new Set(sizes)].flatMap((value) => [
    line(x(value), plot.top, x(value), plot.bottom, 'stroke="#eee"'),
    text(x(value), plot.bottom + 18, formatTick(value), 'text-anchor="middle"'),
  ])
  return [...rows, ...columns]
}

function drawLine({ points }: Line, colour: string, x: Scale, y: Scale): string[] {
  const sorted = [...points].sort((a, b) => a.x - b.x)
  const path = sorted.map((point) => `${x(point.x)},${y(point.median)}`).join(' ')
  return [
    `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...sorted.flatMap((point) => [
      line(x(point.x), y(point.least), x(point.x), y(point.most), `stroke="${colour}"`),
      `<circle cx="${x(point.x)}" cy="${y(point.median)}" r="3.5" fill="${colour}"/>`,
    ]),
  ]
}

/**
 * Names at the right edge, pushed apart where they would cover each other; a dotted line leads there
 * from the end of a line that stops earlier.
 */
function drawLabels(lines: readonly Line[], x: Scale, y: Scale): string[] {
  const labels = lines.map(({ name, points }, index) => {
    const last = points.reduce((one, other) => (other.x > one.x ? other : one))
    return { name, colour: colourOf(index), end: x(last.x), at: y(last.median) }
  })
  labels.sort((a, b) => a.at - b.at)
  let free: number = plot.top
  return labels.flatMap(({ name, colour, end, at }) => {
    const placed = Math.max(at, free)
    free = placed + labelHeight
    const dotted = `stroke="${colour}" stroke-dasharray="1 4"`
    const leader = end < plot.right ? [line(end, at, plot.right + 8, placed, dotted)] : []
    const label = text(plot.right + 12, placed + 4, name, `fill="${colour}" font-weight="600"`)
    return [...leader, label]
  })
}

function colourOf(index: number): string {
  return colours[index % colours.length] as string
}

function line(x1: number, y1: number, x2: number, y2: number, attributes: string): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" ${attributes}/>`
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escapeText(content)}</text>`
}

function formatTick(value: number): string {
  return value >= 1 ? value.toLocaleString('en') : String(Number(value.toPrecision(1)))
}

function escapeText(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
