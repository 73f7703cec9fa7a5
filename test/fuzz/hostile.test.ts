/**
 * Peers that mean no good, or can do no better: each loses its own session or falls behind alone,
 * while routes, keepalives and state of the session beside it stay as they were.
 */
import t from 'tap'
import { keepaliveMessage } from '../../bgp/wire/message.ts'
import { basics, hexText, updateOf } from '../bgp/wire/vectors.ts'
import { Neighbourhood } from './neighbourhood.ts'
import { Random } from './random.ts'

/** Of AS 65003, with its own address as next hop. */
const path = basics.replace('0000fdea', '0000fdeb').replace('0a000001', '0a000003')

/** UPDATEs that announce 172.16.0.0/24 and what follows, one prefix each. */
function flood(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const prefix = hexText(Uint8Array.of(24, 172, 16 + ((i >> 8) & 0xff), i & 0xff))
    return updateOf({ attributes: path, announced: prefix })
  })
}

async function stage(): Promise<Neighbourhood> {
  const random = new Random()
  random.restart(1, 1)
  const scene = new Neighbourhood(() => random.fraction())
  await scene.start()
  return scene
}

t.test('a peer that stalls in the middle of a message loses its session alone', async (t) => {
  const scene = await stage()
  scene.partner.holdSeconds = 90
  scene.connect()
  scene.partner.say([(flood(1)[0] as Uint8Array).subarray(0, 30)])
  scene.clock.advance(89_000)
  t.ok(scene.up, 'for the hold time it may be slow')
  t.ok(
    scene.clock.until(() => !scene.up, 10_000),
    'and no longer',
  )
  t.match(scene.view('victim').lastError?.text, /hold timer expired/i)
  scene.check()
  await scene.stop()
})

t.test('a flood of UPDATEs delays nobody', async (t) => {
  const scene = await stage()
  scene.connect()
  const blocks = flood(4000)
  for (let round = 0; round < 10; round++) {
    scene.partner.say(blocks)
    scene.clock.advance(40)
    scene.check()
  }
  scene.clock.advance(600_000)
  t.ok(scene.up, 'a flood is no error')
  const [ipv4] = scene.view('healthy').families
  t.ok((ipv4?.advertised ?? 0) >= 4000, 'and what it says is passed on')
  scene.check()
  await scene.stop()
})

t.test('a peer that comes and goes every second is slowed down', async (t) => {
  const scene = await stage()
  for (let round = 0; round < 300; round++) {
    if (scene.partner.open) scene.partner.hangUp()
    else scene.partner.dial()
    scene.clock.advance(1000)
    if (scene.up) scene.partner.say(flood(3))
  }
  scene.check()
  scene.connect()
  t.ok(scene.up, 'and taken back when it stays')
  await scene.stop()
})

t.test('a peer that breaks the protocol every time is let in less and less', async (t) => {
  const scene = await stage()
  const garbage = new Uint8Array(200)
  let sessions = 0
  for (let second = 0; second < 3600; second++) {
    if (!scene.partner.open) scene.partner.dial()
    scene.clock.advance(1000)
    if (!scene.up) continue
    sessions++
    scene.partner.say([garbage])
  }
  t.ok(sessions > 1, 'it is not shut out for ever')
  t.ok(sessions < 200, `${sessions} sessions in an hour`)
  scene.check()
  await scene.stop()
})

t.test('a peer that never reads falls behind alone, and is dropped in the end', async (t) => {
  const scene = await stage()
  scene.connect()
  scene.partner.pause()
  const alive = setLively(scene)
  scene.clock.advance(60_000)
  scene.check()
  t.ok(scene.up, 'while it sends, it lives')
  t.ok(scene.view('victim').queuedBytes < 8 * 1024 * 1024, 'what waits for it has a ceiling')
  // RFC 9687: eight minutes for a queue that doesn't move.
  t.ok(
    scene.clock.until(() => !scene.up, 1_200_000),
    'the send hold timer ends it',
  )
  alive.stop()
  scene.check()
  await scene.stop()
})

/** The partner goes on sending KEEPALIVEs, so that only its deafness counts. */
function setLively({ clock, partner }: Neighbourhood): { stop(): void } {
  let stopped = false
  const say = () => {
    if (stopped) return
    partner.say([keepaliveMessage])
    clock.schedule(10_000, say)
  }
  say()
  return {
    stop: () => {
      stopped = true
    },
  }
}
