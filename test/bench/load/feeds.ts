/**
 * The scenarios with whole tables: feeders announce the same prefixes with transit-like attributes,
 * sinks collect them. Times run from the first UPDATE handed to the kernel until the last sink is right.
 */
import { readFile, rm } from 'node:fs/promises'
import { HealthProbe, QueueWatch } from './agent-api.ts'
import type { Sink } from './board.ts'
import type { FanInJob, FeedJob, Measures, PulseJob } from './job.ts'
import { type Load, PhaseFailure, secondsSince } from './load.ts'
import type { LoopReport } from './loop-clock.ts'
import { establish, untilRight } from './phases.ts'
import type { Player } from './player.ts'
import { latencies, round, Stretch } from './stretch.ts'
import { encodeFeed } from './universe.ts'
import { encodeEndOfRib } from './wire.ts'

/** So short that a daemon owes a KEEPALIVE every second. */
export const pulseHoldSeconds = 3
/** Longer than any import takes; then the daemon has no clock of ours in it. */
const reportMsMax = 10_000
/** A daemon that neither sends nor computes for so long stays as it is. */
const quietMs = 1500

export async function playFeed(load: Load, job: FeedJob, into: Measures): Promise<void> {
  const { board } = load
  const feeders = load.add(job.feeders)
  const collectors = load.add(job.sinks)
  for (const collector of collectors) collector.sink = board.addSink(collector.number)
  const slow = collectors.slice(0, job.slow)
  for (const collector of slow) board.count(collector.sink as Sink, false)
  const { feeds, want } = prepareFeeds(load, feeders, job.prefixes)

  await establish(load, [...feeders, ...collectors], into)
  board.expect(want, job.feeders === 1 ? want : new Uint16Array(want.length))
  for (const collector of slow) collector.pause()
  const queues = slow.length > 0 && job.api !== null ? new QueueWatch(job.api) : null

  const stretch = new Stretch(load)
  const resumed = load.pause(job.stallSeconds * 1000).then(() => resume(load, slow))
  const found: Measures = {}
  sendAll(feeders, feeds, stretch)
  // A daemon whose other sinks wait for the slow one gets there when that reads on.
  await untilRight(load, 'feed')
  const sinks = board.sinks.filter((sink) => !slow.some((player) => player.sink === sink))
  noteTimes(sinks, stretch, found)
  if (slow.length > 0) {
    const resumedAt = await resumed
    await untilRight(load, 'catch up')
    const caughtUpAt = slow.reduce((at, { sink }) => Math.max(at, sink?.rightAt ?? 0), 0)
    found['catchUp.seconds'] = round(secondsSince(resumedAt, caughtUpAt))
  }
  if (queues !== null) found['slow.queuedBytesMost'] = await queues.stop()
  await load.settle(1000)
  Object.assign(found, stretch.measures('feed'))
  const grown = (found['feed.residentBytes'] as number) - stretch.residentBytesBefore
  found['bytesPerPath'] = round(Math.max(0, grown) / (job.prefixes * job.feeders))
  // A daemon may change its mind after it was right once: then it was not done.
  await untilRight(load, 'stay right')
  Object.assign(into, found)
}

/** One feed, and what else the daemon has to do meanwhile: its KEEPALIVEs, its probes, its own turns. */
export async function playPulse(load: Load, job: PulseJob, into: Measures): Promise<void> {
  const { board } = load
  const [feeder, collector] = load.add(2) as [Player, Player]
  collector.sink = board.addSink(collector.number)
  const { feeds, want } = prepareFeeds(load, [feeder], job.prefixes)
  await establish(load, [feeder, collector], into)
  board.expect(want, want)
  const probe = job.api === null ? null : new HealthProbe(job.api)
  const loop = job.loopReport === null ? null : await startLoopClock(load, job.loopReport)

  const stretch = new Stretch(load)
  feeder.keepaliveGapMs = 0
  sendAll([feeder], feeds, stretch)
  await untilRight(load, 'feed')
  noteTimes(board.sinks, stretch, into)
  if (loop !== null) Object.assign(into, await loop())
  if (probe !== null) {
    const { times, failed } = await probe.stop()
    Object.assign(into, latencies('healthz', times))
    into['healthz.answers'] = times.length
    into['healthz.failed'] = failed
  }
  // The feeder is sent nothing else: at least one KEEPALIVE more, and the pause before it counts.
  await load.pause((pulseHoldSeconds * 1000) / 2)
  into['keepalive.gapMs'] = round(feeder.keepaliveGapMs)
  Object.assign(into, stretch.measures('feed'))
}

/** Begins the measurement of loop-clock.ts; the function it gives ends it and tells what was found. */
async function startLoopClock(load: Load, file: string): Promise<() => Promise<Measures>> {
  const [pid] = load.job.pids as [number]
  await rm(file, { force: true })
  process.kill(pid, 'SIGUSR2')
  return async () => {
    process.kill(pid, 'SIGUSR2')
    const report: LoopReport = JSON.parse(await whenWritten(load, file))
    return Object.fromEntries(
      Object.entries(report).map(([name, value]) => [`loop.${name}`, round(value)]),
    )
  }
}

async function whenWritten(load: Load, file: string): Promise<string> {
  const start = performance.now()
  for (;;) {
    try {
      return await readFile(file, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    if (performance.now() - start > reportMsMax) {
      throw new PhaseFailure(`the daemon left no report of its event loop in ${file}`)
    }
    await load.pause(50)
  }
}

/**
 * Rounds of the same prefixes from several feeders, who are others in each round, as are their
 * attributes. A daemon may send a prefix several times while it learns; what it ends with counts.
 */
export async function playFanIn(load: Load, job: FanInJob, into: Measures): Promise<void> {
  const { board } = load
  const { rounds, feedersLeast, feedersMost, prefixes } = job
  const [collector] = load.add(1) as [Player]
  const sink = board.addSink(collector.number)
  collector.sink = sink
  await establish(load, [collector], into)
  const nobody = new Uint16Array(prefixes)
  const stretch = new Stretch(load)
  const seconds: number[] = []
  let [wrongRounds, wrongPrefixes, left] = [0, 0, 0]
  for (let number = 0; number < rounds; number++) {
    const share = rounds > 1 ? number / (rounds - 1) : 1
    const feeders = load.add(Math.round(feedersLeast + share * (feedersMost - feedersLeast)))
    const { feeds, want } = prepareFeeds(load, feeders, prefixes)
    await load.bringUp(feeders)
    board.expect(want, nobody)
    board.restamp()
    const startedAt = performance.now()
    sendAll(feeders, feeds, { startedAt })
    const name = `round ${number + 1}`
    await load.untilQuiet(name, () => board.open === 0, quietMs)
    // Right once isn't right for good.
    await load.settle(quietMs / 3)
    if (sink.wrong === 0) seconds.push(secondsSince(startedAt, sink.rightAt))
    else wrongRounds++
    wrongPrefixes += sink.wrong
    for (const feeder of feeders) load.crash(feeder)
    board.expect(nobody, nobody)
    await load.untilQuiet(`the end of ${name}`, () => board.open === 0, quietMs)
    left += sink.wrong
    // Round by round: a daemon that has no time for all has these.
    Object.assign(into, { rounds: number + 1, wrongRounds, wrongPrefixes, leftPrefixes: left })
    const all = seconds.reduce((sum, one) => sum + one, 0)
    if (seconds.length > 0) into['round.seconds'] = round(all / seconds.length)
  }
  Object.assign(into, stretch.measures('feed'))
}

function sendAll(
  feeders: readonly Player[],
  feeds: readonly Uint8Array[],
  { startedAt }: { readonly startedAt: number },
): void {
  feeders.forEach((feeder, index) => {
    feeder.send(feeds[index] as Uint8Array, startedAt)
  })
}

/** When the last of these sinks had every prefix, and when all were right. */
function noteTimes(sinks: readonly Sink[], { startedAt }: Stretch, into: Measures): void {
  const latest = (pick: (sink: Sink) => number) =>
    sinks.reduce((at, sink) => Math.max(at, pick(sink)), 0)
  into['complete.seconds'] = round(
    secondsSince(
      startedAt,
      latest(({ completeAt }) => completeAt),
    ),
  )
  into['right.seconds'] = round(
    secondsSince(
      startedAt,
      latest(({ rightAt }) => rightAt),
    ),
  )
}

/** What each feeder sends, and what best path selection must make of it. */
function prepareFeeds(
  load: Load,
  feeders: readonly Player[],
  prefixes: number,
): { feeds: Uint8Array[]; want: Uint16Array } {
  const endOfRib = encodeEndOfRib()
  const want = new Uint16Array(prefixes)
  const shortest = new Uint8Array(prefixes).fill(255)
  const style = { rich: true, med: feeders.length === 1 }
  const feeds = feeders.map(({ number }) => {
    const feed = encodeFeed(load.universe, number, 0, prefixes, style)
    // Shortest AS_PATH, then the lowest router id; feeders are numbered by it, all else is equal.
    feed.hops.forEach((hops, prefix) => {
      if (hops >= (shortest[prefix] as number)) return
      shortest[prefix] = hops
      want[prefix] = number + 1
    })
    return Buffer.concat([feed.bytes, endOfRib])
  })
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
