/** When peers may be told routes after a restart (RFC 4724 §4.1), in a table of who is there. */
import t from 'tap'
import { doubtSecondsMax, type GateInput, judgeSynchronised, judgeTelling } from '../../src/gate.ts'
import { peerConfig } from '../bgp/session/scene.ts'

type Peer = 'heard' | ReturnType<GateInput['endOfRib']>

function input(peers: readonly Peer[], secondsSinceStart: number): GateInput {
  const of = (name: string) => peers[Number(name)] ?? 'doubtful'
  return {
    wanted: peers.map((_, index) => peerConfig({ name: String(index) })),
    views: [],
    synchronised: (name) => of(name) === 'heard',
    endOfRib: (name) => {
      const peer = of(name)
      return peer === 'heard' ? 'due' : peer
    },
    readiness: { policy: 'Any', timeoutSeconds: 300 },
    reflector: false,
    secondsSinceStart,
  }
}

t.test('who is waited for before routes are told', async (t) => {
  const late = doubtSecondsMax
  const table: readonly [caption: string, peers: readonly Peer[], second: number, told: boolean][] =
    [
      ['nobody is wanted', [], 0, true],
      ['all have said End-of-RIB', ['heard', 'heard'], 1, true],
      ['one still sends its table', ['heard', 'due'], 1, false],
      ['one still sends its table, however late', ['heard', 'due'], 59, false],
      ['one switch is not there yet', ['heard', 'doubtful'], late - 1, false],
      ['one switch can’t be reached', ['heard', 'doubtful'], late, true],
      ['nobody can be reached', ['doubtful', 'doubtful'], late, true],
      ['one is unreachable and one still sends', ['due', 'doubtful'], late, false],
    ]
  for (const [caption, peers, second, told] of table) {
    const verdict = judgeTelling(input(peers, second))
    t.equal(verdict.ok, told, caption)
    if (!told) t.match(verdict.reason, /waiting for the routes of /, caption)
  }
})

t.test(
  'kernel routes of a switch that can’t be reached are swept later than others are told',
  async (t) => {
    const unreachable = input(['heard', 'doubtful'], doubtSecondsMax)
    t.equal(judgeTelling(unreachable).ok, true)
    t.equal(judgeSynchronised(unreachable).ok, false)
    t.equal(judgeSynchronised(input(['heard', 'doubtful'], 120)).ok, true)
  },
)
