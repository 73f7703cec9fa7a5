/** docs/scaling.md: where one reflector ends and what larger fleets need, from the model's laws. */
import {
  clusterSize,
  countSizes,
  type Fit,
  fitLaw,
  formatLaw,
  type Law,
  laws,
  predict,
  type Sample,
  type Size,
  takeSamples,
} from './model.ts'
import { formatNumber, renderTable, summarise } from './report.ts'
import type { Run } from './results.ts'

/** A fleet that comes up at once, after a power cut, is to be whole again after this. */
const budgets = [1, 2, 5, 10, 30] as const
const budgetSeconds = 10
const fleets = [500, 1000, 2000, 5000, 10_000, 20_000, 50_000] as const
/** Beyond, nothing was thought through. */
const clientsMax = 1_000_000
/** Two reflectors in every place, so that one may fail. */
const copies = 2

interface Fitted {
  readonly law: Law
  readonly fit: Fit
  readonly samples: readonly Sample[]
}

type Model = Record<keyof typeof laws, Fitted>

export function renderScaling(runs: readonly Run[], measured: string): string {
  const model = fitAll(runs)
  const head = [
    '# Scaling',
    `This page is written by \`npm run bench -- page\` from the same results as [the benchmarks](benchmarks.md);
its figures follow the measurements. ${measured}`,
  ]
  if (model === null) return `${[...head, tooFew].join('\n\n')}\n`
  return `${[
    ...head,
    '## What a reflector does',
    shape,
    '## The laws',
    lawsIntroduction,
    renderLaws(model),
    '### Checked against the largest run',
    checkIntroduction,
    renderCheck(runs),
    '## Where one reflector ends',
    renderEnds(model),
    '## How many reflectors a fleet needs',
    hierarchy,
    renderFleets(model),
    afterFleets,
    '## What the model leaves out',
    omissions,
  ].join('\n\n')}\n`
}

/** Null when there are not enough sizes for every law. */
function fitAll(runs: readonly Run[]): Model | null {
  const model: Partial<Model> = {}
  for (const name of Object.keys(laws) as (keyof Model)[]) {
    const law: Law = laws[name]
    const samples = takeSamples(runs, law)
    if (countSizes(samples) < law.terms.length) return null
    model[name] = { law, fit: fitLaw(law.terms, samples), samples }
  }
  return model as Model
}

function renderLaws(model: Model): string {
  const rows = Object.values(model).map(({ law, fit, samples }) => [
    law.title,
    formatLaw(law, fit),
    `${formatNumber(fit.error * 100)} %`,
    `${samples.length} of ${countSizes(samples)} sizes`,
  ])
  return renderTable({ head: ['', 'law', 'error', 'runs'], rows })
}

/** Laws fitted without the largest fleet, and what they said of it. */
function renderCheck(runs: readonly Run[]): string {
  const rows = Object.values<Law>(laws)
    .filter(({ scenario }) => scenario === 'cluster')
    .flatMap((law) => {
      const samples = takeSamples(runs, law)
      const largest = Math.max(...samples.map(({ size }) => size.clients))
      const rest = samples.filter(({ size }) => size.clients < largest)
      if (countSizes(rest) < law.terms.length) return []
      const fit = fitLaw(law.terms, rest)
      const foretold = predict(law, fit, clusterSize(largest, 1))
      const [value] = medians(samples, largest, law)
      if (value === undefined) return []
      const cells = [foretold, value].map((one) => `${formatNumber(one)} ${law.unit}`)
      return [[law.title, String(largest), ...cells, formatNumber(value / foretold)]]
    })
  if (rows.length === 0) return 'There are not enough sizes to leave one out.'
  return renderTable({ head: ['', 'clients', 'foretold', 'measured', 'ratio'], rows })
}

/** The median of the runs of a fleet with one prefix each; nothing when there is none. */
function medians(samples: readonly Sample[], clients: number, law: Law): number[] {
  const own = samples.filter(({ size }) => size.clients === clients && size.prefixes === clients)
  const summary = summarise(own.map(({ value }) => value * law.scale))
  return summary === null ? [] : [summary.median]
}

function renderEnds(model: Model): string {
  const { converge, change, clusterMemory } = model
  const rows = budgets.map((seconds) => {
    const clients = most((n) => predict(converge.law, converge.fit, clusterSize(n, 1)) <= seconds)
    const size = clusterSize(clients, 1)
    return [
      `${seconds} s`,
      clients.toLocaleString('en'),
      `${formatNumber(predict(clusterMemory.law, clusterMemory.fit, size))} MiB`,
      `${formatNumber(predict(change.law, change.fit, size))} ms`,
      reach(size, model),
    ]
  })
  const head = ['all know all within', 'clients', 'peak memory', 'one change → the last knows', '']
  return `${renderTable({ head, rows })}\n\n${endsText}`
}

/** Whether fleets that large were measured. */
function reach({ clients }: Size, { converge }: Model): string {
  const largest = Math.max(...converge.samples.map(({ size }) => size.clients))
  return clients <= largest ? 'within what was measured' : 'extrapolated'
}

function renderFleets(model: Model): string {
  const { converge } = model
  const flat = most((n) => predict(converge.law, converge.fit, clusterSize(n, 1)) <= budgetSeconds)
  const rows = fleets.map((nodes) => {
    const name = nodes.toLocaleString('en')
    if (nodes <= flat) {
      const seconds = predict(converge.law, converge.fit, clusterSize(nodes, 1))
      return [name, `${copies}, flat`, String(nodes), `${formatNumber(seconds)} s`]
    }
    const level = fewestBelow(nodes, model)
    if (level === null) return [name, 'two levels are too few', '', '']
    const { groups, seconds } = level
    const clients = Math.ceil(nodes / groups)
    return [
      name,
      `${copies} above ${groups} × ${copies}`,
      clients.toLocaleString('en'),
      `${formatNumber(seconds)} s`,
    ]
  })
  const head = ['nodes', 'reflectors', 'clients of one below', 'all know all after']
  return renderTable({ head, rows })
}

/** The fewest groups of nodes with which a fleet of two levels is whole in time. */
function fewestBelow(nodes: number, model: Model): { groups: number; seconds: number } | null {
  for (let groups = 2; groups <= Math.sqrt(nodes); groups++) {
    const seconds = twoLevels(nodes, groups, model)
    if (seconds <= budgetSeconds) return { groups, seconds }
  }
  return null
}

/**
 * Level after level, though they work at the same time: an upper bound. A reflector below takes the
 * whole table in and gives it to its own nodes; one above takes it from the groups and gives it to
 * the others.
 */
function twoLevels(nodes: number, groups: number, { converge, import: intake }: Model): number {
  const clients = Math.ceil(nodes / groups)
  const table = { prefixes: nodes, paths: nodes }
  const [toNodes, toGroups] = [clients * (nodes - 1), nodes * (groups - 1)]
  const below: Size = { clients, ...table, delivered: toNodes, updates: toNodes }
  const above: Size = { clients: groups, ...table, delivered: toGroups, updates: toGroups }
  return (
    predict(converge.law, converge.fit, below) +
    predict(converge.law, converge.fit, above) +
    predict(intake.law, intake.fit, above)
  )
}

/** The largest number of clients for which something that fails at some size holds. */
function most(holds: (clients: number) => boolean): number {
  let [good, bad] = [1, clientsMax]
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2)
    if (holds(middle)) good = middle
    else bad = middle
  }
  return good
}

const tooFew =
  'There are not enough sizes in the results yet: `npm run bench -- cluster feed` measures them.'

const shape = `A reflector for N nodes, one pod CIDR each, has a small table and much to say: N routes come in, and
N × (N − 1) go out, since every node must hear of every other. No two of these routes share a next hop, so
each is an UPDATE of about 60 bytes of its own. What one client costs (a session, its timers, a few
writes) grows with N; what all must be told grows with its square. Table size matters where feeds are
large instead: a million prefixes of a few peers are decided and stored, and said once.`

const lawsIntroduction = `Each law is a sum of parts, fitted to all runs of routelet by least squares of the relative error with no
negative part; a part that doesn't help is left out. Times are those of the benchmark: the load generator
plays all clients on the same cores, so they are upper bounds for a reflector that has the machine to
itself.`

const checkIntroduction = `The same laws, fitted without the largest fleet, foretell it. Its times hold more of the generator, which
has all the deliveries to read on the same cores; the CPU is the reflector's own.`

const endsText = `Time is the limit, and it is one core's: decisions, encoding and all writes are one thread's work. Memory
and keepalives come later. A single change costs one encoding and one write for each client.`

const hierarchy = `A fleet that one reflector can't serve in time gets two levels, which RFC 4456 has for this: nodes are
clients of the reflectors of their group (a row of racks, a zone), those are clients of two above. In
BGPPeer's words: group reflectors have a cluster id of their group and \`routeReflectorClient\` for its nodes,
and the ones above have it for the group reflectors. With G groups, one below says about N² / G, one
above N × G; both are least at G = √N, and fewer groups do as long as the sum stays in the budget, here
${budgetSeconds} s for a fleet that comes up all at once. Everything is there ${copies === 2 ? 'twice' : `${copies} times`}, so that a reflector can go.`

const afterFleets = `A fleet whose switches speak BGP needs none of this: each node has its two ToRs as peers, they carry the
routes, and no node has more than a few sessions. And a fleet that needs no route to single nodes, because
its fabric aggregates pod CIDRs by rack, divides N by the nodes of a rack.`

const omissions = `- Distance: everything here is one machine. On a network each level adds its round trips, not its work.
- The nodes' own work: taking N routes in and writing them into the kernel, which happens on N machines
  at once; see the tables of [feed](benchmarks.md) and [failover](failover.md).
- Policies that differ from client to client: clients share one encoding as long as what they are told
  differs only in what can be patched. \`routelet peers -o wide\` shows each one's update group.
- Slow clients: they are split off and cost what they are sent, each alone.`
