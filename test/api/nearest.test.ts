/**
 * The nearest match for a mistyped name.
 */
import t from 'tap'
import { nearest } from '../../api/nearest.ts'

const peers = ['rack-a', 'rack-b', 'mesh.n1.v4', 'mesh.n1.v6', 'reflector']

t.test('a slip finds the name that was meant', async (t) => {
  for (const [caption, typed, meant] of [
    ['two letters swapped', 'rcak-a', 'rack-a'],
    ['a letter missing', 'rak-b', 'rack-b'],
    ['a letter too many', 'racck-b', 'rack-b'],
    ['another letter', 'mesh.n1.v5', 'mesh.n1.v4'],
    ['capitals', 'RACK-B', 'rack-b'],
    ['only the beginning', 'refl', 'reflector'],
    ['a slip beats a beginning', 'mesh.n1.v', 'mesh.n1.v4'],
    ['something else entirely', 'elsewhere', null],
    ['nothing', '', null],
    ['one letter of many', 'r', null],
    ['too long to have been typed', 'rack-a'.repeat(50), null],
  ] as const) {
    t.equal(nearest(typed, peers), meant, caption)
  }
})

t.test('with no candidates nothing is near', async (t) => {
  t.equal(nearest('rack-a', []), null)
})
