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
  const x = makeScale(
    points.map((point) => point.x),
    plot.left,
    plot.right,
  )
  const y = makeScale(
    points.flatMap(({ least, most }) => [least, most]),
    plot.bottom,
    plot.top,
  )
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
    ...drawGrid(
      x,
      y,
      points.map((point) => point.x),
    ),
    ...chart.lines.flatMap((line, index) => drawLine(line, colourOf(index), x, y)),
    ...drawLabels(chart.lines, y),
    '</svg>',
    '',
  ].join('\n')
}

interface Scale {
  (value: number): number
  /** Powers of ten it spans. */
  readonly decades: readonly number[]
}

/** Logarithmic; from the decade below the least value to the one above the largest. */
function makeScale(values: readonly number[], from: number, to: number): Scale {
  const positive = values.filter((value) => value > 0)
  const low = Math.floor(Math.log10(Math.min(...positive)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive))))
  const place = (value: number) => {
    const share = (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low)
    return Math.round((from + share * (to - from)) * 10) / 10
  }
  const decades = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index))
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

/** At the end of each line, pushed apart where they would cover each other. */
function drawLabels(lines: readonly Line[], y: Scale): string[] {
  const labels = lines.map(({ name, points }, index) => {
    const last = points.reduce((one, other) => (other.x > one.x ? other : one))
    return { name, colour: colourOf(index), at: y(last.median) + 4 }
  })
  labels.sort((a, b) => a.at - b.at)
  let free = plot.top
  return labels.map(({ name, colour, at }) => {
    const placed = Math.max(at, free)
    free = placed + labelHeight
    return text(plot.right + 12, placed, name, `fill="${colour}" font-weight="600"`)
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
