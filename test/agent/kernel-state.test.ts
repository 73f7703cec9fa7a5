/**
 * Conditions of the kernel: they name route and reason, and go when their cause does. Judged with
 * the real kernel writer over a kernel in memory.
 */
import t from 'tap'
import { KernelState } from '../../src/kernel-state.ts'
import { createFibWorker } from '../../src/workers/fib-proxy.ts'
import { changes, memoryScene, type Scene, set, settings } from '../fib/scene.ts'

const gateway = set(1, ['10.0.0.2'])
/** ENETUNREACH, which the kernel answers for a gateway it can't reach. */
const unreachable = 101

async function stage(): Promise<{ scene: Scene; state: KernelState }> {
  const scene = memoryScene()
  const state = new KernelState(scene.fib, () => settings)
  scene.fib.onEvent((event) => void state.note(event))
  await scene.fib.start()
  state.started()
  return { scene, state }
}

const problemsOf = async (state: KernelState) =>
  (await state.look()).problems.map(({ reason, subject }) => `${reason} ${subject}`)

function want(scene: Scene, prefixes: readonly string[]): void {
  scene.fib.change(
    changes(
      prefixes.map((prefix) => [prefix, 1]),
      [gateway],
    ),
  )
  scene.settle()
}

/** A route of somebody else, with the very metric of ours. */
function occupy({ kernel }: Scene, prefix: string): void {
  const legs = [{ interface: 2, gateway: null }]
  kernel.put({ prefix, table: 254, protocol: 12, metric: settings.metric, type: 1, legs })
}

t.test('a conflict names the route and its owner, and goes with the other route', async (t) => {
  const { scene, state } = await stage()
  occupy(scene, '10.1.0.0/24')
  scene.settle()
  want(scene, ['10.1.0.0/24', '10.2.0.0/24'])
  const { status, problems } = await state.look()
  t.match(status, { installed: 1, conflicts: 1 })
  t.match(problems, [
    {
      reason: 'KernelConflict',
      severity: 'warning',
      subject: 'route 10.1.0.0/24',
      message: /bird \(12\)/,
      remedy: /fib\.metric/,
    },
    { reason: 'RivalRoutes', message: /^BIRD .*1 hold the place of ours/, remedy: /stop BIRD/ },
  ])
  scene.kernel.take('10.1.0.0/24', 254, settings.metric)
  scene.settle()
  t.same(await problemsOf(state), [])
  t.match((await state.look()).status, { installed: 2, conflicts: 0 })
})

t.test('many conflicts are a few lines and a sum', async (t) => {
  const { scene, state } = await stage()
  const prefixes = Array.from({ length: 50 }, (_, index) => `10.${index + 1}.0.0/16`)
  for (const prefix of prefixes) occupy(scene, prefix)
  scene.settle()
  want(scene, prefixes)
  const { status, problems } = await state.look()
  t.equal(status.conflicts, 50)
  const named = problems.filter(({ subject }) => subject.startsWith('route '))
  t.ok(named.length > 0 && named.length <= 32, `${named.length} are named`)
  const sum = problems.find(({ message }) => message.includes('further'))
  t.match(sum, {
    subject: 'kernel',
    message: `${50 - named.length} further routes are held by routes of others`,
    remedy: /fib --diff/,
  })
})

t.test('a route the kernel refuses is an error with its errno, until it takes it', async (t) => {
  const { scene, state } = await stage()
  scene.kernel.refuse = () => unreachable
  want(scene, ['10.1.0.0/24'])
  t.match((await state.look()).problems, [
    {
      reason: 'KernelError',
      severity: 'error',
      subject: 'route 10.1.0.0/24',
      message: /ENETUNREACH/,
    },
  ])
  scene.kernel.refuse = () => 0
  scene.pass(60_000)
  t.same(await problemsOf(state), [])
})

t.test('trouble with no single route stands until the table was read again', async (t) => {
  const { scene, state } = await stage()
  scene.kernel.losingReplies = true
  want(scene, ['10.1.0.0/24'])
  t.match((await state.look()).problems, [{ subject: 'kernel', message: /replies .* were lost/ }])
  scene.kernel.losingReplies = false
  scene.pass(5_000)
  t.same(await problemsOf(state), [])
})

t.test('a writer that has not started is no trouble', async (t) => {
  const state = new KernelState(createFibWorker(settings), () => settings)
  t.match(await state.look(), { status: { wanted: 0, settings }, problems: [] })
  t.equal(state.asleep, true)
  t.equal(state.answers, false)
  t.equal(state.death, null)
})

t.test('a writer that told of its end and answers no more is gone for good', async (t) => {
  // Never started, this one can't be asked either.
  const state = new KernelState(createFibWorker(settings), () => settings)
  state.started()
  t.match((await state.look()).problems, [{ reason: 'KernelWriterSilent' }])
  t.equal(state.death, null, 'silence alone is no death')
  await state.note({
    kind: 'fib.error',
    level: 'error',
    text: 'the kernel writer died: for a test',
  })
  t.match(state.death, /for a test/)
  t.equal(state.answers, false)
  t.match((await state.look()).problems, [
    { reason: 'KernelWriterGone', severity: 'error', remedy: /restart the agent/ },
  ])
})

t.test(
  'policy rules that the kernel refuses are told, and no more when they are made',
  async (t) => {
    const { scene, state } = await stage()
    scene.kernel.refuse = (_operation, key) => (/^2179/.test(key) ? 95 : 0)
    scene.fib.guard({ prefixes: ['10.96.0.0/16'], action: 'drop' })
    scene.settle()
    const { problems } = await state.look()
    t.match(problems, [
      {
        reason: 'ServiceRulesMissing',
        message: '2 of 2 policy rules of service ranges are missing: EOPNOTSUPP',
        remedy: /serviceLoopPrevention/,
      },
    ])
    scene.kernel.refuse = () => 0
    scene.pass(60_000)
    t.same(await problemsOf(state), [])
  },
)
