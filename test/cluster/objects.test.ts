/**
 * Objects of an API server cut down and read: whatever comes, nothing throws, and what doesn't
 * concern us is no change. And how long the store waits before it asks again.
 */
import fc from 'fast-check'
import t from 'tap'
import { readObject } from '../../src/cluster/objects.ts'
import { retryAfterSecondsMax, waitBeforeRetry } from '../../src/cluster/pace.ts'
import { findKind, type Kind, kinds } from '../../src/config/kinds.ts'

const seed = 20_260_801

const nodeKind = findKind('v1', 'Node') as Kind
const node = (metadata: object, status: object = {}) => ({
  metadata: { name: 'n1', ...metadata },
  spec: { podCIDRs: ['10.1.0.0/24'], taints: [{}] },
  status: { addresses: [{ type: 'InternalIP', address: '10.0.0.1', zone: 'a' }], ...status },
})

t.test('of a Node, what is read is kept', async (t) => {
  const annotations = { 'routelet.io/ASNumber': '65001', 'volumes.kubernetes.io/x': '1' }
  const object = readObject(nodeKind, 'v1', node({ annotations, uid: 'u' }), new Map())
  t.same(object?.raw, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1', annotations: { 'routelet.io/ASNumber': '65001' } },
    spec: { podCIDRs: ['10.1.0.0/24'] },
    status: { addresses: [{ type: 'InternalIP', address: '10.0.0.1' }] },
  })
  t.same(object?.problems, [])
  t.equal(object?.resources.length, 1)
})

t.test('a heartbeat is no change, an address is', async (t) => {
  const first = readObject(nodeKind, 'v1', node({ resourceVersion: '1' }), new Map())
  const known = new Map(first === null ? [] : [[first.key, first]])
  const beat = node({ resourceVersion: '2' }, { conditions: [{ type: 'Ready' }] })
  const second = readObject(nodeKind, 'v1', beat, known)
  t.equal(second?.raw, first?.raw)
  t.equal(second?.resourceVersion, '2')
  const moved = node({}, { addresses: [{ type: 'InternalIP', address: '10.0.0.9' }] })
  t.not(readObject(nodeKind, 'v1', moved, known)?.raw, first?.raw)
})

t.test('whatever an API server sends, nothing is thrown', async () => {
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.jsonValue(), fc.jsonValue(), (kind, body, rest) => {
      const group = kind.groups[0] as string
      readObject(kind, group, body, new Map())
      readObject(kind, group, { metadata: { name: 'x' }, spec: body, status: rest }, new Map())
    }),
    { seed, numRuns: 500 },
  )
})

t.test('the wait grows with failures and is never shorter than asked for', async (t) => {
  for (const [failures, status, retryAfter, least, most] of [
    [1, 0, null, 250, 500],
    [3, 500, null, 1_000, 2_000],
    [50, 0, null, 15_000, 30_000],
    [1, 403, null, 2_500, 5_000],
    [50, 404, null, 60_000, 120_000],
    [1, 429, 20, 20_000, 20_250],
    [1, 503, 1_000_000, retryAfterSecondsMax * 1000, retryAfterSecondsMax * 1000 + 250],
  ] as const) {
    const caption = `${failures} × ${status}, Retry-After ${retryAfter}`
    t.equal(waitBeforeRetry(failures, status, retryAfter, 0), least, caption)
    t.equal(waitBeforeRetry(failures, status, retryAfter, 1), most, caption)
  }
})
