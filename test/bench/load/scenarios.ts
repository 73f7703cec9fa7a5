/**
 * The scenarios of many clients. Each plays its phases on a `Load` and gives measures; a phase that
 * doesn't get where it should ends it with a PhaseFailure. Times run from the first UPDATE handed to
 * the kernel until the last sink is right. Those with whole tables are in feeds.ts.
 */
import type { Sink } from './board.ts'
import type { AnycastJob, ChurnJob, ClusterJob, Measures } from './job.ts'
import { type Load, secondsSince } from './load.ts'
import { PathSink } from './path-sink.ts'
import { establish, lastRightAt, untilRight } from './phases.ts'
import type { Player } from './player.ts'
import { latencies, round, Stretch } from './stretch.ts'
import { Dice, encodeFeed, encodeWithdrawals } from './universe.ts'
import { encodeEndOfRib } from './wire.ts'

/** The pause between two events of one node, longer than a delayed acknowledgement. */
const eventGapMs = 60
/** How many nodes vanish, or withdraw. */
const shareGone = 0.1
/** As a fleet comes up: some nodes at a time. */
const parallelAtReturn = 4

/** Between two looks at what sinks with ADD-PATH have. */
const lookEveryMs = 250

const ownRoute = { rich: false, med: false }

export async function playCluster(load: Load, job: ClusterJob, into: Measures): Promise<void> {
  const nodes = load.add(job.nodes)
  for (const node of nodes) node.sink = load.board.addSink(node.number)
  const first = (node: Player) => node.number * job.prefixes
  const last = (node: Player) => first(node) + job.prefixes
  const endOfRib = encodeEndOfRib()
  const up = nodes.map((node) => {
    const { bytes } = encodeFeed(load.universe, node.number, first(node), last(node), ownRoute)
    return Buffer.concat([bytes, endOfRib])
  })
  const down = nodes.map((node) => encodeWithdrawals(load.universe, first(node), last(node)))
  const home = new Uint16Array(job.nodes * job.prefixes)
  for (const node of nodes) home.fill(node.number + 1, first(node), last(node))

  await establish(load, nodes, into)
  load.board.expect(home, home)
  const stretch = new Stretch(load)
  for (const node of nodes) node.send(up[node.number] as Uint8Array, stretch.startedAt)
  await untilRight(load, 'announce')
  into['announce.seconds'] = round(secondsSince(stretch.startedAt, lastRightAt(load)))
  await load.settle()
  Object.assign(into, stretch.measures('announce'))

  const dice = new Dice(7)
  const times: Record<'withdraw' | 'reannounce', number[][]> = { withdraw: [], reannounce: [] }
  for (let event = 0; event < job.events; event++) {
    const node = nodes[dice.below(nodes.length)] as Player
    const range: [number, number] = [first(node), last(node)]
    load.board.expectRange(...range, 0)
    times.withdraw.push(await timeEvent(load, node, down[node.number] as Uint8Array, 'withdraw'))
    load.board.expectRange(...range, node.number + 1)
    times.reannounce.push(await timeEvent(load, node, up[node.number] as Uint8Array, 'reannounce'))
  }
  for (const [name, events] of Object.entries(times)) {
    if (events.length === 0) continue
    Object.assign(into, latencies(name, events.flat()))
    const lasts = events.map((event) => event.reduce((most, one) => Math.max(most, one), 0))
    Object.assign(into, latencies(`${name}.lastNode`, lasts))
  }
  if (job.vanish) await vanish(load, nodes, up, job.prefixes, into)
}

/** One node says something; gives how many milliseconds later each other node knew. */
async function timeEvent(
  load: Load,
  node: Player,
  bytes: Uint8Array,
  phase: string,
): Promise<number[]> {
  const sentAt = performance.now()
  node.send(bytes, sentAt)
  await untilRight(load, phase)
  const others = load.board.sinks.filter((sink) => sink !== node.sink)
  const times = others.map((sink) => Math.max(0, sink.rightAt - sentAt))
  await load.pause(eventGapMs)
  return times
}

/** The last tenth of the nodes closes its connections, then comes back. */
async function vanish(
  load: Load,
  nodes: readonly Player[],
  up: readonly Uint8Array[],
  prefixes: number,
  into: Measures,
): Promise<void> {
  const { board } = load
  const stay = nodes.length - Math.max(1, Math.floor(nodes.length * shareGone))
  const gone = nodes.slice(stay)
  const drop = new Stretch(load)
  for (const node of gone) load.crash(node)
  for (const node of gone) board.count(node.sink as Sink, false)
  board.expectRange(stay * prefixes, nodes.length * prefixes, 0)
  await untilRight(load, 'drop')
  into['drop.seconds'] = round(secondsSince(drop.startedAt, lastRightAt(load)))
  await load.settle()
  Object.assign(into, drop.measures('drop'))

  const back = new Stretch(load)
  for (const node of gone) {
    board.count(node.sink as Sink, true)
    board.expectRange(node.number * prefixes, (node.number + 1) * prefixes, node.number + 1)
  }
  load.onUp = (node) => node.send(up[node.number] as Uint8Array, performance.now())
  await load.bringUp(gone, parallelAtReturn)
  load.onUp = null
  await untilRight(load, 'return')
  into['return.seconds'] = round(secondsSince(back.startedAt, lastRightAt(load)))
  await load.settle()
  Object.assign(into, back.measures('return'))
}

export async function playChurn(load: Load, job: ChurnJob, into: Measures): Promise<void> {
  const nodes = load.add(job.nodes)
  await establish(load, nodes, into)
  for (let round_ = 1; round_ < job.rounds; round_++) {
    for (const node of nodes) load.crash(node)
    await load.pause(2000)
    const again = new Stretch(load)
    into[`again${round_}.seconds`] = round(await load.bringUp(nodes))
    await load.settle()
    Object.assign(into, again.measures(`again${round_}`))
  }
}

export async function playAnycast(load: Load, job: AnycastJob, into: Measures): Promise<void> {
  const clients = load.add(job.nodes)
  const announcing = new Uint8Array(job.nodes)
  const { paths, prefixes } = job
  for (const client of clients) {
    if (paths === null) client.sink = load.board.addSink(client.number)
    else client.pathSink = new PathSink(client.number, job.prefixes)
  }
  const endOfRib = encodeEndOfRib()
  const up = clients.map((client) => {
    const { bytes } = encodeFeed(load.universe, client.number, 0, job.prefixes, ownRoute)
    return Buffer.concat([bytes, endOfRib])
  })
  const down = encodeWithdrawals(load.universe, 0, job.prefixes)
  await establish(load, clients, into)

  const converge = async (name: string, speakers: readonly Player[], announce: boolean) => {
    for (const speaker of speakers) announcing[speaker.number] = Number(announce)
    if (paths === null) expectLowest(load, announcing, job.prefixes)
    const stretch = new Stretch(load)
    for (const speaker of speakers) {
      speaker.send(announce ? (up[speaker.number] as Uint8Array) : down, stretch.startedAt)
    }
    if (paths === null) await untilRight(load, name)
    else await untilEnough(load, name, announcing, { prefixes, paths })
    await load.settle(1000, job.timeoutSeconds * 1000)
    if (paths === null) await untilRight(load, `${name}, to stay so`)
    else await untilEnough(load, `${name}, to stay so`, announcing, { prefixes, paths })
    const at = clients.map(({ sink, pathSink }) => (sink ?? pathSink)?.lastUpdateAt ?? 0)
    into[`${name}.seconds`] = round(
      secondsSince(
        stretch.startedAt,
        at.reduce((last, one) => Math.max(last, one), 0),
      ),
    )
    Object.assign(into, stretch.measures(name))
  }
  // The first ones, so that the best path is among those that change.
  const tenth = clients.slice(0, Math.max(1, Math.floor(clients.length * shareGone)))
  await converge('announce', clients, true)
  await converge('withdraw', tenth, false)
  await converge('reannounce', tenth, true)
}

/** Without ADD-PATH all learn the path of the lowest router id; its own client is asked nothing. */
function expectLowest(load: Load, announcing: Uint8Array, prefixes: number): void {
  const winner = announcing.indexOf(1)
  load.board.expect(new Uint16Array(prefixes).fill(winner + 1), new Uint16Array(prefixes))
  for (const sink of load.board.sinks) load.board.count(sink, sink.player !== winner)
  load.board.restamp()
}

async function untilEnough(
  load: Load,
  phase: string,
  announcing: Uint8Array,
  { prefixes, paths }: { readonly prefixes: number; readonly paths: number },
): Promise<void> {
  const announcers = announcing.reduce((sum, one) => sum + one, 0)
  /** Counting paths costs nothing, and while there are too few nobody need look at them. */
  const enough = () =>
    load.players.every(({ pathSink, number }) => {
      const { least } = PathSink.bounds(announcers - (announcing[number] as number), paths)
      return pathSink === null || pathSink.size >= least * prefixes
    })
  let faults: string[] = []
  const look = () => {
    faults = load.players.flatMap(({ pathSink, number }) => {
      const fault = pathSink?.fault(announcing, paths)
      return typeof fault === 'string' ? [`sink ${number} ${fault}`] : []
    })
    return faults.length === 0
  }
  // Looking through ten million paths takes seconds, in which nothing is read.
  let notBefore = 0
  const due = () => {
    const start = performance.now()
    if (start < notBefore) return false
    const right = enough() && look()
    const now = performance.now()
    notBefore = now + Math.max(lookEveryMs, 5 * (now - start))
    return right
  }
  const describe = () => {
    look()
    return `${faults.length} of ${load.players.length} sinks are not right: ${faults[0]}`
  }
  await load.until(phase, due, describe)
}
