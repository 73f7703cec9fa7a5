/** What is done between reading and opening: who rehearses, when, and what becomes of a failure. */
import t from 'tap'
import { createLog } from '../../src/log.ts'
import { systemClock } from '../../src/sys/clock.ts'
import { WarmUp } from '../../src/warm-up.ts'
import { configuration, node, peer, stage } from './scene.ts'

const reflector = node().replace(
  'metadata: {name: n1}',
  "metadata: {name: n1, annotations: {routelet.io/RouteReflectorClusterID: '10.0.0.1'}}",
)

const cases = [
  { caption: 'a reflector', manifests: reflector + configuration('{}') + peer, reflects: true },
  { caption: 'a node with a switch', manifests: node() + peer, reflects: false },
  { caption: 'a node whose manifest is not there yet', manifests: peer, reflects: false },
]

for (const { caption, manifests, reflects } of cases) {
  t.test(
    `${caption} warms up once, before anything is open, reflecting: ${reflects}`,
    async (t) => {
      const calls: boolean[] = []
      const scene = stage(manifests, {
        warmUp: async (asked) => {
          calls.push(asked)
          t.same(scene.agent.speaker.views.peers(), [], 'no session is there')
          t.match(scene.agent.ready(), { ok: false, reason: /^starting/ })
        },
      })
      await scene.agent.start()
      t.same(calls, [reflects])
      await scene.agent.close()
    },
  )
}

/** Runs a warm-up with a log at level debug. @returns its lines */
async function warmUp(reflects: boolean, clock = systemClock): Promise<string[]> {
  const lines: string[] = []
  const log = createLog('debug', 'n1', systemClock, (line) => lines.push(JSON.parse(line).msg))
  await new WarmUp(clock, log).run(reflects)
  log.close()
  return lines
}

t.test('a rehearsal is told in one line, for those who look closely', async (t) => {
  const patient = { ...systemClock, now: () => systemClock.now() / 5 }
  const lines = await warmUp(true, patient)
  t.equal(lines.length, 1)
  t.match(lines[0], /^rehearsed for \d+ ms, in \d+ turns$/)
})

t.test('one that fails is such a line as well, and the agent starts', async (t) => {
  const broken = {
    ...systemClock,
    schedule: () => {
      throw new Error('no time')
    },
    now: () => {
      throw new Error('no time')
    },
  }
  t.same(await warmUp(true, broken), ['starting without a rehearsal: no time'])
})

t.test('who reflects nothing rehearses nothing', async (t) => {
  t.same(await warmUp(false), [])
})
