/**
 * A rehearsal before the doors open. V8 interprets what it has never run, and compiles what has run
 * often; a reflector that has just started is asked everything at once, by a thousand nodes that came
 * back with it, and would spend most of that rush in the interpreter. So it first plays what any
 * reflector meets to a small network of its own: nodes that come up and announce, single changes,
 * some that vanish and return, and a table that comes, changes and goes.
 *
 * It is played in memory, on a clock that skips pauses (clock.ts): nothing of it reaches the network,
 * the kernel, or the agent's own tables, events and figures. Played through real sockets it took
 * longer, gained no more, and had a port open that was nobody's business.
 */
import type { Clock } from '../types.ts'
import { announceTable, withdrawTable } from './lines.ts'
import { type Player, Stage } from './stage.ts'

/** A rehearsal that isn't over by then is broken off: the doors have to open. */
export const rehearsalMsMax = 1000
/** Milliseconds at a stretch; then the event loop has its turn: probes are answered meanwhile. */
const stretchMsMax = 10

/** Nodes: more of them teach V8 little that is new. */
const playersCount = 100
/** Nodes that take back their prefix and announce it again, one after the other. */
const changesCount = 10
/** Nodes that vanish and return. */
const vanishingCount = 10
/** Prefixes of the table: with fewer, what is done once for each isn't compiled yet. */
const tablePrefixes = 5000
/** Of those, the ones announced again with other attributes. */
const changedPrefixes = 1250
/**
 * Each on a stage of its own: after one, V8 takes the objects it has met for the only ones there are,
 * and what it compiled has to be thrown away when the real ones come.
 */
const performances = 2
/** Two nodes are enough for one of every object that sessions are made of. */
const specimenPlayers = 2

export interface Rehearsal {
  readonly milliseconds: number
  readonly turns: number
  /**
   * A speaker with two sessions that stand still, to be held on to: compiled code is thrown away with
   * the last object of a kind that it was compiled for.
   */
  readonly specimen: object
}

/**
 * Plays it all; yields to the event loop now and then.
 * @throws Error when it isn't over after `rehearsalMsMax`
 */
export async function rehearse(clock: Clock): Promise<Rehearsal> {
  const director = new Director(clock)
  for (let i = 0; i < performances; i++) await director.perform()
  const specimen = await director.setUp(specimenPlayers)
  return { milliseconds: clock.now() - director.begun, turns: director.turns, specimen }
}

class Director {
  readonly begun: number
  turns = 0
  readonly #clock: Clock
  #rested: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.begun = clock.now()
    this.#rested = this.begun
  }

  /** A stage on which all players have come up and announced their prefix. */
  async setUp(players: number): Promise<Stage> {
    const stage = new Stage(this.#clock, players)
    await stage.open()
    for (const player of stage.players) player.enter()
    await this.#settle(stage)
    for (const player of stage.players) player.announceOwn()
    await this.#settle(stage)
    return stage
  }

  async perform(): Promise<void> {
    const stage = await this.setUp(playersCount)
    for (const player of stage.players.slice(0, changesCount)) {
      player.withdrawOwn()
      await this.#settle(stage)
      player.announceOwn()
      await this.#settle(stage)
    }
    await this.#vanish(stage, stage.players.slice(0, vanishingCount))
    await this.#passTable(stage, stage.players[0] as Player)
    for (const player of stage.players) player.leave()
    await this.#settle(stage)
  }

  async #vanish(stage: Stage, players: readonly Player[]): Promise<void> {
    for (const player of players) player.leave()
    await this.#settle(stage)
    for (const player of players) {
      player.enter()
      player.announceOwn()
    }
    await this.#settle(stage)
  }

  /** All of it at once, a part of it anew, and half of it taken back; the rest goes with its node. */
  async #passTable(stage: Stage, feeder: Player): Promise<void> {
    feeder.say(announceTable(feeder.address, tablePrefixes, 0))
    await this.#settle(stage)
    feeder.say(announceTable(feeder.address, changedPrefixes, 1))
    await this.#settle(stage)
    feeder.say(withdrawTable(tablePrefixes / 2))
    await this.#settle(stage)
  }

  async #settle(stage: Stage): Promise<void> {
    while (stage.turn()) {
      this.turns++
      if (this.#clock.now() - this.#rested > stretchMsMax) await this.#rest()
    }
  }

  async #rest(): Promise<void> {
    await new Promise<void>((resolve) => void this.#clock.schedule(0, resolve))
    this.#rested = this.#clock.now()
    if (this.#rested - this.begun <= rehearsalMsMax) return
    throw new Error(`the rehearsal was broken off after ${rehearsalMsMax} ms: the machine is busy`)
  }
}
