/**
 * The scenarios. Each plays its phases on a `Load` and gives measures; a phase that doesn't get where
 * it should ends it with a PhaseFailure. Times run from the first UPDATE handed to the kernel until
 * the last sink is right.
 */
import type { Sink } from './board.ts'
import type { AnycastJob, ChurnJob, ClusterJob, FeedJob, Measures } from './job.ts'
import { type Load, secondsSince } from './load.ts'
import { PathSink } from './path-sink.ts'
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

const ownRoute = { rich: false, med: false }

/** Brings sessions up and waits until the daemon has said what it says to a new one. */
async function establish(load: Load, players: readonly Player[], into: Measures): Promise<void> {
  const stretch = new Stretch(load)
  into['idleBytes'] ??= stretch.residentBytesBefore
  into['establish.seconds'] = round(await load.bringUp(players))
  await load.settle()
  Object.assign(into, stretch.measures('establish'))
}

function untilRight(load: Load, phase: string): Promise<void> {
  const { board, universe } = load
  const describe = () => board.describe((prefix) => universe.name(prefix))
  return load.until(phase, () => board.open === 0, describe)
}

/** When the last sink that counts became right. */
function lastRightAt(load: Load): number {
  const counted = load.board.sinks.filter((sink) => sink.counted)
  return counted.reduce((last, sink) => Math.max(last, sink.rightAt), 0)
}

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

export async function playFeed(load: Load, job: FeedJob, into: Measures): Promise<void> {
  const { board } = load
  const feeders = load.add(job.feeders)
  const collectors = load.add(job.sinks)
  for (const collector of collectors) collector.sink = board.addSink(collector.number)
  const slow = collectors.slice(0, job.slow)
  for (const collector of slow) board.count(collector.sink as Sink, false)
  const { feeds, want } = prepareFeeds(load, job)

  await establish(load, [...feeders, ...collectors], into)
  const home = job.feeders === 1 ? want : new Uint16Array(want.length)
  board.expect(want, home)
  for (const collector of slow) collector.pause()

  const stretch = new Stretch(load)
  const resumed = load.pause(job.stallSeconds * 1000).then(() => resume(load, slow))
  for (const feeder of feeders) {
    feeder.send(feeds[feeder.number] as Uint8Array, stretch.startedAt)
  }
  // A daemon whose other sinks wait for the slow one gets there when that reads on.
  await untilRight(load, 'feed')
  const sinks = board.sinks.filter((sink) => !slow.some((player) => player.sink === sink))
  const latest = (pick: (sink: Sink) => number) =>
    sinks.reduce((at, sink) => Math.max(at, pick(sink)), 0)
  into['complete.seconds'] = round(
    secondsSince(
      stretch.startedAt,
      latest((sink) => sink.completeAt),
    ),
  )
  into['right.seconds'] = round(
    secondsSince(
      stretch.startedAt,
      latest((sink) => sink.rightAt),
    ),
  )
  if (slow.length > 0) {
    const resumedAt = await resumed
    await untilRight(load, 'catch up')
    const caughtUpAt = slow.reduce((at, { sink }) => Math.max(at, sink?.rightAt ?? 0), 0)
    into['catchUp.seconds'] = round(secondsSince(resumedAt, caughtUpAt))
  }
  await load.settle(1000)
  Object.assign(into, stretch.measures('feed'))
  const grown = (into['feed.residentBytes'] as number) - stretch.residentBytesBefore
  into['bytesPerPath'] = round(Math.max(0, grown) / (job.prefixes * job.feeders))
  // A daemon may change its mind after it was right once: then it was not done.
  await untilRight(load, 'stay right')
}

/** What each feeder sends, and what best path selection must make of it. */
function prepareFeeds(load: Load, job: FeedJob): { feeds: Uint8Array[]; want: Uint16Array } {
  const endOfRib = encodeEndOfRib()
  const want = new Uint16Array(job.prefixes)
  const shortest = new Uint8Array(job.prefixes).fill(255)
  const feeds: Uint8Array[] = []
  for (let feeder = 0; feeder < job.feeders; feeder++) {
    const style = { rich: true, med: job.feeders === 1 }
    const feed = encodeFeed(load.universe, feeder, 0, job.prefixes, style)
    feeds.push(Buffer.concat([feed.bytes, endOfRib]))
    // Shortest AS_PATH, then the lowest router id; feeders are numbered by it, all else is equal.
    feed.hops.forEach((hops, prefix) => {
      if (hops >= (shortest[prefix] as number)) return
      shortest[prefix] = hops
      want[prefix] = feeder + 1
    })
  }
  return { feeds, want }
}

/** The sinks that did not read begin to, and count from now on; gives the time. */
function resume(load: Load, slow: readonly Player[]): number {
  for (const player of slow) {
    load.board.count(player.sink as Sink, true)
    player.resume()
  }
  return performance.now()
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
  const { paths } = job
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
    else await untilEnough(load, name, announcing, paths)
    await load.settle(1000, job.timeoutSeconds * 1000)
    if (paths === null) await untilRight(load, `${name}, to stay so`)
    else await untilEnough(load, `${name}, to stay so`, announcing, paths)
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
  paths: number,
): Promise<void> {
  // Looking through all paths costs too much to be done after every read.
  let faults: string[] = []
  const look = () => {
    faults = load.players.flatMap(({ pathSink, number }) => {
      const fault = pathSink?.fault(announcing, paths)
      return typeof fault === 'string' ? [`sink ${number} ${fault}`] : []
    })
    return faults.length === 0
  }
  let lookedAt = 0
  const due = () => {
    const now = performance.now()
    if (now - lookedAt < 250) return false
    lookedAt = now
    return look()
  }
  const describe = () => {
    look()
    return `${faults.length} of ${load.players.length} sinks are not right: ${faults[0]}`
  }
  await load.until(phase, due, describe)
}
