/** The rehearsal of a reflector: what is played is real work, nothing is left of it, and it ends in time. */
import t from 'tap'
import { announceTable, withdrawTable } from '../../../bgp/rehearsal/lines.ts'
import { rehearsalMsMax, rehearse } from '../../../bgp/rehearsal/rehearse.ts'
import { type Player, Stage } from '../../../bgp/rehearsal/stage.ts'
import type { Clock } from '../../../bgp/types.ts'
import { systemClock } from '../../../src/sys/clock.ts'
import { FakeClock } from '../clock.ts'

const family = 'ipv4-unicast'

/** More than any act takes: what isn't settled by then never will be. */
const turnsMax = 10_000

function settle(stage: Stage): void {
  for (let turns = 0; stage.turn(); turns++) {
    if (turns > turnsMax) throw new Error(`not settled after ${turnsMax} turns`)
  }
}

async function open(players: number): Promise<Stage> {
  const stage = new Stage(systemClock, players)
  await stage.open()
  for (const player of stage.players) {
    player.enter()
    player.announceOwn()
  }
  settle(stage)
  return stage
}

const peers = ({ speaker }: Stage) => speaker.views.peers()
/** Prefixes in the stage's table. */
function prefixesIn({ speaker }: Stage): number {
  const { prefixes } = speaker.engine.rib(family)
  return Array.from({ length: prefixes.limit }, (_, row) => prefixes.used(row)).filter(Boolean)
    .length
}
const countsOf = (stage: Stage) => {
  return peers(stage).map(({ families }) => families.map((each) => [each.received, each.accepted]))
}
const player = (stage: Stage, index: number) => stage.players[index] as Player

t.test(
  'players are clients with Established sessions, and each is told of all others',
  async (t) => {
    const stage = await open(3)
    for (const { name, state, routeReflectorClient, families, reason } of peers(stage)) {
      t.equal(state, 'Established', `${name}: ${reason}`)
      t.ok(routeReflectorClient)
      t.match(families, [{ family, received: 1, accepted: 1, best: 1, advertised: 2 }])
      t.match(families, [{ endOfRibReceived: true, endOfRibSent: true }])
    }
    t.equal(peers(stage).length, 3)
  },
)

t.test('every line is a message that the speaker accepts as it is', async (t) => {
  const stage = await open(2)
  const count = 3000
  player(stage, 0).say(announceTable(player(stage, 0).address, count, 0))
  settle(stage)
  const [[[received, accepted]]] = countsOf(stage) as unknown as [[[number, number]]]
  t.ok(received > count / 2, `${received} prefixes: some occur twice, as in any table`)
  t.equal(accepted, received)
  t.equal(prefixesIn(stage), received + 1, 'and that of the other player')
  player(stage, 0).say(announceTable(player(stage, 0).address, count, 1))
  settle(stage)
  t.equal(prefixesIn(stage), received + 1, 'another edition has the same prefixes')
  player(stage, 0).say(withdrawTable(count))
  settle(stage)
  t.equal(prefixesIn(stage), 2, 'and all of them are taken back')
})

t.test('a player that takes back its prefix or leaves is forgotten, and may return', async (t) => {
  const stage = await open(3)
  player(stage, 0).withdrawOwn()
  settle(stage)
  t.equal(prefixesIn(stage), 2)
  player(stage, 1).leave()
  settle(stage)
  t.same(peers(stage).length, 2)
  t.equal(prefixesIn(stage), 1)
  player(stage, 1).enter()
  player(stage, 1).announceOwn()
  settle(stage)
  t.equal(prefixesIn(stage), 2)
})

t.test(
  'a rehearsal leaves nothing scheduled, and yields to the event loop meanwhile',
  async (t) => {
    const scheduled = { open: 0, long: 0, all: 0 }
    const clock: Clock = {
      ...systemClock,
      schedule(milliseconds, run) {
        scheduled.all++
        scheduled.open++
        if (milliseconds > 0) scheduled.long++
        return systemClock.schedule(milliseconds, () => {
          scheduled.open--
          run()
        })
      },
    }
    const { turns, specimen } = await rehearse(patient(clock))
    t.ok(turns > 50, `${turns} turns`)
    t.ok(scheduled.all > 0, 'it has rested')
    t.match(scheduled, { open: 0, long: 0 })
    t.ok(specimen instanceof Stage)
    const states = peers(specimen as Stage).map(({ state }) => state)
    t.same(states, ['Established', 'Established'], 'what is kept has one of everything')
  },
)

t.test('one that takes too long is broken off', async (t) => {
  const clock = new FakeClock()
  const slow: Clock = {
    now: () => {
      clock.pass(1)
      return clock.now()
    },
    wall: () => clock.wall(),
    schedule: (milliseconds, run) => systemClock.schedule(milliseconds, run),
  }
  await t.rejects(rehearse(slow), { message: `broken off after ${rehearsalMsMax} ms` })
})

/** A machine that runs tests may be too busy for the deadline: here a second has five. */
function patient(clock: Clock): Clock {
  return { ...clock, now: () => clock.now() / 5 }
}
