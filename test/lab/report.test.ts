/**
 * What a lab says: steps in place on a terminal and as lines elsewhere, verdicts with every
 * difference up to a limit.
 */
import t from 'tap'
import { countPairs } from '../../src/lab/pods.ts'
import { createProgress, formatKernelVerdict, formatReachability } from '../../src/lab/report.ts'
import { planTopology } from '../../src/lab/topology.ts'

const plan = planTopology({ topology: 'tor', nodes: 3, dual: false, sameAs: false })
const pods = plan.nodes.flatMap((node) => node.pods)

t.test('a step is told once a change where nobody can redraw', async (t) => {
  const written: string[] = []
  const progress = createProgress((text) => written.push(text), false)
  progress.update('converging', '1 of 2')
  progress.update('converging', '1 of 2')
  progress.update('converging', '2 of 2')
  progress.done('converged', '2 of 2')
  progress.line()
  t.same(written, [
    '  converging 1 of 2 …\n',
    '  converging 2 of 2 …\n',
    '  converged  2 of 2\n',
    '\n',
  ])
})

t.test('a step is redrawn in place on a terminal', async (t) => {
  const written: string[] = []
  const progress = createProgress((text) => written.push(text), true)
  progress.update('converging', '1 of 2')
  progress.done('converged', '2 of 2')
  t.equal(written.join(''), '  converging 1 of 2\r\u001b[K  converged  2 of 2\n')
})

t.test('pairs are counted in both families, the silent ones by name', async (t) => {
  const [first, second] = pods
  const found = countPairs(pods, new Map([[first!, [second!.address.ipv6]]]))
  t.same(found.ipv4, { asked: 30, answered: 30, silent: [] })
  t.same(found.ipv6, { asked: 30, answered: 29, silent: ['n1-p1 → n1-p2 (fd42:244:1::12)'] })
  t.same(formatReachability('ping', found), {
    ok: false,
    text:
      '30 of 30 IPv4 and 29 of 30 IPv6 pod pairs answer (ping)\n' +
      '             no answer: n1-p1 → n1-p2 (fd42:244:1::12)',
  })
})

t.test('a long list of differences is cut, and says how much', async (t) => {
  const silent = new Map(pods.map((pod) => [pod, [pods[0]!.address.ipv4, pods[1]!.address.ipv4]]))
  const { ok, text } = formatReachability('UDP echo', countPairs(pods, silent))
  t.notOk(ok)
  t.equal(text.split('\n').length, 13, 'a summary and twelve pairs, with nothing cut')
  const most = new Map(pods.map((pod) => [pod, pods.map(({ address }) => address.ipv6)]))
  const long = formatReachability('UDP echo', countPairs(pods, most)).text.split('\n')
  t.equal(long.length, 17)
  t.equal(long.at(-1)?.trim(), 'and 21 more')
})

t.test('a node that cannot be asked makes the verdict fail', async (t) => {
  t.same(formatKernelVerdict([], ['n1: no agent answers']), {
    ok: false,
    text: 'n1: no agent answers',
  })
})
