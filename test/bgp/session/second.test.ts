/**
 * A connection of the peer beside whatever there is: for every state of the first, what becomes of
 * the two (RFC 4271 §6.8), and, where graceful restart was agreed on, that only a valid OPEN takes
 * the place of the session (RFC 4724 §5).
 */
import t from 'tap'
import { restartCapability } from '../hardening/scene.ts'
import {
  endOfRib,
  keepalive,
  type Line,
  message,
  ourAddress,
  ourRouterId,
  type Scene,
  stage,
  stageEstablished,
  theirOpen,
} from './scene.ts'

const plain = [
  { kind: 'multiprotocol', family: 'ipv4-unicast', afi: 1, safi: 1 },
  { kind: 'as4', asn: 65002 },
  { kind: 'routeRefresh' },
] as const
const restarting = { capabilities: [...plain, restartCapability()] }
/** Ours is 10.0.0.1; the speaker with the higher identifier keeps the connection it dialled. */
const lower = { routerId: 1 }
const higher = { routerId: 0xc0000001 }

/** Long enough that no connection is under way any more that was dialled before the session stood. */
const settledMs = 6000

type Reach = (open: Parameters<typeof theirOpen>[0]) => Promise<Scene>

async function begun(say: readonly Uint8Array[] = []): Promise<Scene> {
  const scene = await stage()
  scene.speaker.peer.start()
  scene.clock.advance(100)
  scene.script.last.say(...say)
  scene.clock.advance(100)
  return scene
}

async function settled(overrides = {}, open = {}): Promise<Scene> {
  const scene = await stageEstablished(overrides, { holdSeconds: 0, ...open })
  scene.clock.advance(settledMs)
  return scene
}

/** The states that our own connection can be in when another one of the peer's has its OPEN. */
const reached: ReadonlyMap<string, Reach> = new Map<string, Reach>([
  ['nothing dialled', async () => quiet(await stage({ passive: true }))],
  ['OpenSent', () => begun()],
  ['OpenConfirm', (open) => begun([theirOpen(open)])],
  ['Established just now', (open) => stageEstablished({}, { ...restarting, ...open })],
  ['Established', (open) => settled({}, open)],
  ['Established, Helper', (open) => settled({ gracefulRestart: 'Helper' }, open)],
  ['restartable', (open) => settled({}, { ...restarting, ...open })],
  [
    'restartable, but we offer nothing',
    (open) => settled({ gracefulRestart: 'Disabled' }, { ...restarting, ...open }),
  ],
])

function quiet(scene: Scene): Scene {
  scene.speaker.peer.start()
  return scene
}

/** What is left: the connection we dialled, the peer's, and how the loser was told. */
const outcomes: readonly [state: string, open: object, first: string, second: string][] = [
  ['nothing dialled', lower, '-', 'stands'],
  ['nothing dialled', higher, '-', 'stands'],
  // Ours is preferred; whether its OPEN comes is waited for.
  ['OpenSent', lower, 'stands', 'waits'],
  ['OpenSent', higher, '0607', 'stands'],
  ['OpenConfirm', lower, 'stands', '0607'],
  ['OpenConfirm', higher, '0607', 'stands'],
  ['Established just now', lower, 'stands', '0607'],
  ['Established just now', higher, 'stands', '0607'],
  ['Established', lower, 'stands', '0607'],
  ['Established', higher, 'stands', '0607'],
  ['Established, Helper', higher, 'stands', '0607'],
  ['restartable', lower, 'closed', 'stands'],
  ['restartable', higher, 'closed', 'stands'],
  ['restartable, but we offer nothing', higher, 'stands', '0607'],
]

t.test('for every state of the first connection, what becomes of it and of another', async (t) => {
  const untried = new Set(reached.keys())
  for (const [state, open, first, second] of outcomes) {
    untried.delete(state)
    const scene = await (reached.get(state) as Reach)(open)
    const [dialled] = scene.script.connections
    const theirs = scene.script.dial(ourAddress)
    scene.clock.advance(100)
    theirs.say(theirOpen({ ...restarting, holdSeconds: 0, ...open }))
    scene.clock.advance(100)
    const caption = `${state}, ${open === lower ? 'we are higher' : 'the peer is higher'}`
    t.equal(dialled === undefined ? '-' : fate(dialled), first, `${caption}: the one we dialled`)
    t.equal(fate(theirs), second, `${caption}: theirs`)
  }
  t.same([...untried], [], 'every state was tried')
})

/** A connection that stands was answered by our KEEPALIVE, or waits for the peer's OPEN. */
function fate(line: Line): string {
  if (line.notification !== null) return line.notification
  if (!line.open) return 'closed'
  const dialledByUs = line.connection.localPort === 179
  return line.types.includes(4) || dialledByUs ? 'stands' : 'waits'
}

const garbage: readonly [caption: string, say: (line: Line) => void, answer: string | null][] = [
  ['says nothing', () => {}, null],
  ['closes', (line) => line.connection.end(), null],
  ['sends octets that are no message', (line) => line.say(new Uint8Array(4000).fill(7)), '0101'],
  ['begins with an UPDATE', (line) => line.say(endOfRib), '050102'],
  ['begins with a NOTIFICATION', (line) => line.say(message(3, '0602')), null],
  ['says another AS', (line) => line.say(theirOpen({ asn: 7, capabilities: [] })), '0202'],
  ['has no identifier', (line) => line.say(theirOpen({ routerId: 0 })), '0203'],
  ['has no family in common', (line) => line.say(theirOpen(ipv6Only)), '0207'],
  ['wants a hold time of one second', (line) => line.say(theirOpen({ holdSeconds: 1 })), '0206'],
]
const ipv6Only = {
  capabilities: [{ kind: 'multiprotocol', family: 'ipv6-unicast', afi: 2, safi: 1 } as const],
}

t.test('a connection that brings no valid OPEN costs the session nothing', async (t) => {
  for (const [caption, say, answer] of garbage) {
    const { clock, speaker, script } = await settled({}, restarting)
    const session = script.last
    const before = speaker.peer.view()
    const theirs = script.dial(ourAddress)
    clock.advance(100)
    t.same(theirs.types, [1], `${caption}: it is greeted`)
    say(theirs)
    clock.advance(100)
    t.equal(speaker.peer.state, 'Established', caption)
    t.match(theirs.notification ?? null, answer === null ? null : new RegExp(`^${answer}`), caption)
    session.say(endOfRib)
    clock.advance(100)
    t.equal(speaker.updates.length, 1, `${caption}: the session is read as before`)
    t.same(speaker.downs, [], caption)
    const { lastError, reason, flaps } = speaker.peer.view()
    t.same({ lastError, reason, flaps }, { lastError: null, reason: null, flaps: 0 }, caption)
    clock.advance(300_000)
    t.not(theirs.closedBy, 'nobody', `${caption}: it is ended in the end`)
    t.equal(speaker.peer.state, before.state, caption)
    t.same(speaker.downs, [], caption)
  }
})

t.test('a thousand connections beside a session are one at a time', async (t) => {
  const { clock, speaker, script } = await settled({}, restarting)
  for (let times = 0; times < 1000; times++) {
    script.dial(ourAddress)
    clock.advance(10)
  }
  const open = script.connections.slice(1).filter((line) => line.open)
  t.equal(open.length, 1, 'the newest')
  t.same(speaker.downs, [])
  const told = speaker.events.filter(({ level }) => level === 'warn')
  t.ok(told.length <= 2, `${told.length} warnings`)
})

t.test(
  'a session that ends while another connection waits for its OPEN goes over to it',
  async (t) => {
    const { clock, speaker, script } = await settled({}, restarting)
    const session = script.last
    const theirs = script.dial(ourAddress)
    clock.advance(100)
    session.connection.destroy()
    clock.advance(100)
    t.equal(speaker.downs.length, 1)
    t.equal(theirs.notification, null)
    theirs.say(theirOpen(restarting), keepalive)
    clock.advance(100)
    t.equal(speaker.peer.state, 'Established')
    t.equal(speaker.ups, 2)
    clock.advance(20_000)
    t.equal(script.connections.length, 2, 'nothing is dialled beside it')
  },
)

t.test(
  'a peer that restarts again and again is followed from one connection to the next',
  async (t) => {
    const { clock, speaker, script } = await settled({}, restarting)
    for (let times = 1; times <= 4; times++) {
      const old = script.last
      const theirs = script.dial(ourAddress)
      clock.advance(100)
      theirs.say(theirOpen({ ...restarting, holdSeconds: 0 }), keepalive)
      clock.advance(100)
      t.equal(speaker.ups, times + 1)
      t.equal(speaker.downs.length, times)
      t.notOk(old.open)
      t.equal(old.notification, null)
      t.equal(speaker.peer.state, 'Established')
      theirs.say(endOfRib)
      clock.advance(settledMs)
      t.equal(speaker.updates.length, times)
    }
    t.match(speaker.downs.at(-1), /it has restarted/)
  },
)

t.test('both of two connections are never given up at once', async (t) => {
  // The peer closes ours at the moment when it has sent its OPEN on its own.
  const scene = await begun([theirOpen(higher)])
  const { clock, speaker, script } = scene
  const theirs = script.dial(ourAddress)
  clock.advance(100)
  script.connections[0]?.say(message(3, '0607'))
  theirs.say(theirOpen(higher), keepalive)
  clock.advance(100)
  t.equal(speaker.peer.state, 'Established')
  t.equal(speaker.peer.view().localAddress, ourAddress)
  t.equal(speaker.ups, 1)
  t.equal(ourRouterId < higher.routerId, true)
})
